"""The flow `backfill-in-shards`: what a person typed is checked before any shard is started."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import State

from flows.sharded import backfill_in_shards
from tests.support.world import World


def run_flow(**parameters: Any) -> State:
    """Run the flow in this process and return its final state."""
    return asyncio.run(backfill_in_shards(**parameters, return_state=True))


async def shards_started() -> int:
    """Return how many runs of shards Prefect knows."""
    async with get_client() as client:
        runs = await client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=["backfill-diplomas"])))
        return sum(any(tag.startswith("shard ") for tag in run.tags) for run in runs)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({}, "nothing is chosen"),
        ({"participants": "987654, nine"}, "participants must be ids and ranges"),
        ({"persons": "1-"}, "persons must be ids and ranges"),
        ({"participants": "5", "shards": 0}, "shards must be a whole number from 1"),
        ({"participants": "5", "shards": "many"}, "shards must be a whole number from 1"),
        ({"participants": "5", "force": "perhaps"}, "force and dry run must be true or false"),
        ({"participants": "5", "account": "nobody"}, "there is no block FrontCore account named nobody"),
        ({"participants": "5-9"}, "Prefect has no deployment backfill-diplomas/backfill-shard"),
    ],
    ids=str,
)
def test_wrong_input_is_one_plain_sentence(world: World, parameters: dict[str, Any], sentence: str) -> None:
    """Wrong input ends Failed with one sentence; no shard is started and FrontCore is not asked."""
    state = run_flow(**parameters)
    assert state.name == "Failed"
    assert sentence in (state.message or "")
    assert "\n" not in (state.message or "")
    assert world.sandbox.requests.total() == 0
    assert asyncio.run(shards_started()) == 0
