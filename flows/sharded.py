"""The flow `backfill-in-shards`: a large backfill, split into runs that several workers do side by side."""

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from diploma_archive.errors import SettingsError, unexpected
from diploma_archive.model.markdown import artifact_key
from diploma_archive.sync.backfill_form import BackfillForm
from diploma_archive.sync.shards import Shard, markdown_of, sentence_of, split
from tasks.accounts import settings_of
from tasks.rate_share import slots_of_account
from tasks.shard_runs import ShardRuns


def _run_name() -> str:
    given = flow_run.parameters
    return f"{BackfillForm(given.get('participants', ''), given.get('persons', '')).label()} in shards"


# Prefect's own validation would end in a traceback that quotes the input: the form checks itself instead.
@flow(name="backfill-in-shards", flow_run_name=_run_name, persist_result=False, validate_parameters=False)
async def backfill_in_shards(
    participants: str = "",
    persons: str = "",
    shards: int = 3,
    force: bool = False,
    dry_run: bool = False,
    account: str = "default",
) -> State:
    """Archive the diplomas of many participants or persons, split into shards that run at the same time.

    Each shard is a run of its own with its part of the account's rate. Ends Completed only if every shard is Completed.
    Cancelling this run cancels its shards. A shard whose worker died is started once more and goes on where it was.

    Args:
        participants: Participant ids and ranges, separated by commas, blanks or line breaks: 900-950, 987654
        persons: Person (user) ids, written likewise: all diplomas of these persons.
        shards: How many runs side by side. Never more than the account's requests per second: they share them.
        force: Download known diplomas again. Other bytes become a new generation; nothing is ever overwritten.
        dry_run: Only count what a run would do; download and write nothing.
        account: Name of the FrontCore account: its blocks "FrontCore account" and "Archive bucket" have this name.
    """
    try:
        parts = await _parts(participants, persons, shards, account, (force, dry_run))
        get_run_logger().info("%s shards of %s listings", len(parts), ", ".join(str(len(shard)) for shard in parts))
        ends = await ShardRuns({"account": account, "force": force, "dry_run": dry_run}).all_of(parts)
        message = sentence_of(ends)
        is_green = all(end.state == "Completed" for end in ends)
        state: State = Completed(message=message) if is_green else Failed(message=message)
        title = flow_run.name or "backfill in shards"
        await acreate_markdown_artifact(
            markdown=markdown_of(title, f"**{state.name}**: {message}", ends, dry_run=dry_run),
            key=artifact_key("diploma-archive-shards", account),
            description=message,
        )
        return state
    except Exception as error:  # noqa: BLE001  a person reads one sentence, and no traceback that quotes data
        return Failed(message=unexpected(error).diagnostics())


async def _parts(
    participants: object, persons: object, shards: object, account: str, switches: tuple[object, ...]
) -> tuple[Shard, ...]:
    """Check all that a person filled in, and return the shards; nothing is started before.

    Raises:
        SettingsError: something is wrong; the text names the field.
    """
    selection = BackfillForm(participants, persons).selection()
    if not all(isinstance(switch, bool) for switch in switches):
        raise SettingsError("force and dry run must be true or false", fix="Choose one of the two")
    split(selection, shards, slots=1)  # a wrong number is refused before Prefect is asked for the account
    return split(selection, shards, await slots_of_account(await settings_of(account)))
