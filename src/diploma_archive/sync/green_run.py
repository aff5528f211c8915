"""What a run has found so far: counted, told to whoever looks on, and kept for the report.

Rule: a run is green only if every diploma is archived (`Tally.is_green`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from diploma_archive.listing.unit_of_work import Unit
from diploma_archive.model.outcome import SUPPRESSED, UNLISTED, Finding, Observer, Outcome
from diploma_archive.sync.outcome_spool import Spool

MAX_FAILURES_KEPT = 10_000  # in memory and in `--json`; the run report in the bucket has all of them

NOT_GREEN = (Outcome.CONFLICT.value, Outcome.QUARANTINED.value, Outcome.FAILED.value, UNLISTED)
TO_TRY_AGAIN = (Outcome.QUARANTINED.value, Outcome.FAILED.value, UNLISTED)


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


@dataclass
class RunOutcomes:
    """The findings of one run."""

    observer: Observer
    tally: Tally = field(default_factory=Tally)
    spool: Spool = field(default_factory=Spool)

    def keep(self, finding: Finding, unit: Unit) -> None:
        """Keep what happened to a diploma of a unit, and whom the next run must try again."""
        self.tally.add(finding)
        if finding.outcome != SUPPRESSED:  # who was erased must not be written of again
            self.spool.add(finding)
        if finding.outcome in TO_TRY_AGAIN:
            again = {finding.participant_id} - {None}
            if not again & set(unit.participants):
                again |= set(unit.participants)  # the source may name another participant than it was asked for
            self.tally.to_try_again.update(participant for participant in again if participant is not None)
            if not again and unit.user_id:
                self.tally.persons_to_try_again.add(unit.user_id)
        self.observer.found(finding)

    def take_over(self, finding: Finding) -> None:
        """Keep what happened in the run that this one goes on with; whoever looks on has seen it there."""
        self.tally.add(finding)
        self.spool.add(finding)
