"""The flow `archive-diplomas`: what changed since the last time, everything, or what a person chose."""

from typing import Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from diploma_archive.batches import Batch
from diploma_archive.errors import DiplomaArchiveError
from diploma_archive.selection import Scope, Selection, choose
from diploma_archive.settings import load_settings
from tasks.archive_batch import archive_batch
from tasks.open_runs import open_for_tasks


@flow(name="archive-diplomas", persist_result=False, log_prints=False)
async def archive_diplomas(
    scope: Literal["incremental", "full"] = "incremental",
    participants: str = "",
    users: str = "",
    force: bool = False,
    dry_run: bool = False,
) -> State:
    """Copy diplomas from FrontCore into the archive.

    Ends Completed only if every diploma that was listed is archived; what it did stands in the state's message.

    Args:
        scope: `incremental` reads what changed since the last run, `full` reads everything. Both move the cursor.
        participants: Only these participants: ids and ranges such as `900-950, 987654`. Leaves the cursor alone.
        users: Only the diplomas of these persons, written likewise. Leaves the cursor alone.
        force: Download known diplomas again; other bytes become a new generation, nothing is overwritten.
        dry_run: Count what a run would do; download and write nothing.
    """
    try:
        selection = _selection(scope, participants, users)
        async with open_for_tasks(load_settings(), selection, force=force, dry_run=dry_run) as opened:

            async def handle(batch: Batch) -> None:
                # The state, not its result: what went wrong is kept at the run, without a traceback in Prefect's log.
                await archive_batch(opened.run.run_id, batch.label(), batch.to_ids(), return_state=True)  # type: ignore[misc]
                if opened.fatal is not None:
                    raise opened.fatal

            tally = await opened.run.drive(handle)
    except DiplomaArchiveError as error:
        return Failed(message=error.diagnostics())
    return Completed(message=tally.sentence()) if tally.is_green else Failed(message=tally.sentence())


def _selection(scope: str, participants: str, users: str) -> Selection:
    if participants.strip() or users.strip():
        return choose([participants], [users])
    return Selection(Scope(scope))
