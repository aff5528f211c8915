"""The main job on each S3 server that this machine can start: `python -m tests.s3_servers.matrix [server ...]`.

Rule: real commands in processes of their own, judged from outside by what lies in the bucket.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from diploma_archive.sandbox import Sandbox
from tests.s3_servers.servers import NOT_HERE, SERVERS, CannotStartError, Running, start
from tests.support.paths import ROOT
from tests.support.world import PREFIX, Bucket, World

# What a server does against the rule and README.md says: its tests fail, these and no others.
KNOWN_FAILURES = {
    "SeaweedFS": (
        {f"test_listing.py::test_the_order_is_that_of_the_bytes[given-{way}]" for way in ("boto3", "fast_path")},
        "lists `s-1/` before `s-1-2/`",
    )
}
SECRET = "a-suppression-key-of-enough-characters"


class StepError(Exception):
    """A step did not end as it must."""


@dataclass
class Column:
    """What one server did, step by step."""

    name: str
    steps: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)  # keys, with the hash of each PDF

    @property
    def is_good(self) -> bool:
        """Return whether every step ended as it must."""
        return all(result.startswith(("ok", "-", "known")) for result in self.steps.values())


class Trial:
    """The whole job on one server, in buckets of its own."""

    def __init__(self, running: Running, sandbox: Sandbox, *, versioned: bool) -> None:
        self.running = running
        self.sandbox = sandbox
        self.versioned = versioned
        self.world = self._world()

    def _world(self) -> World:
        name = f"archive-{uuid4().hex[:12]}"
        bucket = Bucket(self.running.environment, name, PREFIX)
        bucket.client.create_bucket(Bucket=name)
        if self.versioned:
            bucket.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return World(self.sandbox, bucket, self.running.environment, conditions_hold=False)

    def run(
        self, world: World, *arguments: str, codes: tuple[int, ...] = (0,), **environment: str
    ) -> dict[str, object]:
        """Run a command and return what its `--json` says.

        Raises:
            StepError: it ended with another exit code.
        """
        environment = {"ARCHIVE_SUPPRESSION_KEY": SECRET, **environment}
        done = subprocess.run(
            [sys.executable, "-m", "diploma_archive.cli", *arguments, "--json"],
            env=world.environment(**environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in codes:
            last = (done.stderr.strip().splitlines() or done.stdout.strip().splitlines() or ["nothing said"])[-1]
            raise StepError(f"{arguments[0]} ended with {done.returncode}: {last[:160]}")
        return dict(json.loads(done.stdout.strip().splitlines()[-1]))

    def expect(self, answer: dict[str, object], **counts: int) -> None:
        """Check counts.

        Raises:
            StepError: they are others.
        """
        found = {name: answer[name] for name in counts}
        if found != counts:
            raise StepError(f"{found} where {counts} was due")

    def first_run(self) -> str:
        """Everything is archived, and once."""
        self.expect(self.run(self.world, "sync", "--all"), archived=6, failed=0)
        before = self.sandbox.requests["download"]
        self.expect(self.run(self.world, "sync", "--all"), archived=0, unchanged=6)
        if self.sandbox.requests["download"] != before:
            raise StepError("the second run downloaded again")
        return "ok"

    def nightly(self) -> str:
        """A change is seen, and the next night has nothing to do."""
        self.sandbox.reissue(500001, "2026-03-01 10:00:00", passed_note="corrected")
        self.sandbox.touch_participant(900001, "2027-01-01 10:00:00")
        self.expect(self.run(self.world, "sync"), archived=1, failed=0)
        self.expect(self.run(self.world, "sync"), archived=0, failed=0)
        return "ok"

    def withdrawn(self) -> str:
        """A diploma that is deleted at the source gets a record that says so."""
        self.sandbox.diplomas[500002].deleted_at = "2026-04-01 10:00:00"
        self.expect(self.run(self.world, "sync", "--all"), withdrawn=1, failed=0)
        return "ok"

    def ten_runs(self) -> str:
        """`archive.json` has one version after ten runs."""
        for _ in range(5):
            self.run(self.world, "sync")
        if not self.versioned:
            return "- no versions"
        answer = self.world.bucket.client.list_object_versions(
            Bucket=self.world.bucket.name, Prefix=f"{PREFIX}/archive.json"
        )
        if len(answer.get("Versions", ())) != 1:
            raise StepError(f"archive.json has {len(answer.get('Versions', ()))} versions")
        return "ok"

    def verify(self) -> str:
        """Nothing is found, quick and in full, with the chain."""
        self.run(self.world, "verify")
        self.run(self.world, "verify", "--full", "--chain")
        return "ok"

    def export_and_restore(self) -> str:
        """An export is brought back into an empty bucket, and is whole there."""
        with tempfile.TemporaryDirectory() as folder:
            bag = str(Path(folder) / "bag")
            self.run(self.world, "export", "--all", "--to", bag)
            target = self._world()
            self.run(target, "restore", "--from", bag)
        self.run(target, "verify", "--full")
        if target.bucket.evidence() != self.world.bucket.evidence():
            raise StepError("the restored archive has other bytes")
        return "ok"

    def erase(self) -> str:
        """A person is gone, with every version, and does not come back."""
        credentials = {f"ERASURE_{name}": value for name, value in self.running.environment.items() if "KEY" in name}
        said = self.run(self.world, "erase", "--certificate", "ABC123456", "--confirm", **credentials)
        self.run(self.world, "sync", "--all")
        left = [key for key in self.world.bucket.keys_below() if "ABC123456" in key]
        if left or said.get("complete") is not True:
            raise StepError(f"{len(left)} objects are left; complete: {said.get('complete')}")
        self.run(self.world, "verify")
        return "ok"

    def kill_and_resume(self) -> str:
        """A run is killed amid its work; the next one archives the rest, and nothing is damaged."""
        world = self._world()
        command = [sys.executable, "-m", "diploma_archive.cli", "sync", "--all", "--json"]
        running = subprocess.Popen(
            command,
            env=world.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while running.poll() is None and len(world.bucket.keys_below("diplomas/")) < 3:
            time.sleep(0.02)
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        self.run(world, "sync", "--all")
        self.expect(self.run(world, "sync", "--all"), archived=0, failed=0)
        self.run(world, "verify", "--full", "--chain")
        return "ok"

    def two_at_once(self) -> str:
        """Two runs at one moment: both end well or say why, and then everything is there once."""
        world = self._world()
        command = [sys.executable, "-m", "diploma_archive.cli", "sync", "--json"]
        runs = [
            subprocess.Popen(
                command, env=world.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        ends = [(one.communicate(), one.returncode) for one in runs]
        for (_, said), code in ends:
            if code:
                raise StepError(f"one of them ended with {code}: {said.strip().splitlines()[-1][:160]}")
        self.expect(self.run(world, "sync", "--all"), archived=0, failed=0)
        self.run(world, "verify", "--full", "--chain")
        return "ok"

    def doctor(self) -> str:
        """What `doctor` says of create-only writes."""
        said = self.run(self.world, "doctor", codes=(0, 1))
        checks = said["checks"]
        assert isinstance(checks, list)
        (found,) = [check for check in checks if check["name"] == "conditional writes"]
        return f"ok: {'honoured' if found['result'] == 'ok' else found['seen'].split(':')[0]}"

    def normalised(self) -> dict[str, str]:
        """Return the keys without run ids and dates, each PDF with its hash."""
        found: dict[str, str] = {}
        for key in self.world.bucket.keys_below():
            if key.startswith(("state/probe/", "erasures/", "suppressed/")):
                continue
            name = re.sub(r"[0-9a-f]{32}", "RUN", re.sub(r"runs/.*Z-", "runs/", key))
            body = self.world.bucket.body(key) if key.endswith(".pdf") else b""
            found[name] = hashlib.sha256(body).hexdigest()
        return found

    def contract_suite(self) -> str:
        """What the store is held to, against this server behind the proxy that injects faults; in plain buckets."""
        if self.versioned:
            return "- once"
        known = {**os.environ, "S3_CONTRACT_SERVER": json.dumps(self.running.environment)}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            "2",
            "-p",
            "no:cacheprovider",
            "tests/contract/store",
        ]
        done = subprocess.run(command, env=known, cwd=ROOT, capture_output=True, text=True, check=False)
        last = (done.stdout.strip().splitlines() or ["nothing said"])[-1]
        (Path(tempfile.gettempdir()) / f"contract-{self.running.name.split()[0]}.log").write_text(done.stdout)
        failed = {
            line.split()[1].rpartition("/")[2]
            for line in done.stdout.splitlines()
            if line.startswith(("FAILED", "ERROR"))
        }
        known_failures, why = KNOWN_FAILURES.get(self.running.name, (set(), ""))
        if failed and failed == known_failures:
            return f"known: it {why}: {last.partition(' in ')[0]}"
        if done.returncode:
            raise StepError(f"contract suite: {last}")
        return f"ok: {last.partition(' in ')[0]}"


STEPS: dict[str, Callable[[Trial], str]] = {
    "main job twice": Trial.first_run,
    "nightly, with a change": Trial.nightly,
    "withdrawn": Trial.withdrawn,
    "archive.json after ten runs": Trial.ten_runs,
    "create-only, says doctor": Trial.doctor,
    "verify": Trial.verify,
    "export and restore": Trial.export_and_restore,
    "kill -9 and resume": Trial.kill_and_resume,
    "two runs at once": Trial.two_at_once,
    "erase": Trial.erase,
    "contract suite": Trial.contract_suite,
}


def tried(running: Running, *, versioned: bool) -> Column:
    """Return what a server did with the whole job."""
    column = Column(f"{running.name} {running.version}{', versioned' if versioned else ''}")
    with Sandbox(participants=6, persons=5, seed=7, requests_per_second=None) as sandbox:
        try:
            trial = Trial(running, sandbox, versioned=versioned)
        except (BotoCoreError, ClientError) as error:
            column.steps = dict.fromkeys(STEPS, f"- {type(error).__name__}: no such bucket here")
            return column
        for name, step in STEPS.items():
            try:
                column.steps[name] = step(trial)
            except Exception as error:  # noqa: BLE001  whatever it is: the table says it, and the next step is tried
                column.steps[name] = f"NO: {error}" if isinstance(error, StepError) else f"NO: {type(error).__name__}"
            print(f"  {column.name}: {name}: {column.steps[name]}", flush=True)
        with suppress(BotoCoreError, ClientError):
            column.held = trial.normalised()
    return column


def table(columns: list[Column], missing: dict[str, str]) -> str:
    """Return everything as a table of Markdown, and what could not be started below it."""
    lines = [f"| | {' | '.join(column.name for column in columns)} |", f"|---|{'---|' * len(columns)}"]
    lines += [f"| {name} | {' | '.join(column.steps.get(name, '') for column in columns)} |" for name in STEPS]
    lines += ["", *(f"Not run here: {name}: {why}." for name, why in missing.items())]
    return "\n".join(lines)


def main(names: list[str]) -> int:
    """Try the servers of these names, all without any; return the exit code."""
    columns: list[Column] = []
    missing: dict[str, str] = {}
    for name in names or SERVERS:
        with ExitStack() as stack:
            try:
                running = start(stack, name)
            except CannotStartError as error:
                missing[name] = str(error)
                continue
            columns += [tried(running, versioned=versioned) for versioned in (False, True)]
    print(table(columns, missing | NOT_HERE))
    different = [column.name for column in columns[1:] if column.held and column.held != columns[0].held]
    if different:
        print(f"Other keys or bytes than on {columns[0].name}: {', '.join(different)}.")
    elif len(columns) > 1:
        print(f"The same {len(columns[0].held)} keys and PDFs on each, run ids, dates and probes aside.")
    return 0 if all(column.is_good for column in columns) and not different else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
