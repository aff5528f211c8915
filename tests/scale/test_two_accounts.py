"""A backfill of 2,000 participants on the topology of deployments/compose.yaml, run as processes: `make scale-test`.

What is real: PostgreSQL, Redis, two Prefect API replicas and the background services behind Caddy, one work pool, three
workers, and two accounts at once, each in a process of its own that refuses more than 5 requests in a sliding second.
What is arranged, so that it takes some seven minutes on two cores: each account has 1,000 of the participants; 150 of
them have a diploma that is new, 100 one that is archived already, and 750 have none. So an account is asked for 1,000
listings and 150 downloads: 1,150 requests, 230 seconds at 5 a second, and some two minutes more until the end of a
killed worker is noticed. S3 is moto, in the process of the test. One worker is killed with the runs it started, as when
its machine dies, and one API replica too; the backfills start the lost shards again by themselves.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployments.local.servers import ChildProcess, clean_environment
from deployments.local.stack import ROOT, WORK_POOL
from diploma_archive.sandbox import LocalS3
from diploma_archive.sandbox.request_counts import busiest_second, rate_over_run
from tests.support.frontcore_process import RATE, Account
from tests.support.operator import FINAL, Operator, until
from tests.support.prefect_cluster import Cluster, cluster, missing_programs
from tests.support.world import Bucket

BUCKET = "provider-archive"
NAMES = ("north", "south")
PARTICIPANTS = 1_000  # of each account
SHARDS = 3
UNDISTURBED_SECONDS = 45  # all shards at work, before the worker is killed
MOST_SECONDS = 540


@dataclass(frozen=True)
class Site:
    """Everything that is up."""

    cluster: Cluster
    accounts: tuple[Account, ...]
    buckets: dict[str, Bucket]
    workers: dict[str, ChildProcess]
    operator: Operator

    def shards(self) -> list[dict[str, Any]]:
        """Return the runs of shards."""
        runs = self.operator.ask("flow_runs/filter", {"limit": 200})
        return [run for run in runs if any(tag.startswith("shard ") for tag in run["tags"])]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start everything; the parents of the shards get a worker that is not killed."""
    missing = missing_programs()
    if missing:
        pytest.fail(missing, pytrace=False)
    folder = tmp_path_factory.mktemp("scale")
    logs = ROOT / "build" / "scale"
    logs.mkdir(parents=True, exist_ok=True)
    accounts = tuple(Account(name, PARTICIPANTS, folder / name) for name in NAMES)
    with ExitStack() as up:
        s3 = up.enter_context(LocalS3())
        s3.create_bucket(BUCKET)
        buckets = {name: Bucket(s3.environment(), BUCKET, name) for name in NAMES}
        buckets[NAMES[0]].client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        for account in accounts:
            up.callback(account.process.stop)
            account.start(BUCKET, s3.environment())
        prefect = up.enter_context(cluster(logs))
        for account in accounts:
            until(account.is_ready, 120, f"the account {account.name} is not ready")
        environment = {**clean_environment(), **prefect.environment}
        for account in accounts:
            _set_up(account, {**environment, **s3.environment()})
        _run(environment, "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", "deployments/prefect.yaml")
        workers = {name: _worker(name, environment, logs) for name in ("first", "second", "third")}
        for worker in workers.values():
            up.callback(worker.stop)
        yield Site(prefect, accounts, buckets, workers, Operator(SimpleNamespace(prefect=prefect)))  # type: ignore[arg-type]


