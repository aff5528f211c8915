"""`deployments/`: the file deploys what it says, the entrypoints load elsewhere, set-up is idempotent."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.blocks.notifications import SlackWebhook
from prefect.cli.deploy._models import PrefectYamlModel
from prefect.client.orchestration import get_client
from prefect.utilities.callables import parameter_schema
from pydantic import SecretStr

from deployments import setup
from deployments.setup import ALERTS_BLOCK, FLOW_NAMES, UNCHANGED, set_up
from flows.archive import archive_diplomas
from flows.backfill import backfill_diplomas
from flows.reconcile import reconcile_archive
from flows.sharded import backfill_in_shards
from flows.verify import verify_archive
from tests.support.paths import ROOT
from tests.support.world import World

FILE = ROOT / "deployments" / "prefect.yaml"
GOLDEN = Path(__file__).parent / "golden"
DEPLOYMENTS = yaml.safe_load(FILE.read_text())["deployments"]
KNOWN_KEYS = {
    *("name", "description", "entrypoint", "tags", "parameters", "schedules", "concurrency_limit", "work_pool"),
}
WITHOUT_LIMIT = {"backfill-in-shards", "backfill-shard"}  # shares of the account's rate bound them


def test_the_file_is_what_prefect_understands() -> None:
    """A misspelt key would be ignored by Prefect, so none may be there."""
    PrefectYamlModel.model_validate(yaml.safe_load(FILE.read_text()))
    for deployment in DEPLOYMENTS:
        assert set(deployment) <= KNOWN_KEYS
        if deployment["name"] not in WITHOUT_LIMIT:
            assert set(deployment["concurrency_limit"]) == {"limit", "collision_strategy"}
        assert deployment["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"


def test_the_deployments_are_those_that_operators_know() -> None:
    """What is scheduled runs by Norway's clock, one at a time; backfills are queued and have no schedule."""
    by_name = {deployment["name"]: deployment for deployment in DEPLOYMENTS}
    scheduled = {"nightly", "weekly-full", "reconcile", "verify-sample", "verify-weekly", "verify-monthly"}
    assert set(by_name) == {*scheduled, "backfill", *WITHOUT_LIMIT}
    for name in scheduled:
        (schedule,) = by_name[name]["schedules"]
        assert schedule["timezone"] == "Europe/Oslo"
        assert by_name[name]["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    assert "schedules" not in by_name["backfill"]
    assert by_name["backfill"]["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
    for name in WITHOUT_LIMIT:
        assert not {"schedules", "concurrency_limit"} & set(by_name[name])


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def test_each_entrypoint_loads_in_a_process_of_its_own(deployment: dict[str, Any], tmp_path: Path) -> None:
    """A worker that starts elsewhere and changes into the checkout can load the flow, with our own modules."""
    code = (
        f"import os, sys; os.chdir({str(ROOT)!r})\n"
        "from prefect.flows import load_flow_from_entrypoint\n"
        f"flow = load_flow_from_entrypoint({deployment['entrypoint']!r}, use_placeholder_flow=False)\n"
        "print(flow.name)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in FLOW_NAMES


@pytest.mark.parametrize(
    "flow",
    [archive_diplomas, backfill_diplomas, backfill_in_shards, reconcile_archive, verify_archive],
    ids=lambda flow: flow.name,
)
def test_the_form_is_as_people_know_it(flow: Any) -> None:
    """A changed form is a change for operators: write the new one into golden/ on purpose."""
    schema = parameter_schema(flow.fn).model_dump()
    golden = GOLDEN / f"{flow.name}.json"
    assert schema == json.loads(golden.read_text()), f"if this is meant, write it to {golden.name}:\n" + json.dumps(
        schema, indent=2
    )
    assert all(field.get("description") and "default" in field for field in schema["properties"].values())


def test_a_deployment_gives_only_parameters_that_its_flow_has() -> None:
    """A renamed parameter does not leave a deployment behind."""
    flows = {
        "flows/archive.py:archive_diplomas": archive_diplomas,
        "flows/backfill.py:backfill_diplomas": backfill_diplomas,
        "flows/reconcile.py:reconcile_archive": reconcile_archive,
        "flows/sharded.py:backfill_in_shards": backfill_in_shards,
        "flows/verify.py:verify_archive": verify_archive,
    }
    for deployment in DEPLOYMENTS:
        known = parameter_schema(flows[deployment["entrypoint"]].fn).properties
        assert set(deployment["parameters"]) <= set(known)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the library behind Prefect's notification blocks
def test_a_notification_block_gets_an_automation(world: World) -> None:
    """Whoever makes a notification block of our name is told of failed runs; set-up finds it."""
    block = SlackWebhook(url=SecretStr("https://hooks.example.com/services/none"))

    async def lines() -> dict[str, str]:
        return {what: result async for what, result in set_up()}

    asyncio.run(block.asave(ALERTS_BLOCK))
    assert asyncio.run(lines())["automation for failed runs"] == "created"
    assert asyncio.run(lines())["automation for failed runs"] == UNCHANGED


def test_the_order_of_events_is_no_difference() -> None:
    """A set has another order in another process: compared as a list, set-up would update what is unchanged."""
    automation = setup._crash_zombies()
    trigger, _ = setup._essence(automation.trigger, automation.actions)
    assert isinstance(trigger["expect"], set)


def test_without_a_server_set_up_says_so() -> None:
    """Set-up never goes into a server that nobody will use."""
    environment = {**os.environ, "PREFECT_API_URL": ""}
    done = subprocess.run(
        [sys.executable, "-m", "deployments.setup"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("PREFECT_API_URL is not set")


def test_set_up_twice_changes_nothing_the_second_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set-up is idempotent, follows a changed rate, and says what it did without the key."""
    monkeypatch.setenv("FRONTCORE_ACCOUNT", "set-up-twice")
    monkeypatch.setenv("FRONTCORE_REQUESTS_PER_SECOND", "5")

    async def lines() -> dict[str, str]:
        return {what: result async for what, result in set_up()}

    first, second = asyncio.run(lines()), asyncio.run(lines())
    assert first["block FrontCore account set-up-twice"] == "created"
    assert first["concurrency limit frontcore-set-up-twice (5 requests per second)"] == "created"
    assert set(second.values()) == {UNCHANGED}
    monkeypatch.setenv("FRONTCORE_REQUESTS_PER_SECOND", "3")
    third = asyncio.run(lines())
    assert third["block FrontCore account set-up-twice"] == "updated (requests_per_second)"
    assert third["concurrency limit frontcore-set-up-twice (3 requests per second)"] == "updated"
    assert set(asyncio.run(lines()).values()) == {UNCHANGED}
    assert world.sandbox.api_key not in str([first, second, third])

    async def limit() -> Any:
        async with get_client() as client:
            return await client.read_global_concurrency_limit_by_name("frontcore-set-up-twice")

    found = asyncio.run(limit())
    assert (found.limit, found.active, found.slot_decay_per_second) == (3, True, 0.0)
