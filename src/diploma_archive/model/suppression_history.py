"""Which suppression marks must be there, as receipts and run reports say: pure.

Rule: a mark stands as long as a receipt of an erasure names it that no lifting has taken back; by their keys alone, no
clock is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from diploma_archive.model.json_document import Document
from diploma_archive.model.keys import key_hash

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ReceiptClaims:
    """What a receipt says of marks and of other receipts; keys by their SHA-256 (hex), but for `replaces`.

    Attributes:
        marks: of the erasure: they keep somebody out.
        lifted: marks that were taken back, so that somebody may be archived again.
        lifts: the receipts whose marks those were.
        replaces: keys of receipts that this one has taken over.
    """

    key: str
    marks: frozenset[str] = frozenset()
    lifted: frozenset[str] = frozenset()
    lifts: frozenset[str] = frozenset()
    replaces: frozenset[str] = frozenset()

    @classmethod
    def of(cls, key: str, document: Document) -> Self:
        """Return what a document claims; what is damaged or of an earlier version claims nothing."""
        return cls(
            key,
            hashes_of(document.get("marks")),
            hashes_of(document.get("lifted")),
            hashes_of(document.get("lifts")),
            texts_of(document.get("replaces")),
        )


@dataclass(frozen=True)
class SuppressionHistory:
    """The receipts of an archive, and the marks that run reports saw.

    Attributes:
        receipts: all that are there.
        reported: marks that any report names.
        first_reported: those of the first report that names any: that far marks of earlier versions are believed.
        reported_receipts: receipts that any report names.
        last_reported: the marks that the last report names.
    """

    receipts: tuple[ReceiptClaims, ...]
    reported: frozenset[str] = frozenset()
    first_reported: frozenset[str] = frozenset()
    reported_receipts: frozenset[str] = frozenset()
    last_reported: frozenset[str] = frozenset()

    @property
    def standing(self) -> frozenset[str]:
        """Return the marks that a receipt names which no lifting has taken back."""
        taken_back = frozenset[str]().union(*(one.lifts for one in self.receipts))
        held = (one.marks for one in self.receipts if key_hash(one.key) not in taken_back)
        return frozenset[str]().union(*held)

    @property
    def lifted(self) -> frozenset[str]:
        """Return the marks that were taken back and stand for no other reason."""
        return frozenset[str]().union(*(one.lifted for one in self.receipts)) - self.standing

    def missing(self, marks: Iterable[str]) -> frozenset[str]:
        """Return the marks that must be there and are not among `marks`."""
        # An old lifting excuses nothing where a receipt is gone, which may be that of a later erasure.
        excused = self.lifted - (self.last_reported if self.missing_receipts else frozenset())
        return (self.standing | (self.reported - excused)) - frozenset(marks)

    def unknown(self, marks: Iterable[str]) -> frozenset[str]:
        """Return those of `marks` that no receipt knows, nor the first report."""
        return frozenset(marks) - self.standing - self.first_reported - self.lifted

    def still_there(self, marks: Iterable[str]) -> frozenset[str]:
        """Return those of `marks` that were taken back and could not be removed."""
        return frozenset(marks) & self.lifted

    @property
    def missing_receipts(self) -> frozenset[str]:
        """Return the receipts that a report names and that are neither there nor taken over by another."""
        there = {key_hash(one.key) for one in self.receipts}
        taken_over = {key_hash(key) for one in self.receipts for key in one.replaces}
        return self.reported_receipts - there - taken_over


def hashes_of(value: object) -> frozenset[str]:
    """Return the SHA-256 hashes (hex) of a list in a document, without what is none."""
    return frozenset(one for one in texts_of(value) if _SHA256.fullmatch(one))


def texts_of(value: object) -> frozenset[str]:
    """Return the texts of a list in a document, without what is none."""
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()
