"""What `show` says of a certificate, for a person and for a script.

Rule: for a person everything passes through `tables.shown`; for a script a record is exactly as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from diploma_archive.cli.tables import shown
from diploma_archive.model.json_document import Document
from diploma_archive.search.dossier import Dossier, Held, Revision, Trouble, versioned


@dataclass
class FileCheck:
    """The PDF that was looked at: whose it is, and what came out; `verified` is None where it was not read."""

    revision: Revision
    verified: bool | None = None
    error: str | None = None


@dataclass
class Shown:
    """Everything that one call of `show` says."""

    dossiers: list[Dossier]
    checks: dict[str, FileCheck] = field(default_factory=dict)  # by the key of the diploma's current record
    saved: str | None = None
    link: str | None = None
    minutes: int | None = None

    @property
    def held(self) -> list[Held]:
        """Return the diplomas."""
        return [held for dossier in self.dossiers for held in dossier.diplomas]

    @property
    def troubles(self) -> list[Trouble]:
        """Return what could not be read."""
        return [trouble for dossier in self.dossiers for trouble in dossier.troubles]

    @property
    def is_good(self) -> bool:
        """Return whether everything could be read and was what it must be."""
        return not self.troubles and all(check.error is None for check in self.checks.values())

    def as_json(self) -> dict[str, Any]:
        """Return it as one object."""
        return {
            "diplomas": [self._held_json(dossier, held) for dossier in self.dossiers for held in dossier.diplomas],
            "troubles": [{"key": trouble.key, "error": trouble.error} for trouble in self.troubles],
            "saved": self.saved,
            "link": self.link,
            "link_minutes": self.minutes,
        }

    def _held_json(self, dossier: Dossier, held: Held) -> dict[str, Any]:
        content, check = held.current.content, self.checks.get(held.current.content.key)
        return {
            "certificate": dossier.certificate,
            "certificate_number": content.certificate_number,
            "serial": content.serial,
            "diploma_id": content.diploma_id,
            "status": content.status,
            "current": versioned(content),
            "conflict": conflicting(dossier, held),
            "file": None if check is None else _file_json(check),
            "revisions": [
                {
                    "revision": one.content.revision,
                    "generation": one.content.generation,
                    "current": one is held.current,
                    "status": one.content.status,
                    "archived_at": one.content.archived_at,
                    "record_key": one.content.key,
                    "record": one.record,
                }
                for one in held.revisions
            ],
        }


def conflicting(dossier: Dossier, held: Held) -> list[int]:
    """Return the other diplomas under the same certificate number, by what lies there and by what the record says."""
    mine = held.current.content.diploma_id
    others = {other.current.content.diploma_id for other in dossier.diplomas}
    return sorted({*others, *(one for revision in held.revisions for one in revision.content.conflict)} - {mine})


def lines_of(what: Shown) -> Iterator[str]:
    """Yield the lines for a person, without the troubles."""
    for dossier in what.dossiers:
        for held in dossier.diplomas:
            yield from _lines(dossier, held, what.checks.get(held.current.content.key))


def _lines(dossier: Dossier, held: Held, check: FileCheck | None) -> Iterator[str]:
    current, record = held.current.content, held.current.record
    number = "no certificate number" if current.certificate_number is None else current.certificate_number
    yield shown(f"{number} ({dossier.certificate}), diploma {current.diploma_id}")
    yield f"  current: revision {versioned(current)}, archived last, {_time(current.archived_at)}; {current.status}"
    others = conflicting(dossier, held)
    if others:
        yield f"  conflict: under this certificate number there are other diplomas too: {', '.join(map(str, others))}"
    user = _object(record, "user")
    person = " ".join(str(user[name]) for name in ("firstname", "lastname") if user.get(name))
    yield shown(f"  serial: {current.serial or '-'}")
    yield shown(
        f"  person: {person or '(no name kept)'}, user {_or_dash(current.user_id)}, "
        f"participant {_or_dash(current.participant_id)}"
    )
    course = " ".join(part for part in (current.course_reference, current.course_title) if part)
    yield shown(f"  course: {course or '-'}, {current.course_date or 'no date'}")
    yield from _file_lines(held, check)
    yield "  revisions, the one archived last first:"
    for one in held.revisions:
        mark = "current" if one is held.current else "older"
        pdf = "with PDF" if one.content.file else "without PDF"
        archived = _time(one.content.archived_at)
        yield f"    {mark:8} {versioned(one.content):18} {one.content.status:10} {archived}  {pdf}"


def _file_lines(held: Held, check: FileCheck | None) -> Iterator[str]:
    if held.current.content.file is None:
        yield (
            "  file: none in the current revision; an older one has the PDF that was archived before"
            if any(one.content.file for one in held.revisions)
            else f"  file: none; no PDF was archived{' before it was withdrawn' if _is_withdrawn(held) else ''}"
        )
    file = None if check is None else check.revision.content.file
    if check is None or file is None:
        return
    result = {True: "verified", False: "NOT VERIFIED", None: "not read"}[check.verified]
    whose = "" if check.revision is held.current else f" of revision {versioned(check.revision.content)}"
    yield f"  file{whose}: {result}, {file.size:,} bytes"
    yield f"    {shown(file.key)}"
    yield f"    SHA-256 {file.sha256}"


def _file_json(check: FileCheck) -> dict[str, Any]:
    file = check.revision.content.file
    return {
        "revision": versioned(check.revision.content),
        "key": file and file.key,
        "sha256": file and file.sha256,
        "size": file and file.size,
        "verified": check.verified,
        "error": check.error,
    }


def _is_withdrawn(held: Held) -> bool:
    return held.current.content.status == "withdrawn"


def _object(record: Document, name: str) -> Document:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _time(archived_at: str) -> str:
    return f"{archived_at[:10]} {archived_at[11:19]} UTC"


def _or_dash(value: object) -> object:
    return "-" if value is None else value
