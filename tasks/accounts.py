"""From the name of an account to its settings: blocks first, the environment where there are none."""

import logging
from typing import TypeVar

from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound
from pydantic import ValidationError

from diploma_archive.errors import SettingsError
from diploma_archive.settings.archive import ArchiveSettings, S3Access
from diploma_archive.settings.loading import Settings, load_archive_settings, load_settings
from tasks.blocks import ArchiveBucket, FrontCoreAccount

BlockT = TypeVar("BlockT", bound=Block)


async def settings_of(account: str) -> Settings:
    """Return the settings of an account.

    Raises:
        SettingsError: no block and no environment describes it, or what describes it is wrong.
    """
    source = await _load_block(FrontCoreAccount, account)
    where = await _load_block(ArchiveBucket, account)
    settings = load_settings(
        None if source is None else {**_fields(source, FrontCoreAccount), "account": account},
        *_bucket_values(where),
    )
    if source is None and account not in ("default", settings.frontcore.account):
        raise SettingsError(
            f"there is no block FrontCore account named {account}",
            fix="Create one (and an Archive bucket of the same name) in Prefect's UI under Blocks",
        )
    return settings


async def archive_of(account: str) -> tuple[ArchiveSettings, S3Access]:
    """Return the settings of an account's bucket alone, for flows that ask FrontCore nothing.

    Raises:
        SettingsError: neither a block nor the environment describes it, or what describes it is wrong.
    """
    where = await _load_block(ArchiveBucket, account)
    return load_archive_settings(*_bucket_values(where))


async def _load_block(kind: type[BlockT], name: str) -> BlockT | None:
    # Prefect logs nothing here; what it raises may quote the block, so its text is not passed on.
    try:
        return await kind.aload(name, validate=True)
    except ValidationError:
        raise SettingsError(
            f"the block {kind._block_type_name} named {name} is not complete",
            fix="Open it in Prefect's UI under Blocks and save it again",
        ) from None
    except ValueError as error:
        if isinstance(error.__cause__, ObjectNotFound):
            return None
        logging.getLogger("diploma_archive").debug("block %s: %s", name, type(error).__name__)
        raise SettingsError(
            f"the block {kind._block_type_name} named {name} cannot be read", fix="Create it anew in Prefect's UI"
        ) from None


def _bucket_values(where: ArchiveBucket | None) -> tuple[dict[str, object] | None, S3Access | None]:
    if where is None:
        return None, None
    access = S3Access(where.endpoint_url or None, where.region or None, where.access_key_id, where.secret_access_key)
    return _fields(where, ArchiveBucket, without=frozenset(S3Access.__dataclass_fields__)), access


def _fields(block: Block, kind: type[Block], without: frozenset[str] = frozenset()) -> dict[str, object]:
    """Return what a block says; what it leaves empty is left to the environment."""
    own = set(kind.model_fields) - set(Block.model_fields) - without
    return {name: getattr(block, name) for name in own if getattr(block, name) is not None}
