"""The flow `reconcile-archive`: does the archive hold what FrontCore has? It reads only."""

from typing import Literal

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.logging import get_run_logger
from prefect.runtime import deployment, flow_run
from prefect.states import Completed, Failed

from diploma_archive.errors import unexpected
from diploma_archive.listing.selection import Scope, Selection, choose
from diploma_archive.reconcile.reconciliation import open_reconciliation
from diploma_archive.reconcile.report import Reconciled, ReconcileSummary
from flows.archive_run import due_day
from tasks.accounts import settings_of
from tasks.open_runs import library_log
from tasks.rate_share import leased_share

FINISHED_EVENT = "diploma-archive.reconcile.finished"
SAY_AGAIN_LISTINGS = 500


def _run_name() -> str:
    return f"{deployment.name or 'reconcile'} {due_day()}"


@flow(name="reconcile-archive", flow_run_name=_run_name, persist_result=False)
async def reconcile_archive(
    account: str = "default",
    scope: Literal["full", "incremental"] = "full",
    participants: str = "",
    users: str = "",
    share: int = 0,
) -> State:
    """Compare the archive with FrontCore: download nothing, write nothing.

    Ends Failed if something is missing, changed, withdrawn, damaged, gone or could not be read; the summary artifact
    says what, shows the coverage by course and month, and has the list to paste into a backfill.

    Args:
        account: Name of the FrontCore account: its blocks "FrontCore account" and "Archive bucket" have this name.
        scope: full compares everything, both ways. incremental compares what the next nightly run would read.
        participants: Only these participants: ids and ranges such as 900-950, 987654.
        users: Only the diplomas of these persons, written likewise.
        share: Requests per second that this run may use. 0: all of the account's, so it waits for other runs.
    """
    try:
        chosen = participants.strip() or users.strip()
        selection = choose([participants], [users]) if chosen else Selection(Scope(scope))
        settings = await settings_of(account)
        with library_log():
            async with (
                leased_share(settings, share) as paced,
                open_reconciliation(paced, selection, _progress) as opened,
            ):
                result = await opened.drive()
        return await _report(account, result)
    except Exception as error:  # noqa: BLE001  a person reads one sentence, and no traceback that quotes data
        return Failed(message=unexpected(error).diagnostics())


def _progress(result: Reconciled) -> None:
    if result.listings % SAY_AGAIN_LISTINGS == 0:
        get_run_logger().info("%s listings so far: %s", result.listings, result.sentence())


async def _report(account: str, result: Reconciled) -> State:
    message = result.sentence()
    state: State = Completed(message=message) if result.is_green else Failed(message=message)
    summary = ReconcileSummary(account, flow_run.name or "reconcile", str(state.name), result)
    await acreate_markdown_artifact(markdown=summary.markdown(), key=summary.key, description=message)
    total = result.coverage.total
    emit_event(
        FINISHED_EVENT,
        resource={"prefect.resource.id": f"diploma-archive.account.{account}"},
        payload={
            "state": state.name,
            "issued": total.issued,
            "archived": total.archived,
            "coverage": total.percent,
            **{kind.value: count for kind, count in result.counts.items()},
        },
    )
    return state
