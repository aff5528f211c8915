"""What the archive holds of each diploma, from LIST alone: of one place, or of everything at once.

Rule: memory stays flat however large the archive is: what was listed lies in a temporary SQLite database on disk,
which nobody else can open and which is gone when it is closed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

from diploma_archive.archive.certificate_folders import Folder, folders
from diploma_archive.archive.index_entries import get_entry
from diploma_archive.errors import ObjectMissingError, StoreError
from diploma_archive.model.coercion import MAX_ID
from diploma_archive.model.json_document import Document, from_json
from diploma_archive.model.keys import CERTIFICATES, DIPLOMAS, IndexName, Place, index_prefix, read_index_name
from diploma_archive.model.record import current_entry
from diploma_archive.store.objects import Listed
from diploma_archive.store.reader import Reader

_FILE = "pdf"  # stands for any PDF of a place: which one belongs to a record is for `verify` to say
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE entry (certificate TEXT, diploma_id INTEGER, revision TEXT, generation INTEGER,
    PRIMARY KEY (certificate, diploma_id, revision, generation)) WITHOUT ROWID;
CREATE INDEX entry_of_diploma ON entry (diploma_id);
CREATE TABLE object (certificate TEXT, serial TEXT, name TEXT, PRIMARY KEY (certificate, serial, name)) WITHOUT ROWID;
CREATE TABLE listed (diploma_id INTEGER PRIMARY KEY);
CREATE TABLE participant (id INTEGER PRIMARY KEY);
"""


@dataclass(frozen=True)
class Held:
    """What lies under one place: index names of its certificate, keys of its records, and whether it has a PDF."""

    names: tuple[IndexName, ...] = ()
    records: frozenset[str] = frozenset()
    has_file: bool = False


def look(reader: Reader, place: Place) -> Held:
    """Return what the archive holds under a place now, by two LISTs.

    Raises:
        StoreError: S3 refused or failed.
    """
    names = tuple(name for _, name in _index_names(reader.list(index_prefix(place.certificate))))
    below = f"{DIPLOMAS}{place.serial}/{place.certificate}/"
    found = [folder for folder in folders(reader, below) if folder.place == place]
    records = frozenset(key for folder in found for key in folder.records)
    return Held(names, records, any(folder.files for folder in found))


def read_entries(reader: Reader, certificate: str, names: Iterable[IndexName]) -> list[Document]:
    """Return the index entries of these names, without those that are gone by now.

    Raises:
        StoreError: S3 refused or failed, or an entry is damaged.
    """
    entries = []
    for name in names:
        with suppress(ObjectMissingError):
            entries.append(get_entry(reader, certificate, name.key(certificate)))
    return entries


class Holdings:
    """Everything that the archive held when it was listed, and what of it the source has shown since then."""

    def __init__(self) -> None:
        # Filled in a thread of its own and read in another, never by two at once.
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of the database; its file goes with it."""
        self._db.close()

    def fill(self, reader: Reader) -> None:
        """List the index and the diplomas, 1,000 objects a request.

        Raises:
            StoreError: S3 refused or failed.
        """
        self._db.executemany(
            "INSERT OR IGNORE INTO entry VALUES (?, ?, ?, ?)",
            (
                (certificate, name.diploma_id, name.revision, name.generation)
                for certificate, name in _index_names(reader.list(CERTIFICATES))
            ),
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO object VALUES (?, ?, ?)",
            (
                (folder.place.certificate, folder.place.serial, name)
                for folder in folders(reader, DIPLOMAS)
                for name in _object_names(folder)
            ),
        )

    @property
    def is_empty(self) -> bool:
        """Return whether no diploma was ever archived."""
        return self._db.execute("SELECT 1 FROM entry LIMIT 1").fetchone() is None

    def held(self, place: Place) -> Held:
        """Return what lay under a place."""
        entries = self._db.execute(
            "SELECT diploma_id, revision, generation FROM entry WHERE certificate = ?", (place.certificate,)
        )
        objects = self._db.execute(
            "SELECT name FROM object WHERE certificate = ? AND serial = ?", (place.certificate, place.serial)
        )
        names = {name for (name,) in objects}
        return Held(tuple(IndexName(*row) for row in entries), frozenset(names - {_FILE}), _FILE in names)

    def knows(self, diploma_id: int) -> bool:
        """Return whether anything of this diploma was there, under whatever certificate number."""
        return self._db.execute("SELECT 1 FROM entry WHERE diploma_id = ?", (diploma_id,)).fetchone() is not None

    def note_listed(self, diploma_id: int) -> bool:
        """Note that the source lists a diploma; return whether that is new."""
        return self._db.execute("INSERT OR IGNORE INTO listed VALUES (?)", (diploma_id,)).rowcount > 0

    def note_participant(self, participant_id: int) -> None:
        """Note that the source lists a participant."""
        self._db.execute("INSERT OR IGNORE INTO participant VALUES (?)", (participant_id,))

    def lists_participant(self, participant_id: int) -> bool:
        """Return whether the source lists this participant."""
        return self._db.execute("SELECT 1 FROM participant WHERE id = ?", (participant_id,)).fetchone() is not None

    def not_listed(self) -> Iterator[tuple[int, list[tuple[str, IndexName]]]]:
        """Yield each diploma that the source did not show: its id, and its index names with their certificate."""
        rows = self._db.execute(
            "SELECT diploma_id, certificate, revision, generation FROM entry"
            " WHERE diploma_id NOT IN (SELECT diploma_id FROM listed) ORDER BY diploma_id"
        )
        for diploma_id, group in groupby(rows, key=lambda row: int(row[0])):
            yield diploma_id, [(row[1], IndexName(diploma_id, row[2], row[3])) for row in group]


@dataclass(frozen=True)
class Current:
    """What the current record of a diploma says of it; None where it does not say."""

    status: str
    participant_id: int | None = None
    course_id: int | None = None
    course_title: str | None = None
    starts_at: str | None = None


def read_current(reader: Reader, names: Iterable[tuple[str, IndexName]]) -> Current | None:
    """Return what the current record of a diploma says, or None where it has no entry any more.

    Raises:
        StoreError: S3 refused or failed, or what it holds is damaged.
    """
    entries = [entry for certificate, name in names for entry in read_entries(reader, certificate, [name])]
    newest = current_entry(entries)
    if newest is None:
        return None
    if newest["status"] == "withdrawn":
        return Current("withdrawn")
    stored = reader.get(newest["record"])
    if stored is None:
        raise StoreError("the record that the index names is not there", fix="Run diploma-archive verify")
    record = from_json(stored.body, "a record")
    course, date = _object(record.get("course")), _object(record.get("coursedate"))
    title, starts_at = course.get("title"), date.get("start_at")
    return Current(
        newest["status"],
        _id(record.get("participant_id")),
        _id(course.get("id")),
        title if isinstance(title, str) else None,
        starts_at if isinstance(starts_at, str) else None,
    )


def _index_names(rows: Iterable[Listed]) -> Iterator[tuple[str, IndexName]]:
    """Yield certificate segment and name of the index entries among LIST rows; strangers are left to `verify`."""
    for row in rows:
        parts = row.key.split("/")
        name = read_index_name(row.key) if len(parts) == 3 and row.key.isascii() else None
        if name is not None and name.diploma_id <= MAX_ID:
            yield parts[1], name


def _object_names(folder: Folder) -> Iterator[str]:
    if f"{folder.place.serial}{folder.place.certificate}".isascii():
        yield from folder.records
        if folder.files:
            yield _FILE


def _object(value: object) -> Document:
    return value if isinstance(value, dict) else {}


def _id(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_ID else None
