"""Two workers on one account and bucket, killed with SIGKILL again and again: what is left is always whole.

Rule: it goes on until `KILLS` (default 15) of them hit a worker at work, however long a busy machine takes for that.
Whenever a bucket has everything, or met ten kills, an empty one takes its place, so that workers have something to do.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from diploma_archive.sandbox import LocalS3, Sandbox
from diploma_archive.sandbox.certificate import CertificateText, draw
from tests.support.invariants import check_committed, check_written_once
from tests.support.s3_proxy import S3Proxy
from tests.support.world import Bucket, World, new_bucket

KILLS_AT_WORK = int(os.environ.get("KILLS", "15"))
GIVE_UP_SECONDS = 900.0
DIPLOMAS = 24
LARGE_BYTES = 1_200_000  # more than stays in memory: a killed worker has it on the disk
KILLS_PER_BUCKET = 10
MIN_LIFE_SECONDS, MAX_LIFE_SECONDS = 0.5, 3.0
SHORTEST_WORK_SECONDS, LONGEST_WORK_SECONDS = 0.05, 1.4  # after the first S3 request or PUT: Python starts slowly
pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


@dataclass
class Life:
    """One worker process, from its start to its kill or end."""

    name: str
    process: subprocess.Popen[bytes]
    started: float
    lifetime_seconds: float
    work_seconds: float
    works_from: frozenset[str]  # methods of S3 requests: the first of them starts the clock of `work_seconds`
    working_since: float | None = None

    def is_over(self, proxy: S3Proxy) -> bool:
        """Whether it is time to kill it."""
        now = time.monotonic()
        mine = (one for one in list(proxy.requests) if one.method in self.works_from and self.is_mine(one.headers))
        if self.working_since is None and any(mine):
            self.working_since = now
        works_enough = self.working_since is not None and now - self.working_since >= self.work_seconds
        return works_enough or now - self.started >= self.lifetime_seconds

    def is_mine(self, headers: dict[str, str]) -> bool:
        """Whether a request came from this worker."""
        return f"app/{self.name}" in headers.get("user-agent", "").split()


@dataclass
class Killer:
    """Starts workers, kills them, and counts."""

    world: World
    proxy: S3Proxy
    temporary: Path
    chance: random.Random = field(default_factory=lambda: random.Random(20261123))  # noqa: S311
    lives: list[Life] = field(default_factory=list)
    started: int = 0
    children: set[int] = field(default_factory=set)  # processes that check PDFs, seen at a kill
    kills: int = 0
    mid_run: int = 0
    ended_by_themselves: int = 0

    def start(self) -> None:
        """Start one worker."""
        self.started += 1
        name = f"worker-{self.started}"
        environment = self.world.environment(
            TMPDIR=str(self.temporary), AWS_SDK_UA_APP_ID=name, FRONTCORE_REQUESTS_PER_SECOND="40"
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "diploma_archive.cli", "sync", "--all", "--json"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        lifetime = self.chance.uniform(MIN_LIFE_SECONDS, MAX_LIFE_SECONDS)
        # One in five may be killed while it still starts; the others live until they have worked a moment.
        lifetime = lifetime if self.chance.random() < 0.2 else GIVE_UP_SECONDS
        work = self.chance.uniform(SHORTEST_WORK_SECONDS, LONGEST_WORK_SECONDS)
        works_from = frozenset({"PUT"} if self.chance.random() < 0.7 else {"GET", "HEAD", "PUT"})
        self.lives.append(Life(name, process, time.monotonic(), lifetime, work, works_from))

    def look(self) -> None:
        """Kill those whose time has come; forget those that have ended."""
        for life in list(self.lives):
            if life.process.poll() is not None:
                self.ended_by_themselves += 1
                assert life.process.returncode == 0, f"a run ended with exit code {life.process.returncode}"
                self.lives.remove(life)
            elif life.is_over(self.proxy):
                self.kill(life)

    def kill(self, life: Life) -> None:
        """Kill a worker at once, with its process group."""
        if life.process.poll() is None:
            self.children.update(pdf_children(self.temporary))
            os.killpg(life.process.pid, signal.SIGKILL)
        life.process.wait()
        self.lives.remove(life)
        self.kills += 1
        puts = [one.key for one in list(self.proxy.requests) if one.method == "PUT" and life.is_mine(one.headers)]
        self.mid_run += bool(puts) and not any("/runs/" in key for key in puts)

    def kill_all(self) -> None:
        """Kill whoever is left."""
        for life in list(self.lives):
            self.kill(life)


def pdf_children(temporary: Path) -> list[int]:
    """Return the processes that check PDFs for a worker with this TMPDIR."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            is_child = (
                folder.name.isdigit() and b"diploma_archive.pdf.checker_process" in (folder / "cmdline").read_bytes()
            )
            if is_child and f"TMPDIR={temporary}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def check_the_end(world: World) -> None:
    """A clean run over what the kills left: everything is committed, once, and fits together."""
    check_committed(world.bucket)
    run = world.run()
    counts = run.tally.as_counts()
    assert run.tally.is_green, run.tally.failures
    assert counts["archived"] + counts["unchanged"] == counts["listed"] == len(world.sandbox.diplomas)
    check_committed(world.bucket)
    check_written_once(world.bucket)
    records = [record["diploma_id"] for record in world.bucket.records()]
    assert sorted(records) == sorted(world.sandbox.diplomas), "one logical revision for each diploma"
    entries = [world.bucket.document(key)["diploma_id"] for key in world.bucket.keys_below("certificates/")]
    assert sorted(entries) == sorted(world.sandbox.diplomas), "one index entry for each diploma"


