"""Opens an archive for the custody commands, which need the bucket alone and no FrontCore key.

Rule: where there is no archive, that is said at once; a misspelt prefix never looks like an empty archive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from diploma_archive.archive import keys
from diploma_archive.archive.identity import check_format
from diploma_archive.archive.object_lock import ObjectLock
from diploma_archive.archive.protection.versions import Eraser
from diploma_archive.archive.reader import Reader
from diploma_archive.archive.record import Document, from_json
from diploma_archive.archive.s3_client import build_clients
from diploma_archive.archive.store import Store
from diploma_archive.errors import Kind, StoreError
from diploma_archive.settings import ArchiveSettings, S3Access

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

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
    first_client, client = build_clients(where.concurrency, where.bucket, access)
    try:
        Reader(first_client, where.bucket, where.prefix).get(keys.IDENTITY_KEY)
        store = Store(client, where.bucket, where.prefix, ObjectLock.of(where))
        store.check_lock()
        yield store
    finally:
        first_client.close()
        client.close()


@contextmanager
def open_for_a_look(where: ArchiveSettings, access: S3Access | None = None) -> Iterator[Reader]:
    """Open an archive for a handful of requests: impatient, and `archive.json` is not read.

    Whoever finds nothing then calls `read_identity`, which tells an archive without it from no archive at all.

    Raises:
        StoreError: boto3 cannot build a client; the bucket itself is not asked yet.
    """
    first_client, client = build_clients(where.concurrency, where.bucket, access)
    try:
        yield Reader(first_client, where.bucket, where.prefix)
    finally:
        first_client.close()
        client.close()


@contextmanager
def _open(
    kind: Callable[[S3Client, str, str], ReaderT], where: ArchiveSettings, access: S3Access | None
) -> Iterator[ReaderT]:
    first_client, client = build_clients(where.concurrency, where.bucket, access)
    try:
        read_identity(Reader(first_client, where.bucket, where.prefix))
        yield kind(client, where.bucket, where.prefix)
    finally:
        first_client.close()
        client.close()


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
