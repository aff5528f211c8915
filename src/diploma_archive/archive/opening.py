"""Opens an archive for the custody commands, which need the bucket alone and no FrontCore key.

Rule: where there is no archive, that is said at once; a misspelt prefix never looks like an empty archive.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from diploma_archive.archive import keys
from diploma_archive.archive.identity import check_format
from diploma_archive.archive.reader import Reader
from diploma_archive.archive.record import Document, from_json
from diploma_archive.archive.s3_client import build_clients
from diploma_archive.archive.store import Store
from diploma_archive.errors import Kind, StoreError
from diploma_archive.settings import ArchiveSettings, S3Access

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
    with _open(Store, where, access) as store:
        yield store


@contextmanager
def _open(kind: type[ReaderT], where: ArchiveSettings, access: S3Access | None) -> Iterator[ReaderT]:
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
