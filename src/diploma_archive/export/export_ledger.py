"""What an export has done so far, in a SQLite database beside what it writes.

Rule: memory stays flat, and a name is noted before a file can have it; so an export that was stopped goes on, and no
file of its own is ever unknown to it. The database is gone when the export is done.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diploma_archive.export.export_folder import Written
from diploma_archive.store.objects import Listed

_SCHEMA = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS object (key TEXT PRIMARY KEY, file TEXT NOT NULL, folded TEXT NOT NULL UNIQUE,
    sha256 TEXT, size INTEGER, etag TEXT, modified TEXT, seen INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS problem (key TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (key, reason));
CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, diploma_id INTEGER, archived_at TEXT, cells TEXT, file TEXT);
CREATE INDEX IF NOT EXISTS record_of_diploma ON record (diploma_id);
UPDATE object SET seen = 0;
DELETE FROM problem;
DELETE FROM record;
"""
ROWS_AT_ONCE = 1000
_COPIED = "seen = 1 AND sha256 IS NOT NULL"


@dataclass(frozen=True)
class Copy:
    """An object of the archive that lies in the export; `modified` is ISO 8601, or None where nobody asked."""

    key: str
    file: str
    sha256: str
    size: int
    etag: str | None
    modified: str | None


class ExportLedger:
    """The ledger of one export; safe to use from several threads. Every method may raise sqlite3.OperationalError."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, timeout=1, check_same_thread=False, isolation_level=None)
        try:
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError:
            self._db.close()
            raise

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    def reserve(self, key: str, names: Iterable[str]) -> str:
        """Return the file of an object: the one it has already, else the first of `names` that is free.

        Two names that differ in case alone are one, since they are on Windows and macOS.
        """
        with self._lock:
            row = self._db.execute("SELECT file FROM object WHERE key = ?", (key,)).fetchone()
            if row:
                return str(row[0])
            for name in names:
                try:
                    self._db.execute(
                        "INSERT INTO object (key, file, folded) VALUES (?, ?, ?)", (key, name, name.casefold())
                    )
                except sqlite3.IntegrityError:
                    continue
                return name
        raise AssertionError("the last of the names is free")

    def known(self, key: str) -> Copy | None:
        """Return the copy of an object that this or an earlier call made, as it was noted."""
        return next(iter(list(self._copies("WHERE key = ? AND sha256 IS NOT NULL", key))), None)

    def note_copy(self, copy: Copy) -> None:
        """Note that an object lies in the export."""
        with self._lock:
            self._db.execute(
                "INSERT OR REPLACE INTO object (key, file, folded, sha256, size, etag, modified, seen)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
                (copy.key, copy.file, copy.file.casefold(), copy.sha256, copy.size, copy.etag, copy.modified),
            )

    def take_over(self, copies: Iterable[Copy]) -> None:
        """Take over what a finished export holds."""
        with self._lock:
            self._db.executemany(
                "INSERT OR IGNORE INTO object (key, file, folded, sha256, size, etag, modified)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (one.key, one.file, one.file.casefold(), one.sha256, one.size, one.etag, one.modified)
                    for one in copies
                ),
            )

    def is_copied(self, key: str) -> bool:
        """Return whether this call has copied an object, or found it to be there."""
        with self._lock:
            return self._db.execute(f"SELECT 1 FROM object WHERE key = ? AND {_COPIED}", (key,)).fetchone() is not None  # noqa: S608

    def note_problem(self, key: str, reason: str) -> None:
        """Note that an object is not in the export, and why."""
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO problem (key, reason) VALUES (?, ?)", (key, reason))

    def has_problem(self, key: str) -> bool:
        """Return whether something was noted about an object."""
        with self._lock:
            return self._db.execute("SELECT 1 FROM problem WHERE key = ?", (key,)).fetchone() is not None

    def problems(self, at_most: int = -1) -> Iterator[tuple[str, str]]:
        """Yield key and reason of what is not in the export, by key."""
        yield from self._rows("SELECT key, reason FROM problem ORDER BY key, reason LIMIT ?", at_most)

    def note_record(
        self, key: str, diploma_id: int, archived_at: str, cells: list[Any] | None, file: str | None
    ) -> None:
        """Note a record that was read, and its row of the overview where it was chosen.

        Args:
            cells: the row, or None where the record only tells which of its diploma's is current.
            file: the key of its PDF.
        """
        with self._lock:
            self._db.execute(
                "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?)",
                (key, diploma_id, archived_at, None if cells is None else json.dumps(cells), file),
            )

    def overview(self) -> Iterator[tuple[list[Any], bool, str, str | None]]:
        """Yield the chosen records that lie in the export, by diploma and time.

        As row, whether it is the current one, its file, and the file of its PDF (None where the export has none).
        """
        rows = self._rows(
            "SELECT record.cells,"
            " record.archived_at = (SELECT MAX(archived_at) FROM record AS other"
            " WHERE other.diploma_id = record.diploma_id),"
            " copy.file, pdf.file FROM record"
            " JOIN object AS copy ON copy.key = record.key AND copy.seen = 1 AND copy.sha256 IS NOT NULL"
            " LEFT JOIN object AS pdf ON pdf.key = record.file AND pdf.seen = 1 AND pdf.sha256 IS NOT NULL"
            " WHERE record.cells IS NOT NULL ORDER BY record.diploma_id, record.archived_at"
        )
        for cells, current, file, pdf in rows:
            yield json.loads(cells), bool(current), file, pdf

    def count(self, question: str) -> int:
        """Return a count: `diplomas`, `records`, `objects`, `bytes` or `problems`."""
        questions = {
            "diplomas": "SELECT COUNT(DISTINCT diploma_id) FROM record WHERE cells IS NOT NULL",
            "records": "SELECT COUNT(*) FROM record WHERE cells IS NOT NULL",
            "objects": f"SELECT COUNT(*) FROM object WHERE {_COPIED}",  # noqa: S608
            "bytes": f"SELECT COALESCE(SUM(size), 0) FROM object WHERE {_COPIED}",  # noqa: S608
            "problems": "SELECT COUNT(*) FROM problem",
        }
        with self._lock:
            return int(self._db.execute(questions[question]).fetchone()[0])

    def copies(self) -> Iterator[Copy]:
        """Yield what lies in the export, by key."""
        return self._copies(f"WHERE {_COPIED} ORDER BY key")

    def files(self) -> Iterator[tuple[str, Written]]:
        """Yield the files of the objects, by name."""
        rows = self._rows(f"SELECT file, sha256, size FROM object WHERE {_COPIED} ORDER BY file")  # noqa: S608
        return ((file, Written(sha256, size)) for file, sha256, size in rows)

    def leftovers(self) -> Iterator[str]:
        """Yield the files that an earlier call wrote and that do not belong to the export any more."""
        return (file for (file,) in self._rows(f"SELECT file FROM object WHERE NOT ({_COPIED})"))  # noqa: S608

    def _copies(self, condition: str, *values: Any) -> Iterator[Copy]:
        rows = self._rows(f"SELECT key, file, sha256, size, etag, modified FROM object {condition}", *values)  # noqa: S608
        return (Copy(*row) for row in rows)

    def _rows(self, statement: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        with closing(self._db.cursor()) as cursor:
            with self._lock:
                rows = cursor.execute(statement, values).fetchmany(ROWS_AT_ONCE)
            while rows:
                yield from rows
                with self._lock:
                    rows = cursor.fetchmany(ROWS_AT_ONCE)


def modified_text(listed: Listed) -> str:
    """Return when S3 stored an object, as the ledger keeps it."""
    return listed.modified.isoformat()
