"""What a search shows of one diploma, wherever it was found: from a record, an index entry, or the names of keys alone.

Rule: what was not read is None and said so; nothing is guessed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from diploma_archive.model.json_document import Document
from diploma_archive.model.parsed_record import RecordContent
from diploma_archive.model.typed_certificate_number import number_of

Read = Literal["record", "entry", "keys"]


@dataclass(frozen=True)
class Hit:
    """One diploma under one certificate number, by its current revision."""

    certificate: str  # key segment
    revisions: int
    read: Read  # what the rest was read from: all is known of a record, less of an entry, hardly anything of keys
    certificate_number: str | None = None
    serial: str | None = None
    diploma_id: int | None = None
    participant_id: int | None = None
    user_id: int | None = None
    status: str | None = None
    course_id: int | None = None
    course_reference: str | None = None
    course_title: str | None = None
    course_date: str | None = None
    archived_at: str | None = None
    record: str | None = None  # key of the current record
    matched: Literal["current", "older"] = "current"  # which revision has what was searched for
    note: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return asdict(self)


def hit_of_record(content: RecordContent, revisions: int, *, note: str | None = None) -> Hit:
    """Return the hit of a diploma whose current record was read."""
    return Hit(
        certificate=content.place.certificate,
        revisions=revisions,
        read="record",
        certificate_number=content.certificate_number,
        serial=content.serial,
        diploma_id=content.diploma_id,
        participant_id=content.participant_id,
        user_id=content.user_id,
        status=content.status,
        course_id=content.course_id,
        course_reference=content.course_reference,
        course_title=content.course_title,
        course_date=content.course_date,
        archived_at=content.archived_at,
        record=content.key,
        note=note,
    )


def hit_of_entry(certificate: str, entry: Document, revisions: int, *, note: str | None = None) -> Hit:
    """Return the hit of a diploma of which the index entry alone was read."""
    return Hit(
        certificate=certificate,
        revisions=revisions,
        read="entry",
        certificate_number=number_of(certificate),
        serial=number_of(str(entry["record"]).split("/")[1]),
        diploma_id=entry["diploma_id"],
        status=entry["status"],
        archived_at=entry["archived_at"],
        record=entry["record"],
        note=note,
    )
