"""The record ("this revision is archived") and the index entry derived from it (DESIGN.md section 5).

Rule: a record holds documented source fields only, less the omitted ones, and never a link.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from diploma_archive.errors import StoreError
from diploma_archive.model.json_document import FORMAT, TOOL, Document, utc_text
from diploma_archive.model.keys import Place
from diploma_archive.model.source_items import Diploma

_OF_THE_RUN = frozenset({"archived_at", "run_id", "tool", "file", "supersedes", "conflict"})

Status = Literal["issued", "withdrawn"]


@dataclass(frozen=True)
class ArchivedFile:
    """A PDF as the record names it; `key` is relative to the prefix, `sha256` is hex, `size` is in bytes.

    Attributes:
        oddities: what is odd about it, from the fixed list of DESIGN.md section 5.
        names: what its text names of its diploma, also from there; None: archived before that was looked for.
    """

    key: str
    sha256: str
    size: int
    content_type: str
    pages: int
    oddities: tuple[str, ...] = ()
    names: str | None = None


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
    file: ArchivedFile | None,
    supersedes: str | None,
    conflict: Iterable[int],
    provenance: Provenance,
    archived_at: datetime,
    omit_fields: Iterable[str],
) -> Document:
    """Return the record of one revision: every field of DESIGN.md section 5, always all of them."""
    return {
        "format": FORMAT,
        "revision": revision,
        "status": "withdrawn" if diploma.is_withdrawn else "issued",
        "generation": generation,
        **documented_fields(diploma, provenance, omit_fields),
        "file": None
        if file is None
        else {
            "key": file.key,
            "sha256": file.sha256,
            "size": file.size,
            "content_type": file.content_type,
            "pages": file.pages,
            "oddities": list(file.oddities),
            "names": file.names,
        },
        "supersedes": supersedes,
        "conflict": sorted(conflict) or None,
        "archived_at": utc_text(archived_at),
        "tool": TOOL,
        "run_id": provenance.run_id,
    }


def documented_fields(diploma: Diploma, provenance: Provenance, omit_fields: Iterable[str]) -> Document:
    """Return what a record says of a diploma and its source: documented fields less the omitted ones, never a link."""
    omitted = frozenset(omit_fields)
    return {
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


def tells_the_same(record: Document, ours: Document) -> bool:
    """Return whether a record that another run wrote says what ours would: all but when, by whom and with which file.

    One that does not was damaged after it was written, or written with other settings.
    """
    return _without_the_run(record) == _without_the_run(ours)


def _without_the_run(record: Document) -> Document:
    kept = {name: value for name, value in record.items() if name not in _OF_THE_RUN}
    source = kept.get("source")
    return {**kept, "source": {**source, "listed_at": None}} if isinstance(source, dict) else kept


def _kept(fields: Document, path: str, omitted: frozenset[str]) -> Document | None:
    if path in omitted:
        return None
    return {
        name: _kept(value, f"{path}.{name}", omitted) if isinstance(value, dict) else value
        for name, value in fields.items()
        if f"{path}.{name}" not in omitted
    }
