"""Several runs on the same diplomas at the same moment, on servers that honour conditions and on some that do not.

Rule: every worker has listed a certificate as empty before the first of them goes on, so that all of them write.
"""

from __future__ import annotations

import contextlib
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from diploma_archive.sandbox import LocalS3, Sandbox
from diploma_archive.sync.run import Run
from tests.support.invariants import check_committed, check_counts
from tests.support.rclone import RcloneS3
from tests.support.s3_proxy import Racers, S3Proxy, S3Request, StripCondition
from tests.support.world import PREFIX, Bucket, World, new_bucket

WORKERS, DIPLOMAS = 8, 3
RACES = 8  # until several runs meet
LIST_SECONDS, PUT_SECONDS = 20.0, 1.0
JSON = re.compile(r"(diplomas|certificates)/.*\.json$")
EVIDENCE = "diplomas/|certificates/"


class Gate:
    """Lets workers go on together: each certificate's first LIST, and each first PUT of a record or an index entry.

    A PUT waits a second at most, since who finds a faster one may have nothing to write; a jitter upsets their order.
    """

    def __init__(self, workers: int, jitter_seconds: float = 0.0) -> None:
        self._workers = workers
        self._jitter_seconds = jitter_seconds
        self._chance = random.Random(workers)  # noqa: S311
        self._lock = threading.Lock()
        self._barriers: dict[str, threading.Barrier] = {}
        self._came: Counter[str] = Counter()

    def __call__(self, request: S3Request) -> None:
        """Wait, where this request is one of them."""
        prefix = request.query.get("prefix", "")
        if request.method == "GET" and f"{PREFIX}/certificates/" in prefix:
            self._wait(prefix, LIST_SECONDS)
        elif request.method == "PUT" and JSON.search(request.key):
            with contextlib.suppress(threading.BrokenBarrierError):
                self._wait(request.key, PUT_SECONDS)
        if self._jitter_seconds:
            with self._lock:
                seconds = self._chance.uniform(0, self._jitter_seconds)
            time.sleep(seconds)

    def _wait(self, what: str, seconds: float) -> None:
        with self._lock:
            self._came[what] += 1
            barrier = self._barriers.setdefault(what, threading.Barrier(self._workers))
            waits = self._came[what] <= self._workers
        if waits:
            barrier.wait(seconds)


def race(world: World, workers: int = WORKERS) -> list[Run]:
    """Let so many runs archive everything at the same time, each in a thread with an event loop of its own."""
    with ThreadPoolExecutor(workers) as pool:
        runs = list(pool.map(lambda _: world.run(), range(workers)))
    for run in runs:
        check_counts(run)
        assert run.tally.is_green, run.tally.failures
    return runs


