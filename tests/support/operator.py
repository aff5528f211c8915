"""What an operator does with Prefect's API, without Prefect's own client."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from deployments.local.stack import BUCKET, PREFIX, ROOT, Stack, local_stack
from diploma_archive.sandbox import Sandbox
from tests.support.sending_times import SendingTimes
from tests.support.world import Bucket

BEGIN_SECONDS = 240  # a limit for a machine that is busy with something else

BUSY_TRIES = 20
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass(frozen=True)
class Operator:
    """Starts, watches and cancels runs."""

    stack: Stack

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str = "POST") -> Any:
        """Ask Prefect's API."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.stack.prefect.ui_url}/api/{path}", data, {"Content-Type": "application/json"}, method=method
        )
        for left in reversed(range(BUSY_TRIES)):
            try:
                with urllib.request.urlopen(request) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                # A server that has just started answers so while its database is being looked after.
                if error.code != 503 or not left:
                    raise
                error.close()
                time.sleep(1)
        raise AssertionError("the loop above returns or raises")

    def deployment(self, name: str) -> dict[str, Any]:
        """Return a deployment by its name."""
        (found,) = [found for found in self.ask("deployments/filter", {}) if found["name"] == name]
        return dict(found)

    def start(self, name: str, **parameters: Any) -> str:
        """Start a run of a deployment and return its id."""
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return str(self.ask(f"deployments/{self.deployment(name)['id']}/create_flow_run", body)["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """Return a flow run."""
        return dict(self.ask(f"flow_runs/{run_id}", method="GET"))

    def cancel(self, run_id: str) -> None:
        """Do what the UI's Cancel does."""
        self.ask(f"flow_runs/{run_id}/set_state", {"state": {"type": "CANCELLING"}})

    def wait(self, run_id: str, seconds: float = 120) -> dict[str, Any]:
        """Return a flow run once it has ended."""
        until(lambda: self.run(run_id)["state_type"] in FINAL, seconds, f"run {run_id} did not end")
        return self.run(run_id)

    def pid(self, run_id: str) -> int:
        """Return the process of a flow run, once it has one."""
        until(lambda: self.run(run_id)["infrastructure_pid"], 60, f"run {run_id} has no process")
        return int(str(self.run(run_id)["infrastructure_pid"]).rpartition(":")[2])


@contextmanager
def larger_school(participants: int, log_name: str) -> Iterator[Stack]:
    """Run everything that `make ui` starts, with so many participants; the worker's log goes below build/."""
    log = ROOT / "build" / log_name
    log.parent.mkdir(exist_ok=True)
    with local_stack(Sandbox(participants=participants, persons=participants, seed=1), worker_log=log) as running:
        yield running


def until(holds: Callable[[], Any], seconds: float, otherwise: str) -> None:
    """Return as soon as something holds; fail when it does not within the time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.3)


@pytest.fixture(scope="module")
def sending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SendingTimes]:
    """When the processes of the stack send their requests."""
    times = SendingTimes(tmp_path_factory.mktemp("sending") / "times")
    with pytest.MonkeyPatch.context() as outside:
        for name, value in times.environment.items():
            outside.setenv(name, value)
        yield times


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, sending: SendingTimes) -> Iterator[Stack]:
    """Everything that `make ui` starts, with a school as large as the module's PARTICIPANTS."""
    with larger_school(request.module.PARTICIPANTS, f"{request.module.__name__.rpartition('.')[2]}.log") as running:
        yield running


@pytest.fixture
def operator(stack: Stack) -> Operator:
    """Somebody who uses Prefect."""
    return Operator(stack)


@pytest.fixture
def bucket(stack: Stack) -> Bucket:
    """The archive, from outside."""
    return Bucket(stack.environment, BUCKET, PREFIX)


def committed_diplomas_are_whole(bucket: Bucket) -> int:
    """Check that each record has its PDF and each index entry its record; return how many records there are."""
    # Against the order of writing, so that a run that is at work changes nothing about it.
    entries = [bucket.document(key) for key in bucket.keys_below("certificates/")]
    records = bucket.records()
    keys = set(bucket.keys_below())
    for record in records:
        assert record["file"]["key"] in keys
    for entry in entries:
        assert entry["record"] in keys
    assert len({record["diploma_id"] for record in records}) == len(records)
    return len(records)
