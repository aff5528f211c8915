"""Opens an archive: for a run, or for the commands that need the bucket alone and no FrontCore key.

Rule: where there is no archive, that is said at once; a misspelt prefix never looks like an empty archive.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TypeVar

from diploma_archive.archive.archive import Archive, Owner
from diploma_archive.archive.identity import check_format
from diploma_archive.errors import Kind, StoreError
from diploma_archive.model import keys
from diploma_archive.model.json_document import Document, from_json
from diploma_archive.settings.archive import ArchiveSettings, S3Access
from diploma_archive.settings.loading import Settings
from diploma_archive.store.object_lock import ObjectLock
from diploma_archive.store.reader import Reader
from diploma_archive.store.s3_client import build_clients, build_fast_path, open_clients
from diploma_archive.store.store import Store
from diploma_archive.store.versions import Eraser

ReaderT = TypeVar("ReaderT", bound=Reader)


@contextmanager
def open_reader(where: ArchiveSettings, access: S3Access | None = None) -> Iterator[Reader]:
    """Open an archive to be read, by up to `where.concurrency` threads.

    Raises:
        StoreError: the bucket cannot be reached, or there is no archive of a known format below the prefix; fatal.
    """
    with _open(Reader, where, access) as reader:
        yield reader


@contextmanager
def open_store(where: ArchiveSettings, access: S3Access | None = None) -> Iterator[Store]:
    """Open an archive to be read and, create-only, written to; otherwise like `open_reader`.

    Raises:
        StoreError: the bucket cannot be reached, or there is no archive of a known format below the prefix; fatal.
    """
    with _open(partial(Store, lock=ObjectLock.of(where)), where, access) as store:
        store.check_lock()
        yield store


@contextmanager
def open_eraser(where: ArchiveSettings, access: S3Access) -> Iterator[Eraser]:
    """Open an archive with the credentials that may delete; otherwise like `open_reader`.

    Raises:
        StoreError: the bucket cannot be reached, or there is no archive of a known format below the prefix; fatal.
    """
    with _open(Eraser, where, access) as eraser:
        yield eraser


@contextmanager
def open_target(where: ArchiveSettings, access: S3Access | None = None) -> Iterator[Store]:
    """Open a bucket that an archive is to be restored into; whose archive is there, if any, is not asked.

    Raises:
        StoreError: the bucket cannot be reached; fatal.
    """
    with open_clients(where, access) as (impatient, client):
        Reader(impatient, where.bucket, where.prefix).get(keys.IDENTITY_KEY)
        store = Store(client, where.bucket, where.prefix, ObjectLock.of(where))
        store.check_lock()
        yield store


@contextmanager
def open_for_a_look(where: ArchiveSettings, access: S3Access | None = None) -> Iterator[Reader]:
    """Open an archive for a handful of requests: impatient, and whoever asks calls `read_identity` first.

    Raises:
        StoreError: boto3 cannot build a client; the bucket itself is not asked yet.
    """
    with open_clients(where, access) as (impatient, _):
        yield Reader(impatient, where.bucket, where.prefix)


@contextmanager
def _open(kind: Callable[..., ReaderT], where: ArchiveSettings, access: S3Access | None) -> Iterator[ReaderT]:
    with open_clients(where, access) as (impatient, client):
        read_identity(Reader(impatient, where.bucket, where.prefix))
        yield kind(client, where.bucket, where.prefix)


@asynccontextmanager
async def open_archive(settings: Settings, kind: type[Archive] = Archive) -> AsyncIterator[Archive]:
    """Open the archive that the settings name and check whose it is, within ten seconds, writing nothing.

    Raises:
        StoreError: the bucket cannot be reached, the archive is somebody else's, the bucket cannot lock objects
            although it shall, or nobody can tell who must not be archived.
    """
    where = settings.archive
    owner = Owner(settings.frontcore.account, where.prefix, settings.frontcore.base_url, where.omit_fields)
    pool = ThreadPoolExecutor(max_workers=where.concurrency, thread_name_prefix="s3")
    try:
        first_client, client = await asyncio.get_running_loop().run_in_executor(
            pool, build_clients, where.concurrency, where.bucket, settings.s3
        )
        fast_path = await asyncio.get_running_loop().run_in_executor(
            pool, build_fast_path, client, where.bucket, settings.s3
        )
        archive = kind(Store(client, where.bucket, where.prefix, ObjectLock.of(where), fast_path), owner, pool)
        await archive.check_owner(Store(first_client, where.bucket, where.prefix))
        await archive.begin(where.suppression_key)
        try:
            yield archive
        finally:
            if fast_path is not None:
                fast_path.close()
    finally:
        # After a failure nobody waits for a server that may never answer; what was begun there ends by itself.
        pool.shutdown(wait=sys.exc_info()[0] is None, cancel_futures=True)


def read_identity(store: Reader) -> Document:
    """Return `archive.json`: whose archive this is.

    Raises:
        StoreError: there is none, or it is not of a known format; fatal.
    """
    stored = store.get(keys.IDENTITY_KEY)
    if stored is None:
        raise StoreError(
            "there is no archive in this bucket below this prefix",
            fix="Check ARCHIVE_BUCKET and ARCHIVE_PREFIX; the first diploma-archive sync begins an archive",
            kind=Kind.FATAL,
        )
    document = from_json(stored.body, keys.IDENTITY_KEY)
    check_format(document)
    return document
