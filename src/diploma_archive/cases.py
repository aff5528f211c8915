"""What the pipeline works on: units of listing, cases of one diploma, and what it remembers of a run.

Rule: plain values and pure questions; nothing here sends or stores anything.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from diploma_archive.archive.keys import Place
from diploma_archive.archive.plan import Plan
from diploma_archive.archive.quarantine import DUPLICATE_REASON, duplicate_reason
from diploma_archive.archive.record import Document
from diploma_archive.errors import OddFileError, SourceError
from diploma_archive.frontcore.source import Listing, Question
from diploma_archive.models import Diploma
from diploma_archive.report import Finding, Outcome

RECENT = 10_000  # files and serials of this run that are remembered, to see mix-ups


@dataclass(frozen=True)
class Unit:
    """What one listing covers: one participant, or one person with several enrolments.

    `expected` has those participants whose diploma must show in the person's listing, or else they are asked for by
    themselves: FrontCore says that they have a certificate, or does not say.
    """

    participants: tuple[int, ...] = ()
    user_id: int | None = None
    expected: tuple[int, ...] = ()

    def question(self) -> Question:
        """Return whose diplomas to ask for."""
        return Question(user_id=self.user_id) if self.user_id else Question(participant_id=self.participants[0])


@dataclass(frozen=True)
class Options:
    """How a run treats what it finds."""

    run_id: str
    force: bool = False
    dry_run: bool = False
    omit_fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One diploma on its way: what is listed, where it belongs, and what is to be done."""

    diploma: Diploma
    listing: Listing
    place: Place
    revision: str
    planned: Plan
    others: tuple[int, ...]  # other diplomas under the same certificate number

    def finding(
        self,
        outcome: Outcome,
        *,
        sha256: str | None = None,
        record_sha256: str | None = None,
        error: str | None = None,
        same_as: dict[str, object] | None = None,
    ) -> Finding:
        """Return the line of the run report for a diploma of which no new record was written."""
        record = self.place.record_key(self.revision, self.planned.known_generation)
        return Finding(
            outcome.value,
            self.diploma.id,
            self.diploma.participant_id,
            self.place.certificate,
            self.revision,
            record=record if outcome in (Outcome.UNCHANGED, Outcome.ARCHIVED) else None,
            sha256=sha256,
            record_sha256=record_sha256,
            error=error,
            same_as=same_as,
        )

    def committed(self, record: Document, record_sha256: str) -> Finding:
        """Return the line of the run report for a diploma whose record is in the bucket now.

        Args:
            record: the record as it is there.
            record_sha256: of its bytes.
        """
        return Finding(
            (Outcome.WITHDRAWN if record["status"] == "withdrawn" else Outcome.ARCHIVED).value,
            self.diploma.id,
            self.diploma.participant_id,
            self.place.certificate,
            self.revision,
            record=self.place.record_key(self.revision, record["generation"]),
            record_sha256=record_sha256,
            sha256=(record["file"] or {}).get("sha256"),
        )


class DuplicateFileError(OddFileError):
    """The bytes are those of another certificate's file: a mixed-up link or a cached error page."""

    def __init__(self, diploma_id: int, certificate: str) -> None:
        super().__init__(
            f"{DUPLICATE_REASON} {diploma_id}",
            fix="One of the two has the other's file: compare them in FrontCore, then run both with force",
        )
        self.same_as = {"diploma_id": diploma_id, "certificate": certificate}
        self._reason = duplicate_reason(diploma_id, certificate)

    @property
    def reason(self) -> str:
        """Return what the quarantine note says: the certificate too, so that a later run can look again."""
        return self._reason


class UnlistedError(SourceError):
    """A listing could not be had; it has no diploma, so it has no outcome."""


class Recent(OrderedDict[str, tuple[str, int]]):
    """The last things seen in this run: what -> (certificate segment, diploma id) that had it first."""

    def first_owner(self, what: str, certificate: str, diploma_id: int) -> tuple[str, int]:
        """Return who had `what` first, which is the asker where nobody had."""
        owner = self.setdefault(what, (certificate, diploma_id))
        self.move_to_end(what)
        if len(self) > RECENT:
            self.popitem(last=False)
        return owner
