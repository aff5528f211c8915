"""The record ("this revision is archived") and the index entry derived from it (DESIGN.md section 5).

Rule: a record holds documented source fields only, less the omitted ones, and never a link.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from diploma_archive import __version__
from diploma_archive.archive.keys import Place
from diploma_archive.errors import StoreError
from diploma_archive.models import Diploma

FORMAT = 1
TOOL = f"diploma-archive {__version__}"

_OF_THE_RUN = frozenset({"archived_at", "run_id", "tool", "file", "supersedes", "conflict"})

Status = Literal["issued", "withdrawn"]
Document = dict[str, Any]


@dataclass(frozen=True)
class FileFacts:
    """A PDF as the record names it; `key` is relative to the prefix, `sha256` is hex, `size` is in bytes."""

    key: str
    sha256: str
    size: int
    content_type: str
    pages: int


@dataclass(frozen=True)
class Provenance:
    """Where and when a listing was read, and by which run."""

    base_url: str
    listed_at: datetime
    run_id: str


def build_record(
    diploma: Diploma,
    *,
    revision: str,
    generation: int,
    file: FileFacts | None,
    supersedes: str | None,
    conflict: Iterable[int],
    provenance: Provenance,
    archived_at: datetime,
    omit_fields: Iterable[str],
) -> Document:
    """Return the record of one revision: every field of DESIGN.md section 5, always all of them."""
    omitted = frozenset(omit_fields)
    return {
        "format": FORMAT,
        "revision": revision,
        "status": "withdrawn" if diploma.is_withdrawn else "issued",
        "generation": generation,
        "certificate_number": diploma.certificate_number,
        "serial": diploma.serial,
        "diploma_id": diploma.id,
        "participant_id": diploma.participant_id,
        "user": _kept(diploma.user.model_dump(), "user", omitted),
        "course": _kept(diploma.course.model_dump(), "course", omitted),
        "coursedate": _kept(diploma.coursedate.model_dump(), "coursedate", omitted),
        "result": {
            name: getattr(diploma, name)
            for name in Diploma.RESULT_FIELDS
            if name not in omitted and f"result.{name}" not in omitted
        },
        "source": {
            "base_url": provenance.base_url,
            "created_at": diploma.created_at,
            "updated_at": diploma.updated_at,
            "result_updated_at": diploma.result_updated_at,
            "deleted_at": diploma.deleted_at,
            "listed_at": utc_text(provenance.listed_at),
        },
        "file": None
        if file is None
        else {
            "key": file.key,
            "sha256": file.sha256,
            "size": file.size,
            "content_type": file.content_type,
            "pages": file.pages,
        },
        "supersedes": supersedes,
        "conflict": sorted(conflict) or None,
        "archived_at": utc_text(archived_at),
        "tool": TOOL,
        "run_id": provenance.run_id,
    }


def index_entry(record: Document, place: Place) -> Document:
    """Return the index entry of a record: enough to find it, and no personal data.

    Raises:
        StoreError: the record lacks a field that it must have.
    """
    try:
        file = record["file"]
        return {
            "record": place.record_key(record["revision"], record["generation"]),
            "file": file and file["key"],
            "sha256": file and file["sha256"],
            "diploma_id": record["diploma_id"],
            "revision": record["revision"],
            "status": record["status"],
            "source_updated_at": record["source"]["updated_at"],
            "archived_at": record["archived_at"],
        }
    except (KeyError, TypeError):
        raise StoreError(
            "a record in the bucket is not complete", fix="Run diploma-archive verify to see which"
        ) from None


def current_entry(entries: Iterable[Document]) -> Document | None:
    """Return the index entry of a diploma that is current (archived last, ADR 5), or None where there is none."""
    return max(entries, key=lambda entry: str(entry.get("archived_at")), default=None)


def to_json(document: Document) -> bytes:
    """Return a document as the bucket keeps it: readable, ASCII, with a final line break."""
    return (json.dumps(document, indent=2, ensure_ascii=True) + "\n").encode("ascii")


def from_json(body: bytes, what: str) -> Document:
    """Return a document from the bucket.

    Raises:
        StoreError: it is not the JSON object that it must be; `what` names it in the text.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise StoreError(f"{what} in the bucket is damaged", fix="Run diploma-archive verify to see what is wrong")
    return document


def readable_or_empty(body: bytes) -> Document:
    """Return a document from the bucket, or an empty one where it is damaged."""
    try:
        return from_json(body, "")
    except StoreError:
        return {}


def tells_the_same(record: Document, ours: Document) -> bool:
    """Return whether a record that another run wrote says what ours would: all but when, by whom and with which file.

    One that does not was damaged after it was written, or written with other settings.
    """
    return _without_the_run(record) == _without_the_run(ours)


def _without_the_run(record: Document) -> Document:
    kept = {name: value for name, value in record.items() if name not in _OF_THE_RUN}
    source = kept.get("source")
    return {**kept, "source": {**source, "listed_at": None}} if isinstance(source, dict) else kept


def utc_text(moment: datetime) -> str:
    """Return a moment as text that sorts by time: `2026-03-01T02:15:00.123456Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _kept(fields: Document, path: str, omitted: frozenset[str]) -> Document | None:
    if path in omitted:
        return None
    return {
        name: _kept(value, f"{path}.{name}", omitted) if isinstance(value, dict) else value
        for name, value in fields.items()
        if f"{path}.{name}" not in omitted
    }
