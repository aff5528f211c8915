"""One temporary Prefect server for all tests of this folder: it takes some twenty seconds to start."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Iterator
from contextlib import suppress

import pytest

MAX_PARAMETER_BYTES = 2_000_000  # as deployments/README.md advises; Prefect's own default is 524,288


async def make_limit(name: str, slots: int) -> None:
    """Make the concurrency limit of an account, as `deployments.setup` does."""
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        await client.upsert_global_concurrency_limit_by_name(name, slots)


@pytest.fixture(scope="session", autouse=True)
def _prefect() -> Iterator[None]:
    from prefect.settings import PREFECT_SERVER_API_MAX_PARAMETER_SIZE, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        temporary_settings({PREFECT_SERVER_API_MAX_PARAMETER_SIZE: MAX_PARAMETER_BYTES}),
        prefect_test_harness(server_startup_timeout=120),
    ):
        asyncio.run(make_limit("frontcore-default", 500))
        yield


async def remove_blocks() -> None:
    """Remove our blocks: with them the flows take their settings from there, and not from a test's environment."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    from tasks.blocks import ArchiveBucket, FrontCoreAccount

    async with get_client() as client:
        for block in (FrontCoreAccount, ArchiveBucket):
            with suppress(PrefectHTTPStatusError):  # 404: no block of this type was ever saved
                for document in await client.read_block_documents_by_type(block.get_block_type_slug()):
                    await client.delete_block_document(document.id)


@pytest.fixture(autouse=True, scope="module")
def _no_blocks_are_left(_prefect: None) -> Iterator[None]:
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio.run(remove_blocks())
        gc.collect()  # here, where nobody minds the sockets that Prefect's client leaves


@pytest.fixture(autouse=True)
def _settings(world, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.environment().items():
        if name.startswith(("FRONTCORE_", "ARCHIVE_", "AWS_")):
            monkeypatch.setenv(name, value)
