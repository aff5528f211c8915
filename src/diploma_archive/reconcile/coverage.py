"""How much of what was issued is archived: over all, by course and by month of the course date. Pure counting.

Rule: archived means that the revision which the source shows now is in the archive; a percentage is rounded down, so
that only a whole archive reads 100. Course titles and ids are shown, persons never.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from diploma_archive.model.source_time import to_source_time

NO_MONTH = "no date"
MAX_TITLE = 60


@dataclass
class Count:
    """Issued at the source, and archived of these."""

    issued: int = 0
    archived: int = 0

    @property
    def percent(self) -> float | None:
        """Return archived of issued in percent, with two places, rounded down; None where nothing was issued."""
        return self.archived * 10_000 // self.issued / 100 if self.issued else None

    def add(self, *, archived: bool) -> None:
        """Count one diploma."""
        self.issued += 1
        self.archived += archived


@dataclass(frozen=True)
class Row:
    """One line of a coverage table."""

    name: str
    count: Count


@dataclass
class Coverage:
    """The counts so far."""

    total: Count = field(default_factory=Count)
    _courses: dict[int | None, Count] = field(default_factory=dict)
    _titles: dict[int | None, str] = field(default_factory=dict)
    _months: dict[str, Count] = field(default_factory=dict)

    def add(self, course_id: int | None, title: str | None, month: str, *, archived: bool) -> None:
        """Count one diploma that is issued at the source.

        Args:
            month: `2026-03`, or `NO_MONTH`.
        """
        for count in (
            self.total,
            self._courses.setdefault(course_id, Count()),
            self._months.setdefault(month, Count()),
        ):
            count.add(archived=archived)
        if title:
            self._titles[course_id] = plain(title)

    def by_course(self) -> list[Row]:
        """Return a row for each course, the largest first."""
        rows = [Row(self._course_name(course_id), count) for course_id, count in self._courses.items()]
        return sorted(rows, key=lambda row: (-row.count.issued, row.name))

    def by_month(self) -> list[Row]:
        """Return a row for each month in which a diploma's course began, in their order; those without a date last."""
        months = sorted(self._months.items(), key=lambda item: (item[0] == NO_MONTH, item[0]))
        return [Row(month, count) for month, count in months]

    def to_document(self) -> dict[str, Any]:
        """Return the figures as JSON has them."""
        return {
            "issued": self.total.issued,
            "archived": self.total.archived,
            "coverage": self.total.percent,
            "by_course": [_document("course", row) for row in self.by_course()],
            "by_month": [_document("month", row) for row in self.by_month()],
        }

    def _course_name(self, course_id: int | None) -> str:
        title = self._titles.get(course_id, "")
        if course_id is None:
            return title or "no course"
        return f"{title} ({course_id})" if title else f"course {course_id}"


def month_of(starts_at: str | None) -> str:
    """Return the month in which a course date begins, `2026-03`, or `NO_MONTH` where it does not say."""
    moment = to_source_time(starts_at)
    return NO_MONTH if moment is None else moment.isoformat()[:7]


def percent_text(count: Count) -> str:
    """Return `83.33 %`, or a dash where nothing was issued."""
    return "-" if count.percent is None else f"{count.percent:g} %"


def largest(rows: list[Row], at_most: int, others: str) -> list[Row]:
    """Return the first rows, and one row named `others` for the rest where they are more than `at_most`."""
    if len(rows) <= at_most:
        return rows
    rest = [row.count for row in rows[at_most - 1 :]]
    together = Count(sum(count.issued for count in rest), sum(count.archived for count in rest))
    return [*rows[: at_most - 1], Row(f"{len(rest)} {others}", together)]


def by_year(rows: Iterable[Row]) -> list[Row]:
    """Return the rows of months added up by year."""
    years: dict[str, Count] = {}
    for row in rows:
        year = years.setdefault(row.name if row.name == NO_MONTH else row.name[:4], Count())
        year.issued += row.count.issued
        year.archived += row.count.archived
    return [Row(name, count) for name, count in years.items()]


def plain(text: str) -> str:
    """Return a title from the source as one short line that can be shown anywhere."""
    shown = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return shown if len(shown) <= MAX_TITLE else f"{shown[: MAX_TITLE - 3]}..."


def _document(name: str, row: Row) -> dict[str, Any]:
    return {
        name: row.name,
        "issued": row.count.issued,
        "archived": row.count.archived,
        "coverage": row.count.percent,
    }
