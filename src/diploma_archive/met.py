"""What a run has met so far, so that nothing is dealt with twice: diplomas, and enrolments that have one.

Rule: digests only, in a compact set; a run over a million enrolments must fit into memory.
"""

from __future__ import annotations

from diploma_archive.compact import CompactSet, digest64


class Met:
    """Remembers what was met; every question is about this run (and the one that it goes on with)."""

    def __init__(self) -> None:
        self._met = CompactSet()

    def is_new(self, diploma_id: int, revision: str) -> bool:
        """Return whether this state of a diploma is met for the first time, and remember it."""
        key = digest64("diploma", diploma_id, revision)
        known = key in self._met
        self._met.add(key)
        return not known

    def note_diploma_of(self, participant_id: int | None) -> None:
        """Remember that a diploma of this enrolment was listed."""
        if participant_id is not None:
            self._met.add(digest64("participant", participant_id))

    def has_diploma_of(self, participant_id: int) -> bool:
        """Return whether a diploma of this enrolment was listed."""
        return digest64("participant", participant_id) in self._met
