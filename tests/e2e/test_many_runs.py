"""Many runs on one account, and runs that are cancelled or lose their process, worker or server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from deployments.local.servers import clean_environment
from deployments.local.stack import ROOT, Stack, start_worker
from tests.support.operator import Operator, until
from tests.support.sending_times import SendingTimes
from tests.support.world import Bucket

RATE = 5
PARTICIPANTS = 150
BEGIN_SECONDS = 240  # a limit for a machine that is busy with something else


@pytest.fixture(autouse=True)
def _within_the_rate(sending: SendingTimes) -> Iterator[None]:
    """Whatever happens to runs, together they never send more than the account's rate.

    When requests arrive is the machine's affair: a late one is answered 429, which is obeyed (tests/rate).
    """
    yield
    assert 0 < sending.busiest_second <= RATE


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


def test_a_run_that_is_killed_is_marked_crashed_and_done_again(
    stack: Stack, operator: Operator, bucket: Bucket
) -> None:
    """kill -9 of a flow's process: the run does not stay Running for ever, and the next one finishes the work."""
    before = committed_diplomas_are_whole(bucket)
    stack.sandbox.reset_counts()
    run = operator.start("backfill", participants="900101-900149")
    until(lambda: committed_diplomas_are_whole(bucket) > before, BEGIN_SECONDS, "the run did not begin")
    os.kill(operator.pid(run), signal.SIGKILL)
    assert operator.wait(run, 240)["state_type"] == "CRASHED"
    again = operator.wait(operator.start("backfill", participants="900101-900149"), 300)
    assert again["state_type"] == "COMPLETED", again["state"]["message"]
    assert committed_diplomas_are_whole(bucket) == 149


def test_a_worker_that_is_killed_leaves_the_archive_whole(stack: Stack, operator: Operator, bucket: Bucket) -> None:
    """kill -9 of a worker: another worker goes on with the next run, and nothing is archived twice."""
    stack.sandbox.reset_counts()
    run = operator.start("backfill", participants="987654, 900001-900030", force=True)
    until(lambda: stack.sandbox.requests["download"] >= 3, BEGIN_SECONDS, "the run did not begin")
    os.kill(stack.worker.pid, signal.SIGKILL)
    with start_worker({**clean_environment(), **stack.environment}, name="second", log=ROOT / "build" / "second.log"):
        assert operator.wait(run, 240)["state_type"] in ("COMPLETED", "CRASHED")
        done = operator.wait(operator.start("backfill", participants="987654, 900001-900030"), 300)
        assert done["state_type"] == "COMPLETED", done["state"]["message"]
        assert committed_diplomas_are_whole(bucket) == PARTICIPANTS


def test_a_server_that_is_restarted_leaves_the_archive_whole(stack: Stack, operator: Operator, bucket: Bucket) -> None:
    """A Prefect server that is restarted in mid-run: the archive stays right, and the next run finishes the work."""
    stack.sandbox.reset_counts()
    worker = start_worker({**clean_environment(), **stack.environment}, name="third", log=ROOT / "build" / "third.log")
    worker.start()
    run = operator.start("backfill", participants="900001-900020", force=True)
    until(lambda: stack.sandbox.requests["download"] >= 3, BEGIN_SECONDS, "the run did not begin")
    stack.prefect.restart()
    try:
        operator.wait(run, 240)
        done = operator.wait(operator.start("backfill", participants="900001-900020"), 300)
    finally:
        worker.stop()
    assert done["state_type"] == "COMPLETED", done["state"]["message"]
    assert done["state"]["message"].startswith("0 archived, 20 unchanged")
