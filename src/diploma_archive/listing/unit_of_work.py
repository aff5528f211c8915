"""A unit of work: what one listing covers (DESIGN.md section 4)."""

from __future__ import annotations

from dataclasses import dataclass

from diploma_archive.frontcore.source import Question


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
