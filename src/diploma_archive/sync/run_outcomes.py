"""What a run has found so far: counted, told to whoever looks on, and kept for the report."""

from __future__ import annotations

from dataclasses import dataclass, field

from diploma_archive.listing.unit import Unit
from diploma_archive.model.outcome import SUPPRESSED, TO_TRY_AGAIN, Finding, Observer, Tally
from diploma_archive.sync.outcome_spool import Spool


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
