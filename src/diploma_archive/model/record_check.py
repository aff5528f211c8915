"""Is this record what was archived? Decided from its bytes and its key alone: pure.

Rule: a record that lacks a field, does not fit its key or does not give its own fingerprint is never relied upon.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from diploma_archive.errors import StoreError
from diploma_archive.model.file_oddities import Names, Oddity
from diploma_archive.model.json_document import FORMAT, Document, from_json, to_json
from diploma_archive.model.keys import IndexName, Place, places_of
from diploma_archive.model.record import index_entry
from diploma_archive.model.revision import Evidence, fingerprint
from diploma_archive.model.source_items import OMITTABLE_FIELDS, Diploma

FIELDS = frozenset(
    (
        *("format", "revision", "status", "generation", "certificate_number", "serial", "diploma_id", "participant_id"),
        *("user", "course", "coursedate", "result", "source", "file"),
        *("supersedes", "conflict", "archived_at", "tool", "run_id"),
    )
)
_SOURCE_FIELDS = {"base_url", "created_at", "updated_at", "result_updated_at", "deleted_at", "listed_at"}
_FILE_FIELDS = {"key", "sha256", "size", "content_type", "pages"}
_LATER_FILE_FIELDS = {"oddities", "names"}  # records of earlier versions have neither
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")

# Evidence field -> where it lies in a record (DESIGN.md section 5). The names are those of `ARCHIVE_OMIT_FIELDS`.
_PLACES = {
    **{name: name for name in ("diploma_id", "participant_id", "certificate_number", "serial")},
    **{f"user_{name}": f"user.{name}" for name in ("id", "firstname", "lastname", "date_of_birth")},
    **{f"course_{name}": f"course.{name}" for name in ("id", "title", "reference")},
    **{f"coursedate_{name}": f"coursedate.{name}" for name in ("id", "start_at", "end_at")},
    **{f"location_{name}": f"coursedate.location.{name}" for name in ("id", "title", "city", "country")},
    **{name: f"result.{name}" for name in ("passed_note", "is_participated", "is_completed", "is_passed")},
    **{name: f"source.{name}" for name in ("result_updated_at", "updated_at", "deleted_at")},
}


@dataclass(frozen=True)
class Checked:
    """A record that fits: what it says, and whether its fingerprint could be recomputed."""

    document: Document
    place: Place
    recomputed: bool

    @property
    def index_key(self) -> str:
        """Return the key of its index entry."""
        record = self.document
        name = IndexName(record["diploma_id"], record["revision"], record["generation"])
        return name.key(self.place.certificate)

    def index_body(self) -> bytes:
        """Return the bytes that its index entry has."""
        return to_json(index_entry(self.document, self.place))


def check_record(key: str, body: bytes, *, omitted: Iterable[str], proven: bool = False) -> Checked | str:
    """Return what a record says, or one sentence about what is wrong with it.

    Args:
        key: where it lies.
        omitted: the setting `ARCHIVE_OMIT_FIELDS`: only what it names may be left out of a record.
        proven: the run reports have the hash of just these bytes.
    """
    try:
        document = from_json(body, "a record")
    except StoreError:
        return "it is no JSON object"
    if set(document) != FIELDS:
        return f"it has not the fields of a record: {_named(set(document) ^ FIELDS)}"
    if document["format"] != FORMAT:
        return "it is of a format that this program does not know"
    try:
        problem = _misfit(key, document)
        place = Place(*key.split("/")[1:3])
        if problem is None and not proven:
            problem = _spelling(document, body) or _fingerprint_problem(document, frozenset(omitted))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return "one of its fields has a value that no record has"
    return problem or Checked(document, place, not _absent(document))


def _misfit(key: str, record: Document) -> str | None:
    numbers = (record["diploma_id"], record["generation"])
    if any(type(number) is not int or number < 1 for number in numbers):
        return "its ids are no whole numbers"
    places = places_of(record["serial"], record["certificate_number"], record["diploma_id"])
    place = next((one for one in places if one.record_key(record["revision"], record["generation"]) == key), None)
    if place is None:
        return "serial, certificate number, revision and generation in it do not fit its key"
    if _SOURCE_FIELDS - set(record["source"]):
        return "it does not say all that it must of its source"
    if not _UTC.fullmatch(record["archived_at"]) or not isinstance(record["run_id"], str):
        return "it does not say when and by which run it was archived"
    listed = Diploma.model_construct(id=record["diploma_id"], deleted_at=record["source"]["deleted_at"])
    statuses = {"withdrawn" if listed.is_withdrawn else "issued"}
    if listed.was_once_taken_for_withdrawn:
        statuses.add("withdrawn")
    if record["status"] not in statuses:
        return "its status does not fit its date of deletion"
    return _file_problem(record["file"], place, withdrawn=record["status"] == "withdrawn")


def _file_problem(file: Document | None, place: Place, *, withdrawn: bool) -> str | None:
    if file is None or withdrawn:
        return None if withdrawn and file is None else "its status does not fit the file that it names"
    if set(file) not in (_FILE_FIELDS, _FILE_FIELDS | _LATER_FILE_FIELDS) or type(file["size"]) is not int:
        return "it does not say all that it must of its file"
    if "names" in file and not (file["names"] in set(Names) and set(Oddity).issuperset(file["oddities"])):
        return "what it says is odd about its file is not from the list"
    if not re.fullmatch(r"[0-9a-f]{64}", file["sha256"]) or file["key"] != place.pdf_key(file["sha256"]):
        return "key and hash of the file that it names do not fit each other"
    return None


def _spelling(record: Document, body: bytes) -> str | None:
    return None if to_json(record) == body else "it is not written as diploma-archive writes records"


def _fingerprint_problem(record: Document, omitted: frozenset[str]) -> str | None:
    absent = _absent(record)
    if not absent:
        named = record["revision"]
        return None if fingerprint(_evidence(record)) == named else "what it says does not give its own fingerprint"
    unexplained = {path for path in absent if not _may_be_absent(path, omitted)}
    if unexplained:
        return (
            f"it lacks {_named(unexplained)}, which ARCHIVE_OMIT_FIELDS does not leave out; if that setting was "
            "another one when it was archived, verify with --chain, or with the setting of then"
        )
    return None


def _absent(record: Document) -> set[str]:
    return {path for path in _PLACES.values() if not _has(record, path)}


def _has(record: Document, path: str) -> bool:
    *groups, name = path.split(".")
    found: object = record
    for group in groups:
        found = found.get(group) if isinstance(found, Mapping) else None
    return isinstance(found, Mapping) and name in found


def _evidence(record: Document) -> Evidence:
    def at(path: str) -> object:
        found: object = record
        for part in path.split("."):
            found = found[part] if isinstance(found, Mapping) else None
        return found

    return {name: at(path) for name, path in _PLACES.items()}  # type: ignore[misc]


def _may_be_absent(path: str, omitted: frozenset[str]) -> bool:
    """Return whether the settings leave a field out, by its own name or that of its group."""
    parts = path.split(".")
    names = {".".join(parts[: length + 1]) for length in range(len(parts))} & OMITTABLE_FIELDS
    if parts[0] == "result":
        names.add(parts[1])
    return bool(names & omitted)


def _named(names: Iterable[str]) -> str:
    """Return the names of fields that the design knows; others are not quoted, since they may be anything."""
    known = sorted(set(names) & (FIELDS | set(_PLACES.values())))
    return ", ".join(known) or "there are unknown ones"
