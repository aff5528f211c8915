"""A set and a table of 64-bit numbers, with 12 to 24 bytes a number, where Python's own take several times as much.

Rule: keys are digests, so they are spread evenly, and two different names have the same key once in 10^19 pairs.
"""

from __future__ import annotations

import hashlib
from array import array

_FIRST_SLOTS = 1 << 10
_FREE = 0


def digest64(*parts: object) -> int:
    """Return a digest of some values as a number from 1 to 2^64 - 1; the same in every process."""
    text = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") or 1


class CompactSet:
    """Remembers digests (see `digest64`)."""

    def __init__(self) -> None:
        self._keys = _zeros(_FIRST_SLOTS)
        self._count = 0

    def __len__(self) -> int:
        """Return how many digests there are."""
        return self._count

    def __contains__(self, key: int) -> bool:
        """Return whether a digest was added."""
        return self._keys[self._slot(key)] != _FREE

    def add(self, key: int) -> None:
        """Remember a digest."""
        self._place(key)

    def _place(self, key: int) -> int:
        """Return the slot of a digest, which is taken for it if it is new."""
        slot = self._slot(key)
        if self._keys[slot] == _FREE:
            if (self._count + 1) * 3 > len(self._keys) * 2:
                self._grow()
                slot = self._slot(key)
            self._keys[slot] = key
            self._count += 1
        return slot

    def _slot(self, key: int) -> int:
        keys = self._keys
        mask = len(keys) - 1
        slot = key & mask
        while keys[slot] not in (_FREE, key):
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        old, self._keys = self._keys, _zeros(2 * len(self._keys))
        for place, key in enumerate(old):
            if key != _FREE:
                slot = self._slot(key)
                self._keys[slot] = key
                self._moved(place, slot)

    def _moved(self, old: int, new: int) -> None:
        """A digest has another slot now."""


class CompactTable(CompactSet):
    """Maps digests to numbers below 2^64."""

    def __init__(self) -> None:
        super().__init__()
        self._values = _zeros(_FIRST_SLOTS)
        self._old_values = self._values

    def get(self, key: int) -> int | None:
        """Return the value of a digest, or None where there is none."""
        slot = self._slot(key)
        return None if self._keys[slot] == _FREE else self._values[slot]

    def set(self, key: int, value: int) -> None:
        """Set the value of a digest."""
        slot = self._place(key)  # first: it may give the table other values
        self._values[slot] = value

    def _grow(self) -> None:
        self._old_values, self._values = self._values, _zeros(2 * len(self._values))
        super()._grow()
        self._old_values = self._values

    def _moved(self, old: int, new: int) -> None:
        self._values[new] = self._old_values[old]


def _zeros(slots: int) -> array[int]:
    return array("Q", bytes(8)) * slots