def test_two_accounts_at_once_while_processes_die(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Both accounts keep to 5 a second and archive each diploma once, although a worker and an API replica die."""
    operator, began = site.operator, time.monotonic()
    database_before = site.cluster.database_bytes()
    site.workers["first"].start()
    parents = {
        account.name: operator.start(
            "backfill-in-shards", participants=account.ready()["chosen"], account=account.name, shards=SHARDS
        )
        for account in site.accounts
    }
    until(lambda: _all_running(operator, parents), 120, "the backfills did not begin")
    for name in ("second", "third"):
        site.workers[name].start()
    until(lambda: _running(site.shards()) == SHARDS * len(NAMES), 120, "the shards did not begin")
    until(lambda: all(account.counts()["download"] > 0 for account in site.accounts), 60, "nothing is archived")
    all_at_work, cpu_before = time.monotonic(), _cpu_seconds(site)
    time.sleep(UNDISTURBED_SECONDS)
    killed_at, cpu = time.monotonic(), _cpu_seconds(site) - cpu_before
    victim, lost = _kill_a_worker(site)
    os.killpg(site.cluster.replicas[0].pid, signal.SIGKILL)
    until(lambda: _all_final(operator, parents), MOST_SECONDS, "the backfills did not end")
    ended = time.monotonic()
    final = {name: operator.run(run_id) for name, run_id in parents.items()}
    database_after = site.cluster.database_bytes()
    arrivals = {account.name: account.report() for account in site.accounts}

    with capsys.disabled():
        print(f"\n{'':8}{'requests':>9}{'per second':>12}{'undisturbed':>13}{'worst second':>14}{'refused':>9}")  # noqa: T201
        for name, seen in arrivals.items():
            times = [at for at, _ in seen]
            calm = rate_over_run(at for at in times if all_at_work <= at < killed_at)
            refused = Counter(kind for _, kind in seen)["refused"]
            print(  # noqa: T201  the figures are this test's second purpose
                f"{name:8}{len(times):9}{rate_over_run(times):12.3f}{calm:13.3f}{busiest_second(times):14}{refused:9}"
            )
        print(  # noqa: T201
            f"{ended - began:.0f} s for {PARTICIPANTS * len(NAMES)} participants in {SHARDS * len(NAMES)} shards; "
            f"worker {victim} killed with {len(lost)} shards after {killed_at - began:.0f} s; "
            f"Prefect's database grew by {(database_after - database_before) / 1e6:.1f} MB; "
            f"undisturbed, all shards together took {cpu / (killed_at - all_at_work):.0%} of one core"
        )
        for name, run in final.items():
            print(f"{name}: {run['state_name']}: {run['state']['message']}")  # noqa: T201

    for name, run in final.items():
        assert run["state_type"] == "COMPLETED", (name, run["state"]["message"])
    for name, seen in arrivals.items():
        assert busiest_second(at for at, _ in seen) <= RATE, name
        assert not any(kind == "refused" for _, kind in seen), name
    for account in site.accounts:
        _each_diploma_is_archived_once(site.buckets[account.name], account)
    by_state = Counter(run["state_type"] for run in site.shards())
    assert by_state == {"COMPLETED": SHARDS * len(NAMES), "CRASHED": len(lost)}
    for account in site.accounts:
        # One download for each new diploma; those under way when the worker died may be downloaded again.
        downloads = Counter(kind for _, kind in arrivals[account.name])["download"]
        assert len(account.ready()["new"]) <= downloads <= len(account.ready()["new"]) + 25


def _each_diploma_is_archived_once(bucket: Bucket, account: Account) -> None:
    expected = sorted([*account.ready()["new"], *account.ready()["archived"]])
    records = bucket.records()
    assert sorted(record["diploma_id"] for record in records) == expected
    keys = set(bucket.keys_below())
    assert all(record["file"]["key"] in keys for record in records)
    assert len(bucket.keys_below("certificates/")) == len(expected)
    pages = bucket.client.get_paginator("list_object_versions").paginate(Bucket=bucket.name, Prefix=f"{bucket.prefix}/")
    written = Counter(row["Key"] for page in pages for row in page.get("Versions", ()))
    evidence = {key: count for key, count in written.items() if "/diplomas/" in key or "/certificates/" in key}
    assert len(evidence) == 3 * len(expected)
    assert set(evidence.values()) == {1}


def _kill_a_worker(site: Site) -> tuple[str, list[str]]:
    """Kill the worker that has most shards, and the runs it started, as when its machine dies; return both."""
    parents_of = _parents_of_processes()
    of_worker: dict[str, list[str]] = {}
    for run in site.shards():
        pid = int(str(run["infrastructure_pid"]).rpartition(":")[2])
        for name in ("second", "third"):
            if site.workers[name].pid in _ancestors(pid, parents_of):
                of_worker.setdefault(name, []).append(run["id"])
    victim = max(of_worker, key=lambda name: len(of_worker[name]))
    pid = site.workers[victim].pid
    family = [child for child in parents_of if pid in _ancestors(child, parents_of)]
    for process in (pid, *family):
        os.kill(process, signal.SIGKILL)
    return victim, of_worker[victim]


def _cpu_seconds(site: Site) -> float:
    """Return how long the processes of the shards have computed so far."""
    ticks = 0
    for run in site.shards():
        pid = str(run["infrastructure_pid"]).rpartition(":")[2]
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        ticks += int(user) + int(system)
    return ticks / os.sysconf("SC_CLK_TCK")


def _parents_of_processes() -> dict[int, int]:
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        found[int(status.parent.name)] = int(fields[1])
    return found


def _ancestors(pid: int, parents_of: dict[int, int]) -> list[int]:
    found = []
    while (pid := parents_of.get(pid, 0)) > 1:
        found.append(pid)
    return found


def _running(runs: list[dict[str, Any]]) -> int:
    return sum(run["state_type"] == "RUNNING" for run in runs)


def _all_running(operator: Operator, parents: dict[str, str]) -> bool:
    return _running([operator.run(run_id) for run_id in parents.values()]) == len(parents)


def _all_final(operator: Operator, parents: dict[str, str]) -> bool:
    time.sleep(1)
    return all(operator.run(run_id)["state_type"] in FINAL for run_id in parents.values())


def _worker(name: str, environment: dict[str, str], logs: Path) -> ChildProcess:
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", WORK_POOL, "--name", name]
    # The two backfills wait for their shards on the first worker: the test kills one that has shards only.
    limit = ["--limit", "3"] if name == "first" else []
    return ChildProcess([*command, *limit], environment, cwd=ROOT, log=logs / f"worker-{name}.log")


def _set_up(account: Account, environment: dict[str, str]) -> None:
    """Make an account's blocks and limit, as an operator does."""
    described = {
        "FRONTCORE_ACCOUNT": account.name,
        "FRONTCORE_API_KEY": account.ready()["api_key"],
        "FRONTCORE_BASE_URL": account.ready()["base_url"],
        "FRONTCORE_REQUESTS_PER_SECOND": str(RATE),
        "ARCHIVE_BUCKET": BUCKET,
        "ARCHIVE_PREFIX": account.name,
    }
    _run({**environment, **described}, "deployments.setup")


def _run(environment: dict[str, str], module: str, *arguments: str) -> None:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{module} failed:\n{done.stdout}{done.stderr}"
