"""Archives one batch; the unit that Prefect sees (DESIGN.md section 12: never one task run a diploma)."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from diploma_archive.errors import unexpected
from diploma_archive.listing.batches import Batch
from tasks.open_runs import find_run


@task(
    name="archive batch",
    task_run_name="{label}",
    cache_policy=NO_CACHE,  # S3 is the only ledger
    persist_result=False,
)
async def archive_batch(run_id: str, label: str, units: list[list[int]]) -> State:
    """Archive the units of a batch (`Batch.to_ids`) and return a state with its counts as message.

    A fatal error is kept at the run and ends in a Failed state, so that no traceback reaches Prefect's log.
    """
    found = find_run(run_id)
    try:
        tally = await found.run.archive_batch(Batch.from_ids(units))
    except Exception as error:  # noqa: BLE001  its traceback would quote data in Prefect's log and database
        found.fatal = unexpected(error)
        return Failed(message=found.fatal.diagnostics())
    return Completed(message=tally.sentence())
