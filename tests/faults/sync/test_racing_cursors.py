"""Two nightly runs at once, one of them held at each step of its cursor: the next run skips no row of the source."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from diploma_archive.listing.selection import Scope
from tests.support.s3_proxy import S3Proxy, S3Request
from tests.support.world import World

HELD_SECONDS = 120.0  # a limit: who is held goes on when the other run has ended
STEPS = {
    "list at the beginning": ("LIST", 1),
    "read at the beginning": ("GET", 1),
    "list at the end": ("LIST", 2),
    "write": ("PUT", 1),
    "remove": ("DELETE", 1),
}


class Hold:
    """Holds the run that comes first at the nth request of a kind that is about cursors."""

    def __init__(self, kind: str, nth: int) -> None:
        self._kind, self._left = kind, nth
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, request: S3Request) -> None:
        """Wait, where this request is the one."""
        prefix = request.query.get("prefix", "")
        kind = "LIST" if not request.key and "state/cursor" in prefix else request.method
        if kind != self._kind or "state/cursor/" not in request.key + prefix:
            return
        self._left -= 1
        if self._left == 0:
            self.reached.set()
            self.go_on.wait(HELD_SECONDS)


def change(world: World, diploma_id: int, participant_id: int, when: str) -> None:
    """Re-issue a diploma, as FrontCore shows it to a nightly run."""
    world.sandbox.reissue(diploma_id, when, passed_note=f"corrected {when}")
    world.sandbox.touch_participant(participant_id, when)


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_is_held_at_a_step_of_its_cursor(world: World, proxy: S3Proxy, step: str) -> None:
    """Whatever the other run reads, writes and removes meanwhile, every change is archived by the end."""
    for day in range(1, 6):  # so that there are old cursors to remove
        world.sandbox.touch_participant(900001, f"2026-03-0{day} 10:00:00")
        world.run(Scope.INCREMENTAL)
    change(world, 500001, 900001, "2026-04-01 10:00:00")
    hold = Hold(*STEPS[step])
    proxy.on_request = hold
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(world.run, Scope.INCREMENTAL)
        assert hold.reached.wait(HELD_SECONDS), "the run did not come to this step"
        change(world, 12345, 987654, "2026-04-02 10:00:00")
        assert world.run(Scope.INCREMENTAL).tally.is_green
        change(world, 500002, 900002, "2026-04-01 12:00:00")
        hold.go_on.set()
        assert held.result().tally.is_green
    proxy.on_request = None
    assert world.run(Scope.INCREMENTAL).tally.is_green
    for diploma_id in (500001, 12345, 500002):
        assert world.bucket.records(diploma_id)[-1]["result"]["passed_note"].startswith("corrected"), diploma_id