def check_one_of_each(world: World) -> None:
    """One record and one index entry for each diploma, which fit together; the PDF that they name is there."""
    check_committed(world.bucket)
    everyone = sorted(world.sandbox.diplomas)
    assert sorted(record["diploma_id"] for record in world.bucket.records()) == everyone
    entries = [world.bucket.document(key) for key in world.bucket.keys_below("certificates/")]
    assert sorted(entry["diploma_id"] for entry in entries) == everyone
    assert all(entry["file"] in world.bucket.evidence() for entry in entries)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A school of three diplomas, each of which has other bytes at every download."""
    with Sandbox(participants=DIPLOMAS, persons=DIPLOMAS, seed=7, requests_per_second=None, render_anew=True) as server:
        yield server


def test_eight_runs_at_once_archive_each_diploma_once(world: World, proxy: S3Proxy) -> None:
    """With conditions that hold, eight runs write one record and one index entry, and no second version of anything."""
    proxy.on_request = Gate(WORKERS)
    runs = race(world)
    assert world.sandbox.requests["download"] == WORKERS * DIPLOMAS, "a race for every diploma"
    assert any(request.status == 412 for request in proxy.requests)
    assert all(run.tally.as_counts()["archived"] == DIPLOMAS for run in runs)
    check_one_of_each(world)


def all_win(proxy: S3Proxy) -> None:
    """The server looks and stores in two steps: whoever looks before the first one stores wins too."""
    proxy.fault(Racers(WORKERS, seconds=1.0), method="PUT", key=EVIDENCE, times=None)


def records_all_win(proxy: S3Proxy) -> None:
    """Only for the records the server is so slow."""
    proxy.fault(Racers(WORKERS, seconds=1.0), method="PUT", key=r"diplomas/.*\.json$", times=None)


def entries_all_win(proxy: S3Proxy) -> None:
    """Records race as they come on a server that ignores conditions there; all index entries win."""
    proxy.fault(StripCondition(), method="PUT", key=r"diplomas/.*\.json$", times=None)
    proxy.fault(Racers(WORKERS, seconds=1.0), method="PUT", key="certificates/", times=None)


def ignores(proxy: S3Proxy) -> None:
    """The server ignores all conditions."""
    proxy.fault(StripCondition(), method="PUT", times=None)


@pytest.mark.parametrize("jitter_seconds", [0.0, 0.05], ids=["together", "jumbled"])
@pytest.mark.parametrize("server", [all_win, records_all_win, entries_all_win, ignores])
def test_runs_that_all_win_leave_record_and_entry_that_fit(
    world: World, s3: LocalS3, proxy: S3Proxy, server: Callable[[S3Proxy], None], jitter_seconds: float
) -> None:
    """Where a server lets several writes of one key win, one logical revision is left and nothing is mixed up."""
    world.conditions_hold = False
    server(proxy)
    for _ in range(RACES):
        world.bucket = new_bucket(
            s3
        )  # whether runs meet is up to the machine: they race until several wrote one record
        world.sandbox.reset_counts()
        proxy.requests.clear()
        proxy.on_request = Gate(WORKERS, jitter_seconds)
        race(world)
        proxy.on_request = None
        assert world.sandbox.requests["download"] == WORKERS * DIPLOMAS, "a race for every diploma"
        check_one_of_each(world)
        written = Counter(key for key in proxy.written("/diplomas/") if key.endswith(".json"))
        if max(written.values()) > 1:
            return
    pytest.fail(f"in {RACES} races no two runs wrote one record")


@pytest.fixture
def rclone(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[RcloneS3, S3Proxy]]:
    """`rclone serve s3`, which ignores conditions and keeps no versions, behind a proxy that only looks on."""
    with RcloneS3() as server, S3Proxy(server.endpoint_url) as proxy:
        for name, value in proxy.environment(server.environment()).items():
            monkeypatch.setenv(name, value)
        yield server, proxy


def rclone_world(sandbox: Sandbox, server: RcloneS3, proxy: S3Proxy, name: str) -> World:
    """Return a world with an empty bucket of rclone's."""
    server.create_bucket(name)
    return World(sandbox, Bucket(server.environment(), name), proxy.environment(server.environment()))


def test_rclone_serve_s3_gets_a_correct_archive(sandbox: Sandbox, rclone: tuple[RcloneS3, S3Proxy]) -> None:
    """On a server without conditions a run archives everything, and a repeat downloads and writes nothing."""
    world = rclone_world(sandbox, *rclone, "once")
    assert world.counts() == {"archived": DIPLOMAS}
    before = world.bucket.evidence()
    assert world.counts() == {"unchanged": DIPLOMAS}
    assert world.bucket.evidence() == before
    assert sandbox.requests["download"] == DIPLOMAS
    check_one_of_each(world)


@pytest.mark.parametrize("jitter_seconds", [0.0, 0.05], ids=["together", "jumbled"])
def test_runs_race_on_rclone_serve_s3(
    sandbox: Sandbox, rclone: tuple[RcloneS3, S3Proxy], jitter_seconds: float
) -> None:
    """Three runs at once on a real server without conditions leave one revision, and record and entry that fit."""
    server, proxy = rclone
    for race_number in range(RACES):
        world = rclone_world(sandbox, server, proxy, f"race-{race_number}")
        sandbox.reset_counts()
        proxy.requests.clear()
        proxy.on_request = Gate(3, jitter_seconds)
        race(world, 3)
        proxy.on_request = None
        assert sandbox.requests["download"] == 3 * DIPLOMAS, "a race for every diploma"
        check_one_of_each(world)
        written = Counter(key for key in proxy.written("/diplomas/") if key.endswith(".json"))
        assert world.counts() == {"unchanged": DIPLOMAS}
        if max(written.values()) > 1:
            return
    pytest.fail(f"in {RACES} races no two runs wrote one record")