def left_in(temporary: Path) -> list[Path]:
    """Return the files in a folder; Python's own, with which it tries a temporary folder, has four bytes: "blat"."""
    return [path for path in temporary.iterdir() if not b"blat".startswith(path.read_bytes())]


@pytest.fixture
def pairs(sandbox: Sandbox) -> Sandbox:
    """24 diplomas in pairs that share a serial; each download has other bytes, but for two large files."""
    while len(sandbox.diplomas) < DIPLOMAS:
        sandbox.add_diploma(sandbox.add_participant()["id"])
    ids = sorted(sandbox.diplomas)
    for one, other in zip(ids[::2], ids[1::2], strict=True):
        sandbox.diplomas[other].serial = sandbox.diplomas[one].serial
    sandbox.render_anew = True
    for one in ids[5:20:14]:
        sandbox.diplomas[one].pdf = draw.__wrapped__(CertificateText.of(sandbox.diplomas[one]), LARGE_BYTES)
    return sandbox


@pytest.mark.long
def test_kills_leave_nothing_broken(
    pairs: Sandbox, s3: LocalS3, proxy: S3Proxy, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers killed at any moment lose nothing, overwrite nothing and archive nothing twice."""
    for name, value in proxy.environment(s3.environment()).items():
        monkeypatch.setenv(name, value)
    world = World(pairs, new_bucket(s3), proxy.environment(s3.environment()))
    killer = Killer(world, proxy, temporary)
    buckets: list[Bucket] = []
    give_up_at = time.monotonic() + GIVE_UP_SECONDS
    try:
        while killer.mid_run < KILLS_AT_WORK or not killer.children:
            assert time.monotonic() < give_up_at, f"only {killer.mid_run} of {killer.kills} kills hit a worker at work"
            kills_before = killer.kills
            while time.monotonic() < give_up_at and killer.kills - kills_before < KILLS_PER_BUCKET:
                while len(killer.lives) < 2:
                    killer.start()
                time.sleep(0.02)
                killer.look()
                if len(world.bucket.keys_below("certificates/")) == DIPLOMAS:
                    break
            killer.kill_all()
            buckets.append(world.bucket)
            committed = len(world.bucket.keys_below("certificates/"))
            print(f"bucket {len(buckets)}: {committed} of {DIPLOMAS} committed, {killer.kills} kills so far")  # noqa: T201
            proxy.reset()
            world.bucket = new_bucket(s3)
    finally:
        killer.kill_all()
    print(f"{killer.kills} kills, {killer.mid_run} of them mid-run; {killer.ended_by_themselves} runs ended")  # noqa: T201
    gone_by = time.monotonic() + 5
    while pdf_children(temporary) and time.monotonic() < gone_by:
        time.sleep(0.1)
    assert pdf_children(temporary) == [], "a process that checks PDFs outlived its worker"
    assert left_in(temporary) == [], "temporary files"
    for bucket in buckets:
        world.bucket = bucket
        check_the_end(world)
    assert left_in(temporary) == [], "temporary files"
