"""What a record says, read with care: for the commands that search and show.

Rule: a record counts only under the key that its own content asks for, so that one which was swapped or edited is
named and never shown as another diploma's. Whether its bytes are those that were archived is for `verify` to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeGuard

from diploma_archive.errors import StoreError
from diploma_archive.model.coercion import coerce_id, coerce_text, or_none
from diploma_archive.model.file_oddities import Names, Oddity
from diploma_archive.model.json_document import FORMAT, Document
from diploma_archive.model.keys import Place, places_of
from diploma_archive.model.record import ArchivedFile

ASK_VERIFY = "Run diploma-archive verify to see what is wrong"

ARCHIVED_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")

_REVISION = re.compile(r"[0-9a-f]{16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class RecordContent:
    """One record, as far as searches need it; None where it does not say (null, left out, or odd)."""

    key: str
    place: Place
    diploma_id: int
    revision: str
    generation: int
    status: str
    archived_at: str
    certificate_number: str | None
    serial: str | None
    participant_id: int | None
    user_id: int | None
    course_id: int | None
    course_title: str | None
    course_reference: str | None
    course_date: str | None  # its start, as the source wrote it
    conflict: tuple[int, ...]
    file: ArchivedFile | None

    @property
    def order(self) -> tuple[str, int, str]:
        """Return what sorts the records of a diploma by the time they were archived (ADR 5)."""
        return self.archived_at, self.generation, self.key


def read_record_content(key: str, record: Document) -> RecordContent:
    """Return what a record says.

    Raises:
        StoreError: it is not complete, or it does not belong under this key.
    """
    if record.get("format") != FORMAT:
        raise StoreError("a record in the bucket has another format", fix=ASK_VERIFY)
    diploma_id, revision, generation = record.get("diploma_id"), record.get("revision"), record.get("generation")
    status, archived_at = record.get("status"), record.get("archived_at")
    number, serial = record.get("certificate_number"), record.get("serial")
    if not (
        _is_id(diploma_id)
        and isinstance(revision, str)
        and _REVISION.fullmatch(revision)
        and _is_id(generation)
        and status in ("issued", "withdrawn")
        and isinstance(archived_at, str)
        and ARCHIVED_AT.fullmatch(archived_at)
        and all(value is None or isinstance(value, str) for value in (number, serial))
    ):
        raise StoreError("a record in the bucket is not complete", fix=ASK_VERIFY)
    places = places_of(serial, number, diploma_id)
    place = next((one for one in places if one.record_key(revision, generation) == key), None)
    if place is None:
        raise StoreError("a record does not belong where it lies", fix=ASK_VERIFY)
    user, course, date = (_object(record.get(name)) for name in ("user", "course", "coursedate"))
    conflict = record.get("conflict")
    return RecordContent(
        key=key,
        place=place,
        diploma_id=diploma_id,
        revision=revision,
        generation=generation,
        status=status,
        archived_at=archived_at,
        certificate_number=number,
        serial=serial,
        participant_id=or_none(coerce_id, record.get("participant_id")),
        user_id=or_none(coerce_id, user.get("id")),
        course_id=or_none(coerce_id, course.get("id")),
        course_title=or_none(coerce_text, course.get("title")),
        course_reference=or_none(coerce_text, course.get("reference")),
        course_date=or_none(coerce_text, date.get("start_at")),
        conflict=tuple(one for one in conflict if _is_id(one)) if isinstance(conflict, list) else (),
        file=_file(record.get("file"), place),
    )


def _file(file: object, place: Place) -> ArchivedFile | None:
    if file is None:
        return None
    named = _object(file)
    key, sha256, size = named.get("key"), named.get("sha256"), named.get("size")
    if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256) and _is_id(size)):
        raise StoreError("a record in the bucket does not say which file is its own", fix=ASK_VERIFY)
    if not isinstance(key, str) or key != place.pdf_key(sha256):
        raise StoreError("a record names a file that is not its own", fix=ASK_VERIFY)
    pages = or_none(coerce_id, named.get("pages"))
    oddities, names = named.get("oddities"), named.get("names")
    return ArchivedFile(
        key,
        sha256,
        size,
        str(named.get("content_type")),
        pages or 0,
        tuple(one for one in oddities if one in set(Oddity)) if isinstance(oddities, list) else (),
        names if names in set(Names) else None,
    )


def _object(value: object) -> Document:
    return value if isinstance(value, dict) else {}


def _is_id(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63
