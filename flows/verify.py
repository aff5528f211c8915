"""The flow `verify-archive`: is everything in the bucket what it was? It reads only, and asks FrontCore nothing."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.logging import get_run_logger
from prefect.runtime import deployment, flow_run
from prefect.states import Completed, Failed

from diploma_archive.archive.identity import check_identity
from diploma_archive.archive.open_archive import open_reader, read_identity
from diploma_archive.errors import unexpected
from diploma_archive.model.markdown import artifact_key
from diploma_archive.settings.archive import ArchiveSettings, S3Access
from diploma_archive.verify import report_text as rendering
from diploma_archive.verify.sampling import EVERYTHING, sample
from diploma_archive.verify.seals_check import Trust
from diploma_archive.verify.verify import Order, Verification, verify
from flows.archive_run import due_day
from tasks.accounts import archive_of

FINISHED_EVENT = "diploma-archive.verify.finished"
NIGHTLY_SHARE = "2%"
SAY_AGAIN_OBJECTS = 10_000

Mode = Literal["sample", "quick", "full"]


def _run_name() -> str:
    return f"{deployment.name or 'verify ' + flow_run.parameters.get('mode', 'quick')} {due_day()}"


@flow(name="verify-archive", flow_run_name=_run_name, persist_result=False)
async def verify_archive(account: str = "default", mode: Mode = "quick") -> State:
    """Check that every diploma in the bucket is there and unaltered: read only, nothing is repaired.

    Ends Failed if anything is found; the summary artifact names the keys and what to do for each.

    Args:
        account: Name of the FrontCore account: its block "Archive bucket" has this name.
        mode: sample reads every byte of a fiftieth, another one each day. quick checks everything by S3's checksums
            and the chain of run reports. full reads every byte of everything.
    """
    try:
        where, access = await archive_of(account)
        log = get_run_logger()

        def say(done: int, total: int) -> None:
            log.info("%s of %s objects checked", done, total)

        result = await asyncio.to_thread(_verified, where, access, account, mode, _seldom(say))
        return await _report(account, result)
    except Exception as error:  # noqa: BLE001  a person reads one sentence, and no traceback that quotes data
        return Failed(message=unexpected(error).diagnostics())


def _verified(
    where: ArchiveSettings, access: S3Access, account: str, mode: Mode, progress: Callable[[int, int], None]
) -> Verification:
    is_sample = mode == "sample"
    choice = sample(NIGHTLY_SHARE, datetime.now(UTC).date()) if is_sample else EVERYTHING
    order = Order(
        choice,
        mode != "quick",
        not is_sample,
        where.omit_fields,
        where.concurrency,
        root=where.prefix,
        suppression_key=where.suppression_key,
        trust=Trust.of(where),
    )
    with open_reader(where, access) as reader:
        if account != "default":  # without a block this name stands for whatever the environment describes
            check_identity(read_identity(reader), account=account)
        return verify(reader, order, progress)


def _seldom(say: Callable[[int, int], None]) -> Callable[[int, int], None]:
    said = 0

    def maybe(done: int, total: int) -> None:
        nonlocal said
        if done - said >= SAY_AGAIN_OBJECTS:
            said = done
            say(done, total)

    return maybe


async def _report(account: str, result: Verification) -> State:
    message = rendering.sentence(result)
    state: State = Failed(message=message) if result.findings else Completed(message=message)
    title = flow_run.name or "verify the archive"
    await acreate_markdown_artifact(
        markdown=rendering.markdown(result, title),
        key=artifact_key("diploma-archive-verify", account),
        description=message,
    )
    emit_event(
        FINISHED_EVENT,
        resource={"prefect.resource.id": f"diploma-archive.account.{account}"},
        payload={"state": state.name, **result.figures, **result.to_dict()["counts"]},
    )
    return state
