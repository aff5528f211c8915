"""Several runs share one account's rate by leasing shares of it (DESIGN.md section 8).

Rule: a run never goes without a lease; where the limit is missing it stops, it does not run unlimited.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from prefect.client.orchestration import get_client
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError, concurrency
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger

from diploma_archive.errors import Kind, SettingsError, SourceError
from diploma_archive.settings.loading import Settings
from diploma_archive.settings.rate_shares import limit_name

LEASE_SECONDS = 60.0  # how long the share of a run that was killed stays taken
ASK_AGAIN_SECONDS = 2.0
SAY_AGAIN_SECONDS = 300.0
SETUP = "Run python -m deployments.setup"


@asynccontextmanager
async def leased_share(settings: Settings, share: int) -> AsyncIterator[Settings]:
    """Hold a share of the account's rate, and give the settings with the rate that belongs to it.

    Args:
        settings: the account's settings.
        share: requests per second that this run may use; 0 takes all of them, and so waits until it is alone.

    Raises:
        SettingsError: the limit is missing or switched off, or has fewer slots than the share.
        SourceError: Prefect could not grant the share.
    """
    name = limit_name(settings.frontcore.account)
    limit = await _read(name)
    wanted = share or limit.limit
    if type(wanted) is not int or not 1 <= wanted <= limit.limit:
        raise SettingsError(
            f"the share must be a whole number up to {limit.limit}, the requests per second of this account",
            fix="Leave it at 0 to use all of them",
        )
    async with AsyncExitStack() as lease:
        await _take(lease, name, wanted)
        # The run before may have sent its last request just now: no sliding second may see both.
        await asyncio.sleep(1.0)
        yield settings.at_rate(settings.frontcore.requests_per_second * wanted / limit.limit)


async def slots_of_account(settings: Settings) -> int:
    """Return how many requests per second there are to share out among the runs of an account.

    Raises:
        SettingsError: the limit is missing or switched off.
    """
    return (await _read(limit_name(settings.frontcore.account))).limit


async def _read(name: str) -> GlobalConcurrencyLimitResponse:
    async with get_client() as client:
        try:
            limit = await client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            raise SettingsError(
                f"Prefect has no concurrency limit {name}, which shares out the rate", fix=SETUP
            ) from None
    if not limit.active or limit.limit < 1 or limit.slot_decay_per_second:
        raise SettingsError(
            f"the concurrency limit {name} is switched off or has a decay, so that it does not share out the rate",
            fix=SETUP,
        )
    return limit


async def _take(lease: AsyncExitStack, name: str, wanted: int) -> None:
    log, waited = get_run_logger(), 0.0
    while True:
        # Looking first: each attempt that is refused is an error in Prefect's own log.
        limit = await _read(name)
        if limit.active_slots + wanted <= limit.limit and await _try(lease, name, wanted):
            log.info("holding %s requests per second of %s", wanted, name)
            return
        if waited % SAY_AGAIN_SECONDS == 0:
            log.info("waiting for %s requests per second of %s: other runs of this account hold them", wanted, name)
        waited += ASK_AGAIN_SECONDS
        await asyncio.sleep(ASK_AGAIN_SECONDS)


async def _try(lease: AsyncExitStack, name: str, wanted: int) -> bool:
    """Return whether the slots were granted; another run may be faster."""
    try:
        # No retries inside: Prefect would wait up to 30 s between them, with the rate unused.
        await lease.enter_async_context(
            concurrency(name, occupy=wanted, strict=True, max_retries=0, lease_duration=LEASE_SECONDS)
        )
    except ConcurrencySlotAcquisitionError as error:
        response = getattr(error.__cause__, "response", None)
        if getattr(response, "status_code", None) == 423:  # Locked: others hold the slots
            return False
        raise SourceError(f"Prefect could not grant a share of {name}", fix=SETUP, kind=Kind.FATAL) from None
    return True
