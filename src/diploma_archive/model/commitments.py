"""What a run report says of the rest of the archive, so that what goes or changes afterwards shows.

Rule: keys are named by their SHA-256, so that a report tells nobody who was erased. Reports of earlier versions claim
nothing, and nothing of theirs turns into a finding.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diploma_archive.model.json_document import Document

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FIELDS = ("archive_sha256", "marks", "receipts", "cursor")


@dataclass(frozen=True)
class Commitments:
    """What a run saw, and which cursor it was about to write.

    Attributes:
        identity: SHA-256 (hex) of `archive.json`.
        marks: SHA-256 of the keys of the suppression marks.
        receipts: SHA-256 of the keys of the receipts, each with the SHA-256 of its bytes.
        cursor: key of the cursor that the run wrote after its report, and SHA-256 of its bytes; None where it wrote
            none. It may not be there: the run may have been killed between the two, or the cursor was removed since.
    """

    identity: str
    marks: frozenset[str] = frozenset()
    receipts: frozenset[tuple[str, str]] = frozenset()
    cursor: tuple[str, str] | None = None

    def to_fields(self) -> Document:
        """Return it as fields of a report's head."""
        cursor = None if self.cursor is None else {"key": self.cursor[0], "sha256": self.cursor[1]}
        values = (self.identity, sorted(self.marks), dict(sorted(self.receipts)), cursor)
        return dict(zip(_FIELDS, values, strict=True))


def read_commitments(
    head: Document, share: Callable[[frozenset[Any]], frozenset[Any]] = lambda names: names
) -> Commitments | None:
    """Return what a report's head says, or None where it is that of an earlier version.

    Args:
        share: gives an equal set that is there already: reports name the same ones again and again.

    Raises:
        ValueError: it says something, and not as this program says it.
    """
    if not any(name in head for name in _FIELDS):
        return None
    cursor = head.get("cursor")
    if cursor is not None and not (
        isinstance(cursor, dict) and isinstance(cursor.get("key"), str) and _is_sha256(cursor.get("sha256"))
    ):
        raise ValueError("cursor")
    if not _is_sha256(head.get("archive_sha256")):
        raise ValueError("archive_sha256")
    return Commitments(
        head["archive_sha256"],
        share(_hashes(head.get("marks"))),
        share(_pairs(head.get("receipts"))),
        None if cursor is None else (cursor["key"], cursor["sha256"]),
    )


def _hashes(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(map(_is_sha256, value)):
        raise ValueError("a list of hashes")
    return frozenset(value)


def _pairs(value: object) -> frozenset[tuple[str, str]]:
    if not isinstance(value, dict) or not all(_is_sha256(one) for pair in value.items() for one in pair):
        raise ValueError("no hashes by name")
    return frozenset(value.items())


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None
