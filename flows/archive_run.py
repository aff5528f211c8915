"""What all archiving flows share: lease, run, progress, summary, event, final state. No flow of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from prefect.artifacts import acreate_markdown_artifact, acreate_progress_artifact, aupdate_progress_artifact
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from diploma_archive.errors import DiplomaArchiveError, SourceError
from diploma_archive.listing.batches import Batch
from diploma_archive.listing.selection import Selection
from diploma_archive.model.source_time import SOURCE_ZONE
from diploma_archive.sync.run import Run
from diploma_archive.sync.run_summary import Summary
from tasks.accounts import settings_of
from tasks.archive_batch import archive_batch
from tasks.open_runs import OpenRun, open_for_tasks
from tasks.rate_share import leased_share

PROGRESS_SECONDS = 5.0
FINISHED_EVENT = "diploma-archive.run.finished"


@dataclass(frozen=True)
class Order:
    """What a flow was asked to do."""

    account: str
    title: str
    selection: Selection
    share: int = 0
    force: bool = False
    dry_run: bool = False


def due_day() -> str:
    """Return the day on which this run was due, as Norway counts days: `2026-03-01`."""
    due = flow_run.scheduled_start_time or datetime.now(SOURCE_ZONE)
    return f"{due.astimezone(SOURCE_ZONE):%Y-%m-%d}"


async def carry_out(order: Order) -> State:
    """Archive what was ordered, and return the final state: Completed only if all of it is archived.

    Raises:
        DiplomaArchiveError: it could not begin; nothing was written.
    """
    settings = await settings_of(order.account)
    async with (
        leased_share(settings, order.share) as paced,
        open_for_tasks(paced, order.selection, force=order.force, dry_run=order.dry_run) as opened,
        _progress(opened.run, order),
    ):
        try:
            tally = await opened.run.drive(lambda batch: _handle(opened, batch))
            state: State = Completed(message=tally.sentence()) if tally.is_green else Failed(message=tally.sentence())
        except DiplomaArchiveError as error:
            state = Failed(message=error.diagnostics())
        await _report(opened.run, order, state)
        return state


async def _handle(opened: OpenRun, batch: Batch) -> None:
    # The state, not its result: what went wrong is kept at the run, without a traceback in Prefect's log.
    state = await archive_batch(opened.run.run_id, batch.label(), batch.to_ids(), return_state=True)  # type: ignore[misc]
    if not state.is_completed():
        raise opened.fatal or SourceError("a batch did not end as it should", fix="Start the run again: it is free")
    get_run_logger().info("%s: %s", batch.label(), state.message)


@asynccontextmanager
async def _progress(run: Run, order: Order) -> AsyncIterator[None]:
    """Keep a progress artifact up to date while the run goes on, from when its total is known."""
    artifact: UUID | None = None

    async def show() -> None:
        nonlocal artifact
        if not run.total:
            return
        progress = min(100.0 * run.listings / run.total, 100.0)
        if artifact is None:
            artifact = await acreate_progress_artifact(progress=progress, description=order.title)
        else:
            await aupdate_progress_artifact(artifact, progress=progress)

    async def keep_up() -> None:
        while True:
            await show()
            await asyncio.sleep(PROGRESS_SECONDS if artifact else 1.0)

    updates = asyncio.create_task(keep_up())
    try:
        yield
    finally:
        updates.cancel()
        with suppress(asyncio.CancelledError, Exception):  # a missed update is no reason to fail a run
            await updates
        with suppress(Exception):
            await show()


async def _report(run: Run, order: Order, state: State) -> None:
    counts = run.counts()
    summary = Summary(
        account=order.account,
        title=order.title,
        result=f"**{state.name}**: {state.message}",
        counts=counts,
        failures=run.tally.failures,
        participants_to_try_again=frozenset(run.tally.to_try_again),
        persons_to_try_again=frozenset(run.tally.persons_to_try_again),
        cursor_before=run.cursor_before if order.selection.moves_cursor else None,
        cursor_after=run.cursor_after,
        dry_run=order.dry_run,
        head=run.head,
    )
    await acreate_markdown_artifact(markdown=summary.markdown(), key=summary.key, description=state.message)
    emit_event(
        FINISHED_EVENT,
        resource={"prefect.resource.id": f"diploma-archive.account.{order.account}"},
        payload={"state": state.name, "dry_run": order.dry_run, **{k: v for k, v in counts.items() if k != "failures"}},
    )
