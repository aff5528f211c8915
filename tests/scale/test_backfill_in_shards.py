"""A backfill in shards is one thing to an operator: cancelled together, stopped together, green together."""

from __future__ import annotations

import time
from typing import Any

from deployments.local.stack import Stack
from tests.support.operator import Operator, until
from tests.support.world import Bucket

PARTICIPANTS = 120
EVERYBODY = f"900001-900{PARTICIPANTS - 1:03}, 987654"
SHARDS = 3
FIRST_OF_THE_LAST = 900_096  # 47 and 48 of the ids are in the first two shards


def shards_of(operator: Operator, parent: str) -> list[dict[str, Any]]:
    """Return the runs of the shards of a backfill, the first shard first."""
    wanted = {"flow_runs": {"parent_flow_run_id": {"any_": [parent]}}}
    found = operator.ask("flow_runs/filter", wanted)
    return sorted(found, key=lambda run: next(tag for tag in run["tags"] if tag.startswith("shard ")))


def all_are(operator: Operator, parent: str, state: str) -> bool:
    """Return whether all shards of a backfill are in a state."""
    found = shards_of(operator, parent)
    return len(found) == SHARDS and all(run["state_type"] == state for run in found)


def test_cancel_stops_every_shard(stack: Stack, operator: Operator, bucket: Bucket) -> None:
    """Cancel of the backfill cancels all its shards, and nothing asks FrontCore any more."""
    parent = operator.start("backfill-in-shards", participants=EVERYBODY)
    until(lambda: all_are(operator, parent, "RUNNING"), 120, "the shards did not begin")
    until(lambda: stack.sandbox.requests["download"] >= 3, 60, "nothing was archived")
    operator.cancel(parent)
    assert operator.wait(parent, 60)["state_type"] == "CANCELLED"
    until(lambda: all_are(operator, parent, "CANCELLED"), 90, "the shards were not cancelled")
    asked = len(stack.sandbox.seen)
    time.sleep(3)
    assert len(stack.sandbox.seen) == asked
    keys = set(bucket.keys_below())
    assert all(record["file"]["key"] in keys for record in bucket.records())


def test_a_fatal_error_in_one_shard_stops_the_others(stack: Stack, operator: Operator) -> None:
    """What is fatal for one shard is so for all: the others are cancelled, and the message says why."""
    stack.sandbox.fail_next("diplomas", status=401, times=1_000, id=FIRST_OF_THE_LAST)
    try:
        parent = operator.start("backfill-in-shards", participants=EVERYBODY, force=True)
        ended = operator.wait(parent, 240)
    finally:
        stack.sandbox.clear_faults()
    assert ended["state_type"] == "FAILED", ended["state"]["message"]
    assert ended["state"]["message"].startswith("0 of 3 shards completed")
    assert "shard 3 of 3: " in ended["state"]["message"]
    states = [run["state_type"] for run in shards_of(operator, parent)]
    assert states == ["CANCELLED", "CANCELLED", "FAILED"]


def test_it_is_green_when_every_shard_is(stack: Stack, operator: Operator, bucket: Bucket) -> None:
    """Started again it goes on, archives each diploma once, and its summary has a line for each shard."""
    parent = operator.start("backfill-in-shards", participants=EVERYBODY)
    ended = operator.wait(parent, 240)
    assert ended["state_type"] == "COMPLETED", ended["state"]["message"]
    assert ended["state"]["message"].startswith("3 of 3 shards completed")
    assert sorted(record["participant_id"] for record in bucket.records()) == sorted(stack.sandbox.participants)
    wanted = {"artifacts": {"flow_run_id": {"any_": [parent]}, "type": {"any_": ["markdown"]}}}
    (summary,) = operator.ask("artifacts/filter", wanted)
    assert summary["key"] == "diploma-archive-shards-default"
    for number in range(1, SHARDS + 1):
        assert f"| {number} of 3 | backfill " in summary["data"]
    for secret in ("Doe", "eyJ", "ABC123456", stack.sandbox.api_key, "CANARY"):
        assert secret not in summary["data"]
