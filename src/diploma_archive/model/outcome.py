"""What happened to each diploma of a run, and to the run as a whole.

Rule: nothing in here names a person; a run is green only if every diploma is archived.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

MAX_FAILURES_KEPT = 10_000  # in memory and in `--json`; the run report in the bucket has all of them


class Outcome(StrEnum):
    """What happened to one diploma in one run."""

    ARCHIVED = "archived"
    UNCHANGED = "unchanged"
    WITHDRAWN = "withdrawn"
    CONFLICT = "conflict"
    QUARANTINED = "quarantined"
    FAILED = "failed"


UNLISTED = "unlisted"
"""What happened to a listing that could not be had: it has no diploma, so it has no outcome either."""

SUPPRESSED = "suppressed"
"""What happened to a diploma of somebody who was erased: nothing at all, so it has no outcome and no line either."""

NOT_GREEN = (Outcome.CONFLICT.value, Outcome.QUARANTINED.value, Outcome.FAILED.value, UNLISTED)
TO_TRY_AGAIN = (Outcome.QUARANTINED.value, Outcome.FAILED.value, UNLISTED)


@dataclass(frozen=True)
class Finding:
    """One line of a run report: what happened to one diploma, or to one listing that could not be had."""

    outcome: str
    diploma_id: int | None = None
    participant_id: int | None = None
    certificate: str | None = None
    revision: str | None = None
    record: str | None = None
    record_sha256: str | None = None
    sha256: str | None = None
    error: str | None = None
    same_as: dict[str, Any] | None = None
    conflict: list[int] | None = None

    def to_fields(self) -> dict[str, Any]:
        """Return the finding as plain values, without what does not apply."""
        return {name: value for name, value in self.__dict__.items() if value is not None}

    def to_line(self) -> bytes:
        """Return the finding as one line of JSON, without what does not apply."""
        return json.dumps(self.to_fields(), ensure_ascii=True, separators=(",", ":")).encode("ascii")


class Observer(Protocol):
    """Is told what a run does; the program's core never prints."""

    def begun(self, total: int | None) -> None:
        """The run begins; `total` is how many listings it will make. Said again once that is known."""

    def found(self, finding: Finding) -> None:
        """One diploma is done."""

    def listed(self, listings: int) -> None:
        """So many more listings are done."""


class SilentObserver:
    """Looks on and says nothing."""

    def begun(self, total: int | None) -> None:
        """Say nothing."""

    def found(self, finding: Finding) -> None:
        """Say nothing."""

    def listed(self, listings: int) -> None:
        """Say nothing."""


@dataclass
class Tally:
    """The counts of a run so far; its failures up to a limit, so that memory stays flat."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    to_try_again: set[int] = field(default_factory=set)
    persons_to_try_again: set[int] = field(default_factory=set)
    without_diploma: int = 0  # participants that somebody chose, and that have none or do not exist

    def add(self, finding: Finding) -> None:
        """Count one finding."""
        self.counts[finding.outcome] += 1
        if finding.outcome in NOT_GREEN and len(self.failures) < MAX_FAILURES_KEPT:
            self.failures.append(
                {
                    "diploma_id": finding.diploma_id,
                    "participant_id": finding.participant_id,
                    "error": finding.error or finding.outcome,
                }
            )

    @property
    def listed(self) -> int:
        """Return how many diplomas were listed: the six outcomes together."""
        return sum(self.counts[outcome.value] for outcome in Outcome)

    @property
    def is_green(self) -> bool:
        """Return whether everything that was listed is archived."""
        return not any(self.counts[name] for name in NOT_GREEN)

    def as_counts(self) -> dict[str, int]:
        """Return listed, the six outcomes and unlisted, in the order of DESIGN.md section 11; suppressed if any."""
        names = [outcome.value for outcome in Outcome]
        counts = {"listed": self.listed, **{name: self.counts[name] for name in names}}
        counts[UNLISTED] = self.counts[UNLISTED]
        return counts | ({SUPPRESSED: self.counts[SUPPRESSED]} if self.counts[SUPPRESSED] else {})

    def sentence(self) -> str:
        """Return the counts as a person reads them: `40 archived, 0 unchanged, 0 failed`, then what else there is."""
        always = (Outcome.ARCHIVED, Outcome.UNCHANGED, Outcome.FAILED)
        parts = [f"{self.counts[outcome.value]} {outcome.value}" for outcome in always]
        others = (Outcome.WITHDRAWN.value, Outcome.CONFLICT.value, Outcome.QUARANTINED.value, UNLISTED, SUPPRESSED)
        parts += [f"{self.counts[name]} {name}" for name in others if self.counts[name]]
        if self.without_diploma:
            parts.append(f"{self.without_diploma} chosen without a diploma")
        return ", ".join(parts)
