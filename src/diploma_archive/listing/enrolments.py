"""The enrolments that a run is about, by person: 33 bytes each, so that a million of them fit into memory.

Rule: an enrolment is in exactly one unit; nobody without a person's id is lumped together with others.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from diploma_archive.listing.unit_of_work import Unit
from diploma_archive.model.compact_table import CompactTable, digest64

_NONE = -1
_EXPECTED, _FOLLOWS = 1, 2  # flags of a row


class Enrolments:
    """Participants in the order of their reading; those of one person are linked, each to the next."""

    def __init__(self) -> None:
        self._participants = array("q")
        self._persons = array("q")
        self._next = array("q")
        self._flags = bytearray()
        self.listings = 0  # how many units there are
        self._last_of = CompactTable()  # of a person: where the newest row is

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._participants)

    def add(self, participant_id: int, person_id: int | None = None, *, is_expected: bool = True) -> None:
        """Take in an enrolment.

        Args:
            person_id: whose listing may stand for its own; None: it is listed by itself.
            is_expected: whether it must show in that listing (`Unit.expected`).
        """
        row = len(self._participants)
        self._participants.append(participant_id)
        self._persons.append(person_id or 0)
        self._next.append(_NONE)
        self._flags.append(_EXPECTED if is_expected else 0)
        self.listings += 1
        if person_id:
            key = digest64(person_id)
            last = self._last_of.get(key)
            if last is not None and self._persons[last] == person_id:
                self._next[last] = row
                self._flags[row] |= _FOLLOWS
                self.listings -= 1
            self._last_of.set(key, row)

    def units(self) -> Iterator[Unit]:
        """Yield the units, in the order of their first participant."""
        for row in range(len(self)):
            if not self._flags[row] & _FOLLOWS:
                yield self._unit(row)

    def _unit(self, row: int) -> Unit:
        if self._next[row] == _NONE:
            return Unit((self._participants[row],))
        person_id, members, expected = self._persons[row], [], []
        while row != _NONE:
            members.append(self._participants[row])
            if self._flags[row] & _EXPECTED:
                expected.append(self._participants[row])
            row = self._next[row]
        return Unit(tuple(members), person_id, tuple(expected))
