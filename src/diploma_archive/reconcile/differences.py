"""How one diploma at the source and in the archive differ, decided from what both say of it: pure.

Rule: what the pipeline would write again is a difference, and only that is; so a backfill of the participants that a
reconciliation names makes the two agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from diploma_archive.model.json_document import Document
from diploma_archive.model.keys import IndexName, Place
from diploma_archive.model.record import Status, current_entry
from diploma_archive.model.revision import revision_of
from diploma_archive.model.source_items import Diploma
from diploma_archive.model.write_decision import History, plan
from diploma_archive.reconcile.archived_state import Held


class Found(StrEnum):
    """What a reconciliation finds."""

    MISSING = "missing"
    CHANGED = "changed"
    WITHDRAWN = "withdrawn"
    DAMAGED = "damaged"
    GONE = "gone"
    ONLY_IN_ARCHIVE = "only_in_archive"
    UNREADABLE = "unreadable"
    UNLISTED = "unlisted"
    UNINDEXED = "unindexed"
    CONFLICT = "conflict"


MEANING = {
    Found.MISSING: "FrontCore lists it, and the archive has nothing of it",
    Found.CHANGED: "FrontCore shows another revision than the archive has",
    Found.WITHDRAWN: "FrontCore says deleted, and the archive still calls it issued",
    Found.DAMAGED: "the index calls it archived, and its record or its PDF is not there: run diploma-archive verify",
    Found.GONE: "archived as issued; FrontCore lists the participant, and this diploma no more",
    Found.ONLY_IN_ARCHIVE: "archived as issued; FrontCore does not list the participant any more",
    Found.UNREADABLE: "what the archive has of it could not be read, so nobody knows: run diploma-archive verify",
    Found.UNLISTED: "could not be listed at FrontCore, so nobody knows",
    Found.UNINDEXED: "archived, but not in the index yet: the next full run or rebuild-index puts it there",
    Found.CONFLICT: "its certificate number is also that of another archived diploma",
}

BACKFILL = frozenset({Found.MISSING, Found.CHANGED, Found.WITHDRAWN, Found.UNLISTED})
"""What a backfill of the participant puts right."""

NOTES = frozenset({Found.UNINDEXED, Found.CONFLICT})
"""What is no difference: such a diploma is archived as it is at the source."""

TOLERATED = NOTES | {Found.ONLY_IN_ARCHIVE}
"""What makes no archive incomplete: an archive may have more than the source."""


@dataclass(frozen=True)
class Difference:
    """One thing that was found, by ids; `error` says why, where the kind alone does not."""

    kind: Found
    diploma_id: int | None = None
    participant_id: int | None = None
    course_id: int | None = None
    month: str | None = None
    error: str | None = None

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON has it: under the name of its kind."""
        fields = asdict(self)
        del fields["kind"]
        return {name: value for name, value in fields.items() if value is not None or name in _ALWAYS}


_ALWAYS = ("diploma_id", "participant_id")


Verdict = tuple[Found | None, tuple[int, ...], str | None]
"""How a diploma differs (None: not at all), who else has its certificate number, and why, where that is not plain."""


@dataclass(frozen=True)
class Listed:
    """One diploma as the source lists it, as far as a comparison needs it."""

    diploma_id: int
    place: Place
    revision: str
    status: Status
    updated_at: str | None = None
    was_once_taken_for_withdrawn: bool = False

    @classmethod
    def at(cls, diploma: Diploma, place: Place) -> Listed:
        """Return what is to be compared of a diploma, at one of its places."""
        status: Status = "withdrawn" if diploma.is_withdrawn else "issued"
        misread = diploma.was_once_taken_for_withdrawn
        return cls(diploma.id, place, revision_of(diploma), status, diploma.updated_at, misread)

    def needs(self, held: Held) -> tuple[IndexName, ...]:
        """Return the index entries that `compared` needs: none of a diploma that is known in just this revision."""
        history = History.of(held.names, self.diploma_id)
        if self.status == "withdrawn" and not history.generation_of(self.revision):
            return history.mine
        return history.worth_reading(force=self.was_once_taken_for_withdrawn)

    def compared(self, held: Held, entries: Sequence[Document], *, known_elsewhere: bool) -> Verdict:
        """Return how the diploma differs from what the archive holds.

        Args:
            entries: the index entries that `needs` named.
            known_elsewhere: the archive has this diploma under another certificate number.
        """
        history = History.of(held.names, self.diploma_id)
        return self._difference(held, history, entries, known_elsewhere), history.others, None

    def _difference(
        self, held: Held, history: History, entries: Sequence[Document], known_elsewhere: bool
    ) -> Found | None:
        planned = plan(history, entries, self.revision, self.status, updated_at=self.updated_at, force=False)
        generation = planned.generation if planned.write else planned.known_generation
        is_recorded = self.place.record_key(self.revision, generation) in held.records
        is_whole = is_recorded and (self.status == "withdrawn" or held.has_file)
        if not planned.write:
            return None if is_whole else Found.DAMAGED
        if is_whole:
            return Found.UNINDEXED
        if not history.mine and not known_elsewhere:
            return Found.MISSING
        last = current_entry(entries)
        already = last is not None and last.get("status") == "withdrawn"
        return Found.WITHDRAWN if self.status == "withdrawn" and not already else Found.CHANGED
