"""Reads the records that an export chooses among, folder by folder, and checks each of them.

Rule: one bad object never stops the others; what cannot be read is named. Only the whole S3 out of reach is fatal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from diploma_archive.archive.certificate_folders import Folder, folders
from diploma_archive.errors import Kind, ObjectMissingError, ObjectRefusedError, StoreError
from diploma_archive.export.chosen_records import Choice
from diploma_archive.export.failure_limit import FailureLimit
from diploma_archive.model.json_document import from_json
from diploma_archive.model.keys import DIPLOMAS, Place, index_prefix, read_index_name
from diploma_archive.model.record_check import Checked, check_record
from diploma_archive.model.source_items import OMITTABLE_FIELDS
from diploma_archive.model.typed_certificate_number import certificate_segments
from diploma_archive.store.objects import Listed
from diploma_archive.store.reader import Reader

T = TypeVar("T")
NAMED_BUT_MISSING = "is not in the bucket, though the index names it"


@dataclass(frozen=True)
class ReadRecord:
    """A record that was read and found to be what its key says."""

    listed: Listed
    body: bytes
    checked: Checked


@dataclass(frozen=True)
class ReadFolder:
    """The records of one certificate folder; `problems` are those that cannot be read, as key and reason."""

    place: Place
    files: dict[str, Listed] = field(default_factory=dict)
    records: list[ReadRecord] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def twice(work: Callable[[], T]) -> T:
    """Return what `work` returns; what was bad is read again before anybody hears of it.

    Raises:
        StoreError: it was bad twice, or S3 is out of reach.
    """
    try:
        return work()
    except StoreError as error:
        if stops_everything(error):
            raise
        return work()


def stops_everything(error: StoreError) -> bool:
    """Return whether an error is about more than one object."""
    return error.kind is Kind.FATAL and not isinstance(error, ObjectRefusedError)


def read_small(reader: Reader, key: str) -> bytes:
    """Return a JSON object of the archive.

    Raises:
        StoreError: it is not there, cannot be read, or is larger than any such object is.
    """
    stored = reader.get(key)
    if stored is None:
        raise ObjectMissingError("is not in the bucket")
    return stored.body


def read_folder(
    reader: Reader, folder: Folder, *, kept: Callable[[Listed], bytes | None], failure_limit: FailureLimit
) -> ReadFolder:
    """Return the records of a folder.

    Args:
        kept: returns the bytes of an object that an earlier call has brought here, if it did.
        failure_limit: decides when S3 has failed too often.

    Raises:
        StoreError: S3 is out of reach.
    """
    found = ReadFolder(folder.place, folder.files)
    for listed in folder.records.values():
        try:
            found.records.append(twice(partial(_read_record, reader, listed, kept)))
            failure_limit.succeeded()
        except StoreError as error:
            if stops_everything(error):
                raise
            failure_limit.failed(error)
            found.problems.append((listed.key, error.what))
    return found


def _read_record(reader: Reader, listed: Listed, kept: Callable[[Listed], bytes | None]) -> ReadRecord:
    body = kept(listed) or read_small(reader, listed.key)
    # Any field may have been left out: the settings may have been others when it was archived.
    checked = check_record(listed.key, body, omitted=OMITTABLE_FIELDS)
    if isinstance(checked, str):
        raise StoreError(f"the record is damaged: {checked}")
    return ReadRecord(listed, body, checked)


def chosen_folders(reader: Reader, choice: Choice, problem: Callable[[str, str], None]) -> Iterator[Folder]:
    """Yield the folders in which chosen records may lie: by the index where that is enough, else all of them.

    Args:
        problem: told key and reason of a record that the index names and that is not there.

    Raises:
        StoreError: S3 refused or failed.
    """
    if not choice.is_certificates_alone:
        yield from folders(reader)
        return
    not_indexed: set[str] = set()
    for certificate in sorted(choice.certificates):
        segments = certificate_segments(certificate)
        named = {key for segment in segments for key in _indexed_records(reader, segment)}
        if not named:
            not_indexed.update(segments)
        for place in sorted({_place_of(key) for key in named}, key=lambda place: (place.serial, place.certificate)):
            found = list(_folder(reader, place))
            yield from found
            there = {key for folder in found for key in folder.records}
            for key in sorted(key for key in named if _place_of(key) == place and key not in there):
                problem(key, NAMED_BUT_MISSING)
    if not_indexed:
        # An index that was lost does not hide a diploma: then the whole archive is listed (not read).
        yield from (folder for folder in folders(reader) if folder.place.certificate in not_indexed)


def _indexed_records(reader: Reader, segment: str) -> Iterable[str]:
    for row in reader.list(index_prefix(segment)):
        if read_index_name(row.key) is None:
            continue
        try:
            entry = from_json(twice(partial(read_small, reader, row.key)), "an index entry")
        except StoreError as error:
            if stops_everything(error):
                raise
            continue  # the index is only the way to the records
        key = entry.get("record")
        if isinstance(key, str) and key.startswith(DIPLOMAS) and key.count("/") == 3 and key.split("/")[2] == segment:
            yield key


def _place_of(record_key: str) -> Place:
    _, serial, certificate, _ = record_key.split("/")
    return Place(serial, certificate)


def _folder(reader: Reader, place: Place) -> Iterator[Folder]:
    return folders(reader, f"{DIPLOMAS}{place.serial}/{place.certificate}/")
