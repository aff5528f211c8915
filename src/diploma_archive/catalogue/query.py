"""Searches in the catalogue: what a person asks for, as SQL, and what comes back.

Rule: all that is asked for must hold for one and the same record; every value is bound, none is part of the SQL.
"""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from dataclasses import dataclass
from datetime import date

from diploma_archive.catalogue.hit import Hit

PAGE = 1_000

_CURRENT = """NOT EXISTS (SELECT 1 FROM record x WHERE x.certificate = r.certificate AND x.diploma = r.diploma
    AND (x.archived_at, x.generation, x.key) > (r.archived_at, r.generation, r.key))"""


@dataclass(frozen=True)
class Criteria:
    """What records are asked for; all that is given must hold. `Criteria()` is everything."""

    certificate: str | None = None  # key segment
    serial: str | None = None  # key segment
    diploma_id: int | None = None
    participant_id: int | None = None
    user_id: int | None = None
    course: str | None = None  # an id or a whole reference where it is a number, else a part of title or reference
    first_day: date | None = None  # of the course date's start, in Europe/Oslo; both days are included
    last_day: date | None = None

    def as_sql(self) -> tuple[str, list[object]]:
        """Return the condition for `record r`, and its values."""
        terms, values = ["r.error IS NULL"], list[object]()
        for column, value in (
            ("certificate", self.certificate),
            ("serial", self.serial),
            ("diploma", self.diploma_id),
            ("participant", self.participant_id),
            ("user", self.user_id),
        ):
            if value is not None:
                terms.append(f"r.{column} = ?")
                values.append(value)
        if self.course is not None:
            text = searchable(self.course)
            if text.isascii() and text.isdigit() and len(text) < 19:
                terms.append("r.course IN (SELECT number FROM course WHERE id = ? OR reference = ?)")
                values += [int(text), text]
            else:
                terms.append("r.course IN (SELECT number FROM course WHERE instr(words, ?))")
                values.append(text)
        for comparison, day in ((">=", self.first_day), ("<=", self.last_day)):
            if day is not None:
                terms.append(f"r.course_day {comparison} ?")
                values.append(day.isoformat())
        return " AND ".join(terms), values


@dataclass(frozen=True)
class Match:
    """One record that was asked for; `is_current` by ADR 5, whether or not other records match."""

    record: str  # key
    certificate: str  # key segment
    diploma_id: int
    revision: str
    generation: int
    status: str
    archived_at: str
    is_current: bool


def searchable(*texts: str | None) -> str:
    """Return texts as they are compared: NFC, without case, blanks as one, lone surrogates replaced."""
    joined = " ".join(" ".join(text.split()) for text in texts if text)
    plain = unicodedata.normalize("NFC", unicodedata.normalize("NFC", joined).casefold())
    return plain.encode("utf-8", "replace").decode("utf-8")


def count_hits(database: sqlite3.Connection, criteria: Criteria) -> int:
    """Return how many diplomas have a record that is asked for."""
    where, values = criteria.as_sql()
    query = f"SELECT count(*) FROM (SELECT DISTINCT certificate, diploma FROM record r WHERE {where})"  # noqa: S608
    return int(database.execute(query, values).fetchone()[0])


def find_hits(database: sqlite3.Connection, criteria: Criteria, limit: int) -> list[Hit]:
    """Return the diplomas that have a record asked for, each by its current one, the newest course date first."""
    where, values = criteria.as_sql()
    rows = database.execute(
        # S608: `where` and `_CURRENT` are our own text, the values are bound.
        f"""WITH asked AS (SELECT certificate, diploma, max(archived_at) AS last FROM record r WHERE {where}
                GROUP BY certificate, diploma)
            SELECT r.certificate, r.diploma, r.participant, r.user, r.status, r.archived_at, r.key, r.shown, c.shown,
                r.archived_at = asked.last, (SELECT count(*) FROM record x
                    WHERE x.certificate = r.certificate AND x.diploma = r.diploma)
            FROM asked JOIN record r USING (certificate, diploma) LEFT JOIN course c ON c.number = r.course
            WHERE {_CURRENT} ORDER BY r.course_day DESC, r.certificate, r.diploma LIMIT ?""",  # noqa: S608
        [*values, limit],
    )
    return [_hit(row) for row in rows]


def next_matches(database: sqlite3.Connection, criteria: Criteria, after: Match | None) -> list[Match]:
    """Return the next records that are asked for, by certificate, diploma and time archived; none at the end."""
    where, values = criteria.as_sql()
    last = ("", 0, "", "") if after is None else (after.certificate, after.diploma_id, after.archived_at, after.record)
    rows = database.execute(
        f"""SELECT r.key, r.certificate, r.diploma, r.revision, r.generation, r.status, r.archived_at, {_CURRENT}
            FROM record r WHERE {where} AND (r.certificate, r.diploma, r.archived_at, r.key) > (?, ?, ?, ?)
            ORDER BY r.certificate, r.diploma, r.archived_at, r.key LIMIT ?""",  # noqa: S608
        [*values, *last, PAGE],
    )
    return [
        Match(key, certificate, diploma_id, revision, generation, status, archived_at, bool(is_current))
        for key, certificate, diploma_id, revision, generation, status, archived_at, is_current in rows
    ]


def _hit(row: tuple[object, ...]) -> Hit:
    certificate, diploma, participant, user, status, archived_at, key, shown, course, is_asked_for, revisions = row
    number, serial, course_date = json.loads(str(shown))
    course_id, title, reference = json.loads(str(course))
    return Hit(
        str(certificate),
        int(str(revisions)),
        "record",
        number,
        serial,
        int(str(diploma)),
        None if participant is None else int(str(participant)),
        None if user is None else int(str(user)),
        str(status),
        course_id,
        reference,
        title,
        course_date,
        str(archived_at),
        str(key),
        "current" if is_asked_for else "older",
    )
