"""Starts the shards of a backfill as runs of their own, waits for all of them, and cancels them together.

Rule: what stops the backfill for good (Cancel, a fatal error) stops every shard; a worker's death stops none.
"""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelling

from diploma_archive.errors import DiplomaArchiveError, SettingsError, SourceError
from diploma_archive.sync.shards import Shard, ShardEnd, text_of

DEPLOYMENT = "backfill-diplomas/backfill-shard"
ATTEMPTS = 2  # of a shard whose process or worker died; what the first one did is kept
POLL_SECONDS = 5.0
SERVER_AWAY_SECONDS = 600.0  # how long Prefect's server may be away until the backfill gives up


@dataclass
class ShardRuns:
    """The shards of one backfill under way.

    Args:
        parameters: of each shard's run, beside its ids and its share.
    """

    parameters: dict[str, str | bool]
    _under_way: dict[int, UUID] = field(default_factory=dict)
    _stopping: bool = False

    async def all_of(self, shards: tuple[Shard, ...]) -> list[ShardEnd]:
        """Start all shards, and return how they ended once none is under way.

        Raises:
            SettingsError: the deployment of the shards is missing.
            SourceError: Prefect's server was away for long.
        """
        async with get_client() as client:
            try:
                async with asyncio.TaskGroup() as together:
                    tasks = [together.create_task(self._one(client, shard)) for shard in shards]
            except asyncio.CancelledError:
                # Cancel, or a worker that is shut down; then the shards on other workers go on to their end.
                if await _is_cancelled(client):
                    await self._stop(client)
                raise
            except BaseExceptionGroup as group:
                await self._stop(client)
                raise _first_of(group) from None
            return [task.result() for task in tasks]

    async def _one(self, client: PrefectClient, shard: Shard) -> ShardEnd:
        attempt = 1
        while True:
            end = await self._attempt(client, shard, attempt)
            get_run_logger().info("%s is %s: %s", shard.label, end.state, end.message or "")
            if end.is_fatal:
                await self._stop(client)
            if end.state != "Crashed" or attempt == ATTEMPTS or self._stopping:
                return end
            attempt += 1
            get_run_logger().warning("%s lost its process; it is started again and goes on where it was", shard.label)

    async def _attempt(self, client: PrefectClient, shard: Shard, attempt: int) -> ShardEnd:
        started = await _start(client, shard, attempt, self.parameters)
        self._under_way[shard.number] = started.id
        if self._stopping:  # its neighbour was stopped while this one was being started
            await _cancel(client, started.id)
        run = await _ended(client, started.id)
        self._under_way.pop(shard.number, None)
        state = run.state
        name, message = (state.name, state.message) if state else ("Unknown", None)
        return ShardEnd(shard, run.name, str(run.id), name or "Unknown", message, attempt)

    async def _stop(self, client: PrefectClient) -> None:
        self._stopping = True
        for run_id in list(self._under_way.values()):
            await _cancel(client, run_id)


async def _start(client: PrefectClient, shard: Shard, attempt: int, parameters: dict[str, str | bool]) -> FlowRun:
    ids = {"participants": text_of(shard.participants), "persons": text_of(shard.persons)}
    try:
        return await arun_deployment(
            DEPLOYMENT,
            client=client,
            parameters={**parameters, **ids, "share": shard.share},
            timeout=0,  # we wait ourselves: to cancel a run its id must be known
            tags=["diploma-archive", "backfill", shard.label],
            # A request whose answer was lost does not start the shard twice.
            idempotency_key=f"{flow_run.get_id()}-{flow_run.get_run_count()}-{shard.number}-{attempt}",
            # Linked as a subflow: Cancel ends this process by a signal, so that nothing here can be sure to cancel the
            # shards; the server itself, within a minute, cancels what is linked to a cancelled run.
            as_subflow=True,
        )
    except ObjectNotFound:
        raise SettingsError(
            f"Prefect has no deployment {DEPLOYMENT}, which the shards are runs of",
            fix="Deploy deployments/prefect.yaml again",
        ) from None


async def _ended(client: PrefectClient, run_id: UUID) -> FlowRun:
    away_seconds = 0.0
    while True:
        try:
            run = await client.read_flow_run(run_id)
        except ObjectNotFound:
            raise SourceError("the run of a shard was deleted in Prefect", fix="Start the backfill again") from None
        except Exception:  # a server that is restarted is no reason to give up  # noqa: BLE001
            away_seconds += POLL_SECONDS
            if away_seconds > SERVER_AWAY_SECONDS:
                raise SourceError("Prefect's server does not answer", fix="Start the backfill again") from None
        else:
            away_seconds = 0.0
            if run.state is not None and run.state.is_final():
                return run
        await asyncio.sleep(POLL_SECONDS)


async def _is_cancelled(client: PrefectClient) -> bool:
    try:
        state = (await client.read_flow_run(UUID(str(flow_run.get_id())))).state
    except Exception:  # noqa: BLE001  the server sees to it
        return False
    return state is not None and (state.is_cancelling() or state.is_cancelled())


async def _cancel(client: PrefectClient, run_id: UUID) -> None:
    try:
        await client.set_flow_run_state(run_id, Cancelling(message="The backfill that this shard belongs to ended."))
    except Exception:  # noqa: BLE001  it may have ended meanwhile, and the others must be cancelled too
        get_run_logger().warning("run %s could not be cancelled; look at it in Prefect's UI", run_id)


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error of ours in a group, or else its first one."""
    ours = group.subgroup(DiplomaArchiveError)
    first: BaseException = ours or group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
