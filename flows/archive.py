"""The flow `archive-diplomas`: what changed since the last time, everything, or what a person chose."""

from typing import Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import deployment, flow_run
from prefect.states import Failed

from diploma_archive.errors import unexpected
from diploma_archive.listing.selection import Scope, Selection, choose
from flows.archive_run import Order, carry_out, due_day


def _run_name() -> str:
    """Return `nightly 2026-03-01`: the deployment (or the scope) and the day it was due, as Norway counts days."""
    what = deployment.name or flow_run.parameters.get("scope", "incremental")
    return f"{what} {due_day()}"


@flow(name="archive-diplomas", flow_run_name=_run_name, persist_result=False)
async def archive_diplomas(
    account: str = "default",
    scope: Literal["incremental", "full"] = "incremental",
    participants: str = "",
    users: str = "",
    share: int = 0,
    force: bool = False,
    dry_run: bool = False,
) -> State:
    """Copy diplomas from FrontCore into the archive.

    Ends Completed only if every diploma that was listed is archived; what it did stands in the state's message
    and in the summary artifact.

    Args:
        account: Name of the FrontCore account: its blocks "FrontCore account" and "Archive bucket" have this name.
        scope: incremental reads what changed since the last run, full reads everything. Both move the cursor.
        participants: Only these participants: ids and ranges such as 900-950, 987654. Leaves the cursor alone.
        users: Only the diplomas of these persons, written likewise. Leaves the cursor alone.
        share: Requests per second that this run may use. 0: all of the account's, so it waits for other runs.
        force: Download known diplomas again. Other bytes become a new generation; nothing is ever overwritten.
        dry_run: Count what a run would do; download and write nothing.
    """
    try:
        chosen = participants.strip() or users.strip()
        selection = choose([participants], [users]) if chosen else Selection(Scope(scope))
        title = flow_run.name or "archive diplomas"
        return await carry_out(Order(account, title, selection, share, force, dry_run))
    except Exception as error:  # noqa: BLE001  a person reads one sentence, and no traceback that quotes data
        return Failed(message=unexpected(error).diagnostics())
