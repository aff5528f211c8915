"""Records whose index entry a crash lost: found and indexed before anything is decided from the index.

Rule: only a record whose file is there is indexed; what is damaged is left to `verify`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from diploma_archive.archive.bulk_index import BulkIndex
from diploma_archive.archive.certificate_folders import grouped
from diploma_archive.archive.commit import Committed, put_index_entry
from diploma_archive.errors import Kind, StoreError
from diploma_archive.model.json_document import Document
from diploma_archive.model.keys import DIPLOMAS, IndexName, Place
from diploma_archive.model.record_check import check_record
from diploma_archive.store.objects import Digest, Listed
from diploma_archive.store.reader import Reader
from diploma_archive.store.store import Store

log = logging.getLogger("diploma_archive.archive")


def unindexed_records(reader: Reader, index: BulkIndex) -> Iterator[tuple[Place, str]]:
    """Yield place and key of each record of the whole archive that has no entry in the index, from LIST alone.

    Raises:
        StoreError: S3 refused or failed.
    """
    for place, key in _records(reader.list(DIPLOMAS)):
        revision, _, generation = key.rpartition("/")[2].removesuffix(".json").partition(".")
        if not index.has_record(place.certificate, revision, int(generation or 1)):
            yield place, key


def unindexed_in(reader: Reader, place: Place, names: Iterable[IndexName]) -> Iterator[tuple[Place, str]]:
    """Yield those of one certificate folder; `names` is what the index has of the certificate.

    Raises:
        StoreError: S3 refused or failed.
    """
    indexed = {_ending(name) for name in names}
    for found, key in _records(reader.list(f"{DIPLOMAS}{place.serial}/{place.certificate}/")):
        if key.rpartition("/")[2] not in indexed:
            yield found, key


def index_records(
    store: Store, records: Iterable[tuple[Place, str]], omitted: tuple[str, ...]
) -> list[tuple[str, Committed]]:
    """Write the index entries of these records, where they are whole and their files are there.

    Args:
        omitted: the setting `ARCHIVE_OMIT_FIELDS`.

    Returns:
        Certificate segments, and the records as they are in the bucket.

    Raises:
        StoreError: S3 refused or failed in a way that concerns more than one record.
    """
    written = []
    for place, key in records:
        try:
            stored = store.get(key)
            checked = "it is gone" if stored is None else check_record(key, stored.body, omitted=omitted)
            if isinstance(checked, str) or not _has_its_file(store, checked.document):
                log.warning("a record without its index entry is not whole; diploma-archive verify names it")
                continue
            written.append((place.certificate, put_index_entry(store, place, checked.document)))
        except StoreError as error:
            if error.kind is Kind.FATAL:
                raise
            log.warning("a record without its index entry could not be indexed: %s", error.diagnostics())
    return written


def _has_its_file(store: Store, record: Document) -> bool:
    file = record["file"]
    return file is None or store.digest(file["key"]) == Digest(file["size"], file["sha256"])


def _records(rows: Iterable[Listed]) -> Iterator[tuple[Place, str]]:
    for folder in grouped(rows):
        for key in folder.records:
            yield folder.place, key


def _ending(name: IndexName) -> str:
    return name.key("").rpartition("/")[2].partition(".")[2]
