"""The overview_files of an export: what it is, what is in it, what is not, and the overview.

Rule: they are derived from the ledger alone, so that a second call writes them anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from diploma_archive.export.csv_table import table
from diploma_archive.export.export_ledger import Copy, ExportLedger
from diploma_archive.export.file_names import is_export_name
from diploma_archive.model.json_document import TOOL, Document, to_json, utc_text

OBJECTS_FILE = "objects.jsonl"
PURPOSE_FILE = "export.json"
OVERVIEW_FILE = "overview.csv"
NOT_EXPORTED_FILE = "not-exported.csv"
README_FILE = "README.txt"

_COLUMNS = {
    "serial": "serial",
    "certificate number": "certificate_number",
    "status": "status",
    "first name": "user.firstname",
    "last name": "user.lastname",
    "date of birth": "user.date_of_birth",
    "course": "course.title",
    "course reference": "course.reference",
    "course start": "coursedate.start_at",
    "course end": "coursedate.end_at",
    "location": "coursedate.location.title",
    "city": "coursedate.location.city",
    "passed": "result.is_passed",
    "completed": "result.is_completed",
    "participated": "result.is_participated",
    "note": "result.passed_note",
    "updated at source": "source.updated_at",
    "deleted at source": "source.deleted_at",
    "archived at": "archived_at",
    "diploma id": "diploma_id",
    "participant id": "participant_id",
    "user id": "user.id",
    "course id": "course.id",
    "revision": "revision",
    "generation": "generation",
    "SHA-256 of the PDF": "file.sha256",
}
_HEADER = [*_COLUMNS, "current", "PDF file", "record file"]


def cells(record: Document) -> list[Any]:
    """Return the row of a record in the overview, without the columns that only the whole export knows."""
    return [_at(record, path) for path in _COLUMNS.values()]


def overview_files(ledger: ExportLedger, purpose: Document, payload: str) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Yield name and content of each paper; what is not exported only where there is something.

    Args:
        payload: the folder of the payload, for the texts.
    """
    yield OBJECTS_FILE, (_object_line(copy) for copy in ledger.copies())
    yield (
        OVERVIEW_FILE,
        table(
            _HEADER,
            ([*row, current, pdf or "", file] for row, current, file, pdf in ledger.overview()),
        ),
    )
    if ledger.count("problems"):
        yield NOT_EXPORTED_FILE, table(["key in the archive", "why it is not here"], ledger.problems())
    counts = {name: ledger.count(name) for name in ("diplomas", "records", "objects", "bytes", "problems")}
    finished = {**purpose, **counts, "finished_at": utc_text(datetime.now(UTC)), "tool": TOOL}
    yield PURPOSE_FILE, [to_json(finished)]
    yield README_FILE, [_readme(purpose, counts, payload).encode("ascii", "backslashreplace")]


def read_objects(lines: Iterable[bytes]) -> Iterator[Copy]:
    """Yield what `objects.jsonl` says.

    Raises:
        ValueError: a line is not what an export writes.
    """
    for raw in lines:
        try:
            copy = Copy(**json.loads(raw))
        except (TypeError, RecursionError):
            raise ValueError("a line is no object") from None
        if not all(isinstance(text, str) for text in (copy.key, copy.file, copy.sha256)) or type(copy.size) is not int:
            raise ValueError("a line lacks something")
        if not all(text is None or isinstance(text, str) for text in (copy.etag, copy.modified)):
            raise ValueError("a line has something odd")
        if not is_export_name(copy.file):
            raise ValueError("a line names a file that no export writes")
        yield copy


def _object_line(copy: Copy) -> bytes:
    return json.dumps(asdict(copy), ensure_ascii=True).encode("ascii") + b"\n"


def _at(record: Document, path: str) -> Any:
    found: Any = record
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _readme(purpose: Document, counts: dict[str, int], payload: str) -> str:
    missing = (
        f"\r\n{counts['problems']} objects of the archive could not be exported: see {payload}{NOT_EXPORTED_FILE}.\r\n"
        if counts["problems"]
        else ""
    )
    check = (
        """How to check that nothing is missing or altered
  This folder is a BagIt bag (RFC 8493): manifest-sha256.txt has the SHA-256 of each file. Any BagIt tool checks it:
    pip install bagit
    bagit.py --validate THIS-FOLDER
  Without such a tool: sha256sum -c manifest-sha256.txt
"""
        if payload
        else f"""How to check that nothing is missing or altered
  {OBJECTS_FILE} has the SHA-256 of each file.
"""
    )
    text = f"""Diplomas from the archive of the FrontCore account {_line(purpose.get("account"))}
Archive {_line(purpose.get("archive_id"))}, written by {TOOL}
{counts["diplomas"]} diplomas in {counts["records"]} records; {counts["objects"]} objects in all.
{missing}
THIS FOLDER HOLDS PERSONAL DATA. Keep it where only those can read it who need it.

What is here ({payload or "in this folder"})
  {OVERVIEW_FILE}   one row for each record; opens in Excel (UTF-8, semicolons). "current" is the latest of a diploma.
  diplomas/      the PDFs, named by serial and certificate number
  records/       what FrontCore said of each diploma when it was archived, as JSON
  objects/       everything else that the archive needs, named by hashes
  {OBJECTS_FILE}  which file is which object of the archive, with its SHA-256
  {PURPOSE_FILE}    what was asked for

{check}
How to get it back into a bucket
  diploma-archive restore --from THIS-FOLDER
"""
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _line(value: object) -> str:
    return " ".join(str(value).split())[:200]
