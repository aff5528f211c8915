"""What happened to one diploma in one run.

Rule: nothing in here names a person.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class Outcome(StrEnum):
    """What happened to one diploma in one run."""

    ARCHIVED = "archived"
    UNCHANGED = "unchanged"
    WITHDRAWN = "withdrawn"
    CONFLICT = "conflict"
    QUARANTINED = "quarantined"
    FAILED = "failed"


UNLISTED = "unlisted"
"""What happened to a listing that could not be had: it has no diploma, so it has no outcome either."""

SUPPRESSED = "suppressed"
"""What happened to a diploma of somebody who was erased: nothing at all, so it has no outcome and no line either."""


@dataclass(frozen=True)
class Finding:
    """One line of a run report: what happened to one diploma, or to one listing that could not be had."""

    outcome: str
    diploma_id: int | None = None
    participant_id: int | None = None
    certificate: str | None = None
    revision: str | None = None
    record: str | None = None
    record_sha256: str | None = None
    sha256: str | None = None
    note: str | None = None
    note_sha256: str | None = None
    error: str | None = None
    same_as: dict[str, Any] | None = None
    conflict: list[int] | None = None

    def to_fields(self) -> dict[str, Any]:
        """Return the finding as plain values, without what does not apply."""
        return {name: value for name, value in self.__dict__.items() if value is not None}

    def to_line(self) -> bytes:
        """Return the finding as one line of JSON, without what does not apply."""
        return json.dumps(self.to_fields(), ensure_ascii=True, separators=(",", ":")).encode("ascii")


class Observer(Protocol):
    """Is told what a run does; the program's core never prints."""

    def begun(self, total: int | None) -> None:
        """The run begins; `total` is how many listings it will make. Said again once that is known."""

    def found(self, finding: Finding) -> None:
        """One diploma is done."""

    def listed(self, listings: int) -> None:
        """So many more listings are done."""


class SilentObserver:
    """Looks on and says nothing."""

    def begun(self, total: int | None) -> None:
        """Say nothing."""

    def found(self, finding: Finding) -> None:
        """Say nothing."""

    def listed(self, listings: int) -> None:
        """Say nothing."""
