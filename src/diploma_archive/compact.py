"""A table of 64-bit numbers that takes 24 to 48 bytes a row, where Python's own dict would take several times as much.

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


class CompactTable:
    """Maps digests to numbers below 2^64; a table that only remembers keys gives each the value 1."""

    def __init__(self) -> None:
        self._keys = array("Q", bytes(8 * _FIRST_SLOTS))
        self._values = array("Q", bytes(8 * _FIRST_SLOTS))
        self._mask = _FIRST_SLOTS - 1
        self._count = 0

    def __len__(self) -> int:
        """Return how many keys there are."""
        return self._count

    def __contains__(self, key: int) -> bool:
        """Return whether a digest was set."""
        return self._keys[self._slot(key)] != _FREE

    def get(self, key: int) -> int | None:
        """Return the value of a digest, or None where there is none."""
        slot = self._slot(key)
        return None if self._keys[slot] == _FREE else self._values[slot]

    def set(self, key: int, value: int = 1) -> None:
        """Set the value of a digest (see `digest64`)."""
        slot = self._slot(key)
        if self._keys[slot] == _FREE:
            self._keys[slot] = key
            self._count += 1
        self._values[slot] = value
        if self._count * 3 > len(self._keys) * 2:
            self._grow()

    def _slot(self, key: int) -> int:
        keys, mask = self._keys, self._mask
        slot = key & mask
        while keys[slot] not in (_FREE, key):
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        old = zip(self._keys, self._values, strict=True)
        slots = 2 * len(self._keys)
        self._keys, self._values = array("Q", bytes(8 * slots)), array("Q", bytes(8 * slots))
        self._mask = slots - 1
        for key, value in old:
            if key != _FREE:
                slot = self._slot(key)
                self._keys[slot], self._values[slot] = key, value
