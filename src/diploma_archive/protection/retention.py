"""What is older than its period, read from the records (docs/data-protection.md).

Rule: it deletes nothing. What counts for a diploma is its current record, the one archived last.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from diploma_archive.archive.certificate_folders import folders
from diploma_archive.errors import StoreError
from diploma_archive.model.json_document import Document, from_json
from diploma_archive.protection.retention_periods import Periods, Since, since_when
from diploma_archive.store.parallel import in_parallel
from diploma_archive.store.reader import Reader


@dataclass(frozen=True)
class Dated:
    """One diploma as its current record has it."""

    diploma_id: int
    certificate: str  # as `erase --certificate` takes it
    course_class: str
    archived_at: str
    since: Since | None
    due: date | None  # the day its period is over; None where it has no period or no date

    def is_over(self, today: date) -> bool:
        """Return whether its period is over."""
        return self.due is not None and self.due <= today


@dataclass
class RetentionReport:
    """All diplomas by id, and the records that could not be read."""

    periods: Periods
    today: date
    diplomas: dict[int, Dated] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def over(self) -> list[Dated]:
        """Return the diplomas whose period is over, the oldest first."""
        found = [each for each in self.diplomas.values() if each.is_over(self.today)]
        return sorted(found, key=lambda each: (each.since.day if each.since else self.today, each.diploma_id))

    def shared_certificates(self) -> frozenset[str]:
        """Return the certificates that have a diploma whose period is over and another one whose period is not."""
        over = {each.certificate for each in self.diplomas.values() if each.is_over(self.today)}
        return frozenset(
            each.certificate
            for each in self.diplomas.values()
            if each.certificate in over and not each.is_over(self.today)
        )

    def classes(self) -> list[dict[str, Any]]:
        """Return for each class its period, how many diplomas it has, how many are over, and its oldest date."""
        rows = []
        held = Counter(each.course_class for each in self.diplomas.values())
        years = {each.name: each.years for each in self.periods.classes}
        for name in [*years, *sorted(set(held) - set(years))]:
            of_class = [each for each in self.diplomas.values() if each.course_class == name]
            days = [each.since.day for each in of_class if each.since is not None]
            rows.append(
                {
                    "class": name,
                    "years": years.get(name, self.periods.default_years),
                    "diplomas": len(of_class),
                    "over": sum(each.is_over(self.today) for each in of_class),
                    "oldest": min(days).isoformat() if days else None,
                }
            )
        return rows

    def to_document(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        shared = self.shared_certificates()
        return {
            "today": self.today.isoformat(),
            "diplomas": len(self.diplomas),
            "classes": self.classes(),
            "over": [
                {
                    "certificate": each.certificate,
                    "diploma_id": each.diploma_id,
                    "class": each.course_class,
                    "since": each.since and each.since.day.isoformat(),
                    "since_is": "course" if each.since and each.since.is_course else "archived",
                    "over_since": each.due and each.due.isoformat(),
                    "shares_certificate": each.certificate in shared,
                }
                for each in self.over()
            ],
            "undated": sum(each.since is None for each in self.diplomas.values()),
            "unreadable": self.unreadable,
        }


def report_retention(reader: Reader, periods: Periods, today: date, workers: int) -> RetentionReport:
    """Read every record and return what is older than its period; nothing is deleted.

    Raises:
        StoreError: S3 refused or failed; of single records that cannot be read the report has the keys.
    """
    report = RetentionReport(periods, today)
    refusal: StoreError | None = None

    def read(key: str) -> tuple[str, Dated | StoreError]:
        try:
            stored = reader.get(key)
            return key, _dated(from_json(stored.body if stored else b"", key), key, periods)
        except StoreError as error:
            return key, error

    keys = (key for folder in folders(reader) for key in folder.records)
    for key, said in in_parallel(read, keys, workers):
        if isinstance(said, StoreError):
            report.unreadable.append(key)
            refusal = said
            continue
        known = report.diplomas.get(said.diploma_id)
        if known is None or said.archived_at >= known.archived_at:
            report.diplomas[said.diploma_id] = said
    if refusal is not None and not report.diplomas:
        raise refusal
    return report


def _dated(record: Document, key: str, periods: Periods) -> Dated:
    course, date_of = _object(record.get("course")), _object(record.get("coursedate"))
    diploma_id, number = record.get("diploma_id"), record.get("certificate_number")
    reference, course_id = course.get("reference"), course.get("id")
    if not isinstance(diploma_id, int):
        raise StoreError("a record in the bucket does not say which diploma it is of")
    name, years = periods.of_course(
        reference if isinstance(reference, str) else None, course_id if isinstance(course_id, int) else None
    )
    since = since_when(date_of.get("end_at"), date_of.get("start_at"), record.get("archived_at"))
    segment = key.split("/")[2]
    return Dated(
        diploma_id,
        number if isinstance(number, str) and number.strip() else segment,
        name,
        str(record.get("archived_at")),
        since,
        since.ends(years) if since is not None and years is not None else None,
    )


def _object(value: object) -> Document:
    return value if isinstance(value, dict) else {}
