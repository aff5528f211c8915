"""`python -m deployments.setup`: what Prefect needs beside the deployments, made or brought up to date.

Rule: run twice, it changes nothing the second time, and says so. No secret is printed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from dotenv import dotenv_values
from prefect.automations import Automation
from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate, WorkPoolCreate
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from pydantic import SecretStr

from diploma_archive.errors import DiplomaArchiveError
from diploma_archive.settings.loading import Settings, load_settings
from diploma_archive.settings.rate_shares import limit_name, slots_of
from tasks.blocks import ArchiveBucket, FrontCoreAccount

WORK_POOL = "diploma-archive"
ALERTS_BLOCK = "diploma-archive-alerts"
ZOMBIE_AFTER = timedelta(seconds=90)  # three heartbeats of 30 s (deployments/prefect.yaml)
FLOW_NAMES = ["archive-diplomas", "backfill-diplomas", "backfill-in-shards", "reconcile-archive", "verify-archive"]
CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"

Line = tuple[str, str]


async def set_up() -> AsyncIterator[Line]:
    """Yield what was looked at and whether it was created, updated or unchanged."""
    async with get_client() as client:
        yield f"work pool {WORK_POOL}", await _work_pool(client)
        for kind in (FrontCoreAccount, ArchiveBucket):
            await kind.aregister_type_and_schema()
        described = _blocks_of_environment()
        if not described:
            yield "blocks: no FRONTCORE_API_KEY in the environment or in .env, so none were made from it", UNCHANGED
        for kind, name, block in described:
            yield f"block {kind._block_type_name} {name}", await _block(kind, name, block)
        async for account, requests_per_second in _accounts(client):
            name, slots = limit_name(account), slots_of(requests_per_second)
            yield f"concurrency limit {name} ({slots} requests per second)", await _limit(client, name, slots)
        yield "automation for runs whose worker died", await _automation(_crash_zombies())
        alerts = await _alerts_block(client)
        if alerts is None:
            yield f"automation for failed runs: no notification block named {ALERTS_BLOCK}", UNCHANGED
        else:
            yield "automation for failed runs", await _automation(_notify_of_failures(alerts))


async def _work_pool(client: PrefectClient) -> str:
    try:
        await client.read_work_pool(WORK_POOL)
    except ObjectNotFound:
        await client.create_work_pool(WorkPoolCreate(name=WORK_POOL, type="process"))
        return CREATED
    return UNCHANGED


def _blocks_of_environment() -> list[tuple[type[Block], str, Block]]:
    """Return the blocks that the environment describes; none where it does not."""
    kept = dotenv_values(".env") if Path(".env").is_file() else {}
    if not (os.environ.get("FRONTCORE_API_KEY") or kept.get("FRONTCORE_API_KEY") or "").strip():
        return []
    settings = load_settings()
    account = settings.frontcore.account
    return [(FrontCoreAccount, account, _account_block(settings)), (ArchiveBucket, account, _bucket_block(settings))]


def _account_block(settings: Settings) -> FrontCoreAccount:
    source = settings.frontcore
    return FrontCoreAccount(
        api_key=source.api_key,
        base_url=source.base_url,
        requests_per_second=source.requests_per_second,
        link_ttl_seconds=source.link_ttl_seconds,
        download_hosts=list(source.download_hosts),
    )


def _bucket_block(settings: Settings) -> ArchiveBucket:
    where, key = settings.archive, os.environ.get("AWS_ACCESS_KEY_ID")
    secret = os.environ.get("AWS_SECRET_ACCESS_KEY")
    # Keys that expire with a session are no use in a block: the worker's own chain must bring them.
    lasting = bool(key and secret and not os.environ.get("AWS_SESSION_TOKEN"))
    return ArchiveBucket(
        bucket=where.bucket,
        prefix=where.prefix,
        endpoint_url=os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None,
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None,
        access_key_id=SecretStr(key) if lasting and key else None,
        secret_access_key=SecretStr(secret) if lasting and secret else None,
        omit_fields=list(where.omit_fields),
        suppression_key=where.suppression_key,
        max_pdf_bytes=where.max_pdf_bytes,
    )


async def _block(kind: type[Block], name: str, block: Block) -> str:
    try:
        known = await kind.aload(name)
    except ValueError:
        await block.asave(name)
        return CREATED
    fields = set(kind.model_fields) - set(Block.model_fields)
    changed = sorted(field for field in fields if getattr(known, field) != getattr(block, field))
    if not changed:
        return UNCHANGED
    await block.asave(name, overwrite=True)
    return f"{UPDATED} ({', '.join(changed)})"


async def _accounts(client: PrefectClient) -> AsyncIterator[tuple[str, float]]:
    """Yield name and rate of every account that has a block."""
    for document in await client.read_block_documents_by_type("frontcore-account", include_secrets=False):
        if document.name:
            rate = document.data.get("requests_per_second")
            default = FrontCoreAccount.model_fields["requests_per_second"].default
            yield document.name, float(default if rate is None else rate)


async def _limit(client: PrefectClient, name: str, slots: int) -> str:
    try:
        known = await client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=slots))
        return CREATED
    # A server that kept its leases in memory and was restarted leaves slots taken for ever.
    leaked = known.active_slots and not await _anything_runs(client)
    if known.limit == slots and known.active and not known.slot_decay_per_second and not leaked:
        return UNCHANGED
    wanted = GlobalConcurrencyLimitUpdate(name=name, limit=slots, active=True, slot_decay_per_second=0.0)
    if leaked:
        wanted.active_slots = 0
    await client.update_global_concurrency_limit(name=name, concurrency_limit=wanted)
    return f"{UPDATED} ({known.active_slots} slots that no run holds are free again)" if leaked else UPDATED


async def _anything_runs(client: PrefectClient) -> bool:
    """Return whether a run of ours is under way, and so may hold slots."""
    under_way = [StateType.RUNNING, StateType.CANCELLING, StateType.PENDING]
    return bool(
        await client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=FLOW_NAMES)),
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=under_way))),
            limit=1,
        )
    )


def _crash_zombies() -> Automation:
    return Automation(
        name="diploma-archive: runs whose worker died are Crashed",
        description="A run that sends no heartbeat for a while has lost its process. Start it again: it is free.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={
                "prefect.flow-run.heartbeat",
                *(f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")),
            },
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            match_related=_of_our_flows(),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=ZOMBIE_AFTER,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, message="The worker died. Start the run again: what it did is kept."
            )
        ],
    )


def _notify_of_failures(block_document_id: UUID) -> Automation:
    return Automation(
        name="diploma-archive: tell of failed runs",
        description="Failed and crashed runs of the archive, through a notification block.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            match_related=_of_our_flows(),
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[
            SendNotification(
                block_document_id=block_document_id,
                subject="Diploma archive: {{ flow_run.name }} is {{ flow_run.state.name }}",
                body="{{ flow_run.state.message }}",
            )
        ],
    )


def _of_our_flows() -> ResourceSpecification:
    return ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": FLOW_NAMES})


async def _automation(wanted: Automation) -> str:
    known = [found async for found in _automations_named(wanted.name)]
    if not known:
        await wanted.acreate()
        return CREATED
    if _essence(known[0].trigger, known[0].actions) == _essence(wanted.trigger, wanted.actions) and known[0].enabled:
        return UNCHANGED
    wanted.id = known[0].id
    await wanted.aupdate()
    return UPDATED


async def _automations_named(name: str) -> AsyncIterator[Automation]:
    async with get_client() as client:
        for found in await client.read_automations_by_name(name):
            yield Automation.model_validate(found.model_dump())


def _essence(trigger: Any, actions: list[ActionTypes]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what a person would notice of an automation, without ids that Prefect gives.

    Not as JSON: the events of a trigger are a set there, whose order differs from process to process.
    """
    return trigger.model_dump(exclude={"id"}), [action.model_dump(exclude_none=True) for action in actions]


async def _alerts_block(client: PrefectClient) -> UUID | None:
    """Return the notification block that is named for us, of whatever type it is."""
    schemas = await client.read_block_schemas()
    notifying = {schema.id for schema in schemas if "notify" in schema.capabilities}
    for document in await client.read_block_documents():
        if document.name == ALERTS_BLOCK and document.block_schema_id in notifying:
            return document.id
    return None


async def main() -> int:
    """Set up, print a line for each thing, and return the exit code."""
    changes = 0
    if not PREFECT_API_URL.value():
        sys.stderr.write(
            "PREFECT_API_URL is not set, so there is no Prefect server to set up. "
            "Start one and export its address, for example http://127.0.0.1:4200/api.\n"
        )
        return 2
    try:
        async for what, result in set_up():
            changes += result != UNCHANGED
            sys.stdout.write(f"{what}: {result}\n")
    except DiplomaArchiveError as error:
        sys.stderr.write(f"{error.diagnostics()}\n")
        return 2
    sys.stdout.write("Nothing to change.\n" if not changes else f"{changes} changed.\n")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
