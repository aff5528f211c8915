"""Brings a catalogue up to date with the bucket: one LIST, and a GET for each record that is new or changed.

Rule: memory stays flat, and another process may search or update the same catalogue meanwhile.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from diploma_archive.archive.certificate_folders import folders
from diploma_archive.archive.open_archive import read_identity
from diploma_archive.archive.records import get_record
from diploma_archive.catalogue.query import searchable
from diploma_archive.errors import Kind, ObjectMissingError, StoreError
from diploma_archive.model.json_document import utc_text
from diploma_archive.model.parsed_record import RecordContent
from diploma_archive.model.source_time import to_source_time
from diploma_archive.store.objects import Listed
from diploma_archive.store.parallel import in_parallel
from diploma_archive.store.reader import Reader

ROWS_A_TRANSACTION = 500  # another process waits for the file no longer than these take
_UNREAD_ETAG = "unread"  # of a record that could not be read: the next update tries again

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Updated:
    """What an update did, in records."""

    listed: int
    read: int
    dropped: int
    seconds: float


@dataclass(frozen=True)
class _Read:
    row: Listed
    facts: RecordContent | None
    error: StoreError | None = None


class Update:
    """One update of a catalogue.

    A rebuild is an update that reads every record again: whoever searches meanwhile finds what was there before.
    """

    def __init__(self, database: sqlite3.Connection, reader: Reader, *, rebuild: bool = False) -> None:
        self._database = database
        self._reader = reader
        self._rebuild = rebuild

    def run(self, workers: int, progress: Progress) -> Updated:
        """Carry it out; see `Catalogue.update`."""
        clock, started_at = time.monotonic(), utc_text(datetime.now(UTC))
        listed, total = self._list()
        done = 0
        results = in_parallel(self._read, self._to_do(), workers)
        while batch := list(islice(results, ROWS_A_TRANSACTION)):
            with transaction(self._database):
                for result in batch:
                    self.keep(result.row, result.facts, result.error)
            done += len(batch)
            progress(done, total)
        with transaction(self._database):
            # What another process has read since we began may have been archived after our LIST.
            dropped = self._database.execute(
                "DELETE FROM record WHERE NOT read_at BETWEEN ? AND ? AND key NOT IN (SELECT key FROM temp.listed)",
                (started_at, utc_text(datetime.now(UTC))),
            ).rowcount
            self._database.execute(
                "DELETE FROM course WHERE number NOT IN (SELECT course FROM record WHERE course IS NOT NULL)"
            )
            self._database.execute("INSERT OR REPLACE INTO about VALUES ('updated', ?)", (started_at,))
        return Updated(listed, done, dropped, time.monotonic() - clock)

    def _list(self) -> tuple[int, int]:
        """Note the records in the bucket, and which of them are to be read; return the numbers of both."""
        for table in ("listed", "to_do"):
            self._database.execute(f"DROP TABLE IF EXISTS temp.{table}")
        self._database.execute(
            "CREATE TEMP TABLE listed (key TEXT PRIMARY KEY, etag, size, modified, storage_class) WITHOUT ROWID"
        )
        rows = (row for folder in folders(self._reader) for row in folder.records.values())
        self._database.executemany(
            "INSERT OR REPLACE INTO temp.listed VALUES (?, ?, ?, ?, ?)",
            ((row.key, row.etag, row.size, utc_text(row.modified), row.storage_class) for row in rows),
        )
        self._database.execute(
            """CREATE TEMP TABLE to_do AS SELECT l.* FROM temp.listed l LEFT JOIN main.record r USING (key)
            WHERE ? OR r.key IS NULL OR (r.etag, r.size, r.modified) IS NOT (l.etag, l.size, l.modified)""",
            (self._rebuild,),
        )
        (listed,) = self._database.execute("SELECT count(*) FROM temp.listed").fetchone()
        (total,) = self._database.execute("SELECT count(*) FROM temp.to_do").fetchone()
        return listed, total

    def _to_do(self) -> Iterator[Listed]:
        last = 0
        while True:
            rows = self._database.execute(
                "SELECT rowid, key, size, etag, modified, storage_class FROM temp.to_do WHERE rowid > ? "
                "ORDER BY rowid LIMIT ?",
                (last, ROWS_A_TRANSACTION),
            ).fetchall()
            if not rows:
                return
            for _, key, size, etag, modified, storage_class in rows:
                yield Listed(key, size, etag, datetime.fromisoformat(modified), storage_class)
            last = rows[-1][0]

    def _read(self, row: Listed) -> _Read:
        try:
            return _Read(row, get_record(self._reader, row.key)[0])
        except StoreError as error:
            if error.kind is not Kind.ITEM:
                # One object that S3 refuses stops nothing; credentials that expired meanwhile do.
                read_identity(self._reader)
            return _Read(row, None, error)

    def keep(self, row: Listed, facts: RecordContent | None, error: StoreError | None = None) -> None:
        """Note what a record says, or why it could not be read; within a transaction of the caller's."""
        if isinstance(error, ObjectMissingError):
            self._database.execute("DELETE FROM record WHERE key = ?", (row.key,))
            return
        values: dict[str, object] = {"key": row.key, "size": row.size, "modified": utc_text(row.modified)}
        values["read_at"] = utc_text(datetime.now(UTC))
        if facts is not None:
            values |= {"etag": row.etag, **_columns(facts, self._course(facts))}
        elif error is not None:
            values |= {"etag": _UNREAD_ETAG, "error": error.diagnostics()}
        names, places = ", ".join(values), ", ".join(f":{name}" for name in values)
        # A row is replaced as a whole: nothing of an earlier state stays.
        self._database.execute(f"INSERT OR REPLACE INTO record ({names}) VALUES ({places})", values)  # noqa: S608

    def _course(self, facts: RecordContent) -> int:
        # JSON, since a lone surrogate, which a record may hold, is no text for SQLite.
        shown = json.dumps([facts.course_id, facts.course_title, facts.course_reference])
        self._database.execute(
            "INSERT OR IGNORE INTO course (shown, id, reference, words) VALUES (?, ?, ?, ?)",
            (
                shown,
                facts.course_id,
                searchable(facts.course_reference),
                searchable(facts.course_title, facts.course_reference),
            ),
        )
        return int(self._database.execute("SELECT number FROM course WHERE shown = ?", (shown,)).fetchone()[0])


@contextmanager
def transaction(database: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Do what is inside as one; `DEFERRED` for reading."""
    database.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _columns(facts: RecordContent, course: int) -> dict[str, object]:
    day = to_source_time(facts.course_date)
    return {
        "certificate": facts.place.certificate,
        "serial": facts.place.serial,
        "diploma": facts.diploma_id,
        "participant": facts.participant_id,
        "user": facts.user_id,
        "course": course,
        "course_day": None if day is None else day.date().isoformat(),
        "revision": facts.revision,
        "generation": facts.generation,
        "status": facts.status,
        "archived_at": facts.archived_at,
        "shown": json.dumps([facts.certificate_number, facts.serial, facts.course_date]),
    }
