"""Many runs on one account, and runs that are cancelled; tests/scale has those that lose process, worker or server."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from deployments.local.servers import clean_environment
from deployments.local.stack import ROOT, Stack
from tests.support.operator import BEGIN_SECONDS, Operator, committed_diplomas_are_whole, until
from tests.support.sending_times import SendingTimes
from tests.support.world import Bucket

RATE = 5
PARTICIPANTS = 150


@pytest.fixture(autouse=True)
def _within_the_rate(sending: SendingTimes) -> Iterator[None]:
    """Whatever happens to runs, together they never send more than the account's rate.

    When requests arrive is the machine's affair: a late one is answered 429, which is obeyed (tests/rate).
    """
    yield
    assert 0 < sending.busiest_second <= RATE


def test_three_processes_share_one_account(
    stack: Stack, sending: SendingTimes, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three runs started at once send at most 5 requests in any second together, and archive each diploma once."""
    parts = {"900001-900040": 2, "900041-900080": 2, "900081-900100": 1}
    stack.sandbox.reset_counts()
    environment = {**clean_environment(), **stack.environment, "PREFECT_LOGGING_LEVEL": "ERROR"}
    code = (
        "import asyncio, sys\nfrom flows.archive import archive_diplomas\n"
        "state = asyncio.run(archive_diplomas(participants=sys.argv[1], share=int(sys.argv[2]), return_state=True))\n"
        "print(state.message)"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, participants, str(share)],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for participants, share in parts.items()
    ]
    messages = [process.communicate(timeout=240)[0].strip().splitlines()[-1] for process in running]
    rate, busiest = stack.sandbox.rate_over_run(), sending.busiest_second
    with capsys.disabled():
        print(  # noqa: T201  the figures are this test's second purpose
            f"\nthree processes: {len(stack.sandbox.seen)} requests, {rate:.3f} of {RATE} per second "
            f"({rate / RATE:.1%}), sent in the busiest sliding second: {busiest}, "
            f"arrived: {stack.sandbox.busiest_second()}, refused: {stack.sandbox.requests['refused']}"
        )
    assert messages == [f"{count} archived, 0 unchanged, 0 failed" for count in (40, 40, 20)]
    assert busiest <= RATE
    assert committed_diplomas_are_whole(bucket) == 100
    assert stack.sandbox.requests["download"] == 100
    assert len(sending.moments) >= len(stack.sandbox.seen)


def test_a_cancelled_run_ends_soon_and_leaves_the_archive_whole(
    stack: Stack, operator: Operator, bucket: Bucket
) -> None:
    """Cancel in the UI ends a run before its work is done, and what was archived stays."""
    run = operator.start("backfill", participants="900101-900149")
    stack.sandbox.reset_counts()
    until(lambda: committed_diplomas_are_whole(bucket) > 100, BEGIN_SECONDS, "the run did not begin")
    operator.cancel(run)
    assert operator.wait(run, 240)["state_type"] == "CANCELLED"
    at_the_end = len(stack.sandbox.seen)
    assert 100 < committed_diplomas_are_whole(bucket) < 149
    time.sleep(3)
    assert len(stack.sandbox.seen) == at_the_end
