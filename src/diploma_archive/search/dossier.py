"""Everything that the archive holds under one certificate: diplomas, their revisions, and what could not be read.

Rule: current is what was archived last (ADR 5), read from the records; what cannot be read is named and stops nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import BinaryIO, TypeVar

from diploma_archive.archive.certificate_folders import grouped
from diploma_archive.archive.index_entries import get_entry
from diploma_archive.archive.records import get_record
from diploma_archive.errors import IntegrityError, Kind, ObjectMissingError, ObjectRefusedError, StoreError
from diploma_archive.model.json_document import Document
from diploma_archive.model.keys import DIPLOMAS, IndexName, index_prefix, read_index_name
from diploma_archive.model.parsed_record import ASK_VERIFY, RecordContent
from diploma_archive.model.record import ArchivedFile
from diploma_archive.store.parallel import in_parallel
from diploma_archive.store.reader import Reader

T = TypeVar("T")


@dataclass(frozen=True)
class Revision:
    """One record, and what it says."""

    content: RecordContent
    record: Document


@dataclass(frozen=True)
class Held:
    """One diploma under a certificate: its revisions, the one archived last first; there is at least one."""

    revisions: tuple[Revision, ...]

    @property
    def current(self) -> Revision:
        """Return the revision that counts."""
        return self.revisions[0]

    def revision(self, name: str) -> Revision | None:
        """Return the newest generation of a revision, or the one generation that `name` ends with (`.2`)."""
        found = [one for one in self.revisions if name in (one.content.revision, versioned(one.content))]
        return found[0] if found else None


@dataclass(frozen=True)
class Trouble:
    """An object that could not be read, or that does not belong where it lies."""

    key: str
    error: str


@dataclass
class Dossier:
    """What lies under one certificate segment."""

    certificate: str
    diplomas: list[Held] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)


def versioned(content: RecordContent) -> str:
    """Return the name of a revision as its key has it: `89abcdef01234567`, or with its generation, `.2`."""
    return content.key.rpartition("/")[2].removesuffix(".json")


def read_dossier(reader: Reader, certificate: str, workers: int, *, serials: Iterable[str] = ()) -> Dossier:
    """Return what lies under a certificate segment: what the index names, and what lies beside it without an entry.

    Args:
        workers: how many objects are read at once.
        serials: serial segments to look below, in addition to those that the index names.

    Raises:
        StoreError: S3 refused or failed; an object that cannot be read is a trouble in the dossier and no error.
    """
    dossier = Dossier(certificate)
    rows = [row for row in reader.list(index_prefix(certificate)) if read_index_name(row.key) is not None]
    entries = in_parallel(_tried(lambda key: get_entry(reader, certificate, key)), [r.key for r in rows], workers)
    named = {str(entry["record"]) for entry in _good(entries, dossier)}
    below = {*serials, *(key.split("/")[1] for key in named)}
    lying = {key for serial in below for key in _records_below(reader, serial, certificate)}
    records = in_parallel(_tried(lambda key: Revision(*get_record(reader, key))), sorted(named | lying), workers)
    diplomas: dict[int, list[Revision]] = {}
    for revision in _good(records, dossier):
        diplomas.setdefault(revision.content.diploma_id, []).append(revision)
    indexed = {read_index_name(row.key) for row in rows}
    for diploma_id, revisions in sorted(diplomas.items()):
        revisions.sort(key=lambda one: one.content.order, reverse=True)
        dossier.diplomas.append(Held(tuple(revisions)))
        dossier.troubles += [
            Trouble(one.content.key, "this record has no index entry. Run diploma-archive rebuild-index.")
            for one in revisions
            if IndexName(diploma_id, one.content.revision, one.content.generation) not in indexed
        ]
    return dossier


def read_file(reader: Reader, file: ArchivedFile, into: BinaryIO | None = None) -> None:
    """Copy a PDF and verify it while reading: its bytes are those that its name and its record promise.

    Args:
        into: None: it is only looked at.

    Raises:
        ObjectMissingError: it is not there.
        IntegrityError: its bytes are others.
        StoreError: S3 refused or failed.
    """
    try:
        came = reader.read_into(file.key, into) if into else reader.digest(file.key, expected=file.sha256)
    except ObjectMissingError:
        came = None
    if came is None:
        raise ObjectMissingError("the PDF that the record names is not in the bucket", fix=ASK_VERIFY)
    if (came.sha256, came.size) != (file.sha256, file.size):
        raise IntegrityError("the PDF in the bucket is not the one that was archived", fix=ASK_VERIFY)


def check_there(reader: Reader, file: ArchivedFile) -> None:
    """Check without reading it that a PDF is there with the size, and the checksum where S3 keeps one, of its record.

    Raises:
        ObjectMissingError: it is not there.
        IntegrityError: it is another one.
        StoreError: S3 refused or failed.
    """
    head = reader.head(file.key)
    if head is None:
        raise ObjectMissingError("the PDF that the record names is not in the bucket", fix=ASK_VERIFY)
    if head.size != file.size or head.sha256 not in (None, file.sha256):
        raise IntegrityError("the PDF in the bucket is not the one that was archived", fix=ASK_VERIFY)


def _records_below(reader: Reader, serial: str, certificate: str) -> Iterable[str]:
    for folder in grouped(reader.list(f"{DIPLOMAS}{serial}/{certificate}/")):
        yield from folder.records


def _tried(get: Callable[[str], T]) -> Callable[[str], T | Trouble]:
    def attempt(key: str) -> T | Trouble:
        try:
            return get(key)
        except StoreError as error:
            if error.kind is Kind.FATAL and not isinstance(error, ObjectRefusedError):
                raise
            return Trouble(key, error.diagnostics())

    return attempt


def _good(results: Iterable[T | Trouble], dossier: Dossier) -> Iterable[T]:
    for result in results:
        if isinstance(result, Trouble):
            dossier.troubles.append(result)
        else:
            yield result
