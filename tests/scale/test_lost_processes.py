"""Runs that lose their process, their worker or the Prefect server: `make crashes`."""

from __future__ import annotations

import os
import signal

from deployments.local.servers import clean_environment
from deployments.local.stack import ROOT, Stack, start_worker
from tests.support.operator import BEGIN_SECONDS, Operator, committed_diplomas_are_whole, until
from tests.support.world import Bucket

PARTICIPANTS = 150


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
    assert committed_diplomas_are_whole(bucket) == before + 49


def test_a_worker_that_is_killed_leaves_the_archive_whole(stack: Stack, operator: Operator, bucket: Bucket) -> None:
    """kill -9 of a worker: another worker goes on with the next run, and nothing is archived twice."""
    before = committed_diplomas_are_whole(bucket)
    stack.sandbox.reset_counts()
    run = operator.start("backfill", participants="987654, 900001-900030", force=True)
    until(lambda: stack.sandbox.requests["download"] >= 3, BEGIN_SECONDS, "the run did not begin")
    os.kill(stack.worker.pid, signal.SIGKILL)
    with start_worker({**clean_environment(), **stack.environment}, name="second", log=ROOT / "build" / "second.log"):
        assert operator.wait(run, 240)["state_type"] in ("COMPLETED", "CRASHED")
        done = operator.wait(operator.start("backfill", participants="987654, 900001-900030"), 300)
        assert done["state_type"] == "COMPLETED", done["state"]["message"]
        assert committed_diplomas_are_whole(bucket) == before + 31


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
