"""What a reconciliation found, as JSON, as a sentence and as Markdown for Prefect's UI.

Rule: ids, counts, course titles and reasons only; no name, certificate number, link or key: anyone with the UI reads
it. Prefect's image artifacts take nothing but the address of a picture on a public server, so the plot is bars of text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from diploma_archive.listing.selection import write_ids
from diploma_archive.model.markdown import MAX_ROWS, artifact_key, table_cell
from diploma_archive.model.outcome import SUPPRESSED
from diploma_archive.reconcile.coverage import Count, Coverage, Row, largest, percent_text
from diploma_archive.reconcile.differences import BACKFILL, MEANING, NOTES, TOLERATED, Difference, Found

MAX_KEPT = 10_000  # of each kind, in memory and in `--json`; the counts and the lists for a backfill have all of them
BAR_CHARACTERS = 20
_MAX_COURSES, _MAX_MONTHS = 40, 120


@dataclass
class Reconciled:
    """The findings so far. Everything was looked at, both ways, only where `both_ways` is True."""

    both_ways: bool
    coverage: Coverage = field(default_factory=Coverage)
    counts: Counter[Found] = field(default_factory=Counter)
    kept: dict[Found, list[Difference]] = field(default_factory=lambda: {kind: [] for kind in Found})
    participants: set[int] = field(default_factory=set)
    persons: set[int] = field(default_factory=set)
    listed: int = 0
    suppressed: int = 0  # of those listed: erased from the archive on purpose, so neither issued nor missing here
    listings: int = 0
    requests: int = 0
    seconds: float = 0.0

    def add(self, difference: Difference, participants: Iterable[int] = (), person: int | None = None) -> None:
        """Keep a difference, and whom a backfill must be about.

        Args:
            participants: the enrolments that were asked for, where the diploma itself does not name its own.
            person: who was asked for, likewise.
        """
        self.counts[difference.kind] += 1
        if len(self.kept[difference.kind]) < MAX_KEPT:
            self.kept[difference.kind].append(difference)
        if difference.kind not in BACKFILL:
            return
        if difference.participant_id is not None:
            self.participants.add(difference.participant_id)
        # The source may name another participant than it was asked for, or none.
        if difference.participant_id not in set(participants):
            self.participants.update(participants)
        if difference.participant_id is None and not set(participants) and person:
            self.persons.add(person)

    @property
    def sees_diplomas(self) -> bool:
        """Return whether the source showed any diploma, or did not let us see."""
        return self.listed > 0 or self.counts[Found.UNLISTED] > 0

    @property
    def differs(self) -> bool:
        """Return whether anything was found that is more than a note."""
        return any(count for kind, count in self.counts.items() if kind not in NOTES)

    @property
    def is_green(self) -> bool:
        """Return whether the archive has all that the source shows, and nothing that the source dropped silently."""
        return not any(count for kind, count in self.counts.items() if kind not in TOLERATED)

    def sentence(self) -> str:
        """Return the result as a person reads it: `5 of 6 issued diplomas are archived (83.33 %): 1 missing`."""
        total = self.coverage.total
        share = f"{total.archived} of {total.issued} issued diplomas are archived ({percent_text(total)})"
        found = [f"{self.counts[kind]} {kind.replace('_', ' ')}" for kind in Found if self.counts[kind]]
        found += [f"{self.suppressed} {SUPPRESSED}"] if self.suppressed else []
        rest = f": {', '.join(found)}" if found else ""
        return share + rest + ("" if self.both_ways else "; what only the archive has was not looked for")

    def to_document(self) -> dict[str, Any]:
        """Return everything as `--json` prints it."""
        return {
            **self.coverage.to_document(),
            "both_ways": self.both_ways,
            "counts": {kind.value: self.counts[kind] for kind in Found},
            **{kind.value: [found.to_document() for found in self.sorted(kind)] for kind in Found},
            "listed": self.listed,
            SUPPRESSED: self.suppressed,
            "participants": write_ids(self.participants),
            "persons": write_ids(self.persons),
            "listings": self.listings,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
        }

    def sorted(self, kind: Found) -> list[Difference]:
        """Return the findings of one kind by their ids: units are compared several at once, in any order."""
        return sorted(self.kept[kind], key=lambda found: (found.diploma_id or 0, found.participant_id or 0))

    def to_look_at(self) -> list[Difference]:
        """Return the first findings of each kind, in the order of the kinds."""
        return [found for kind in Found for found in self.sorted(kind)[:MAX_ROWS]]

    def backfill(self) -> list[tuple[str, str]]:
        """Return what to paste into which field of the backfill: (`participants`, `900001-900003, 987654`)."""
        groups = (("participants", self.participants), ("persons", self.persons))
        return [(what, write_ids(ids)) for what, ids in groups if ids]


@dataclass(frozen=True)
class ReconcileSummary:
    """The artifact of one reconciliation."""

    account: str
    title: str
    state: str
    result: Reconciled

    @property
    def key(self) -> str:
        """Return the artifact's key, the same for every reconciliation of an account."""
        return artifact_key("diploma-reconcile", self.account)

    def markdown(self) -> str:
        """Return the summary."""
        result = self.result
        lines = [f"# {self.title}", "", f"**{self.state}**: {result.sentence()}", ""]
        lines += ["| found | | what it means |", "|---|---:|---|"]
        lines += [f"| {_name(kind)} | {result.counts[kind]} | {MEANING[kind]} |" for kind in Found]
        lines += ["", f"{result.requests} requests to FrontCore; nothing was downloaded or written.", ""]
        for what, ids in result.backfill():
            lines += [f"## Archive these ({what})", "", f"Paste into the backfill's field {what}:", ""]
            lines += ["```", ids, "```", ""]
        lines += _bars("month", largest_months(result.coverage))
        lines += _bars("course", largest(result.coverage.by_course(), _MAX_COURSES, "smaller courses"))
        return "\n".join([*lines, *self._to_look_at()])

    def _to_look_at(self) -> list[str]:
        found = self.result.to_look_at()
        if not found:
            return []
        lines = ["## To look at", "", "| found | diploma | participant | course | month | reason |"]
        lines += ["|---|---:|---:|---:|---|---|"]
        for one in found:
            cells = (_name(one.kind), one.diploma_id, one.participant_id, one.course_id, one.month, one.error)
            lines.append("| " + " | ".join(table_cell("" if cell is None else str(cell)) for cell in cells) + " |")
        more = sum(self.result.counts.values()) - len(found)
        if more:
            lines.append(f"\n{more} more; diploma-archive reconcile --json names up to {MAX_KEPT} of each kind.")
        return lines


def largest_months(coverage: Coverage) -> list[Row]:
    """Return the newest months, and one row for the older ones where they are too many."""
    newest_first = largest(coverage.by_month()[::-1], _MAX_MONTHS, "older months")
    return newest_first[::-1]


def _bars(what: str, rows: list[Row]) -> list[str]:
    lines = [f"## Coverage by {what}", "", f"| {what} | archived | of issued | | |", "|---|---:|---:|---:|---|"]
    for row in rows:
        count = row.count
        figures = f"{count.archived} | {count.issued} | {percent_text(count)} | `{_bar(count)}`"
        lines.append(f"| {table_cell(row.name)} | {figures} |")
    return [*lines, ""]


def _bar(count: Count) -> str:
    # Rounded down, as the percentage: a full bar means all of it.
    full = BAR_CHARACTERS * count.archived // count.issued if count.issued else 0
    return "█" * full + "░" * (BAR_CHARACTERS - full)


def _name(kind: Found) -> str:
    return kind.replace("_", " ")
