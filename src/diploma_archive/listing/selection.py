"""Which diplomas a run is about: incremental, full, or a backfill of what a person chose.

Rule: what a person typed is checked in full before the first request; an empty choice is never "everything".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from diploma_archive.errors import SettingsError
from diploma_archive.model.coercion import MAX_ID

MAX_CHOSEN = 1_000_000  # two and a half days at 5 requests a second; more is a mistyped range
_PART = re.compile(r"([0-9]{1,19})(?:\s*-\s*([0-9]{1,19}))?", re.ASCII)


class Scope(StrEnum):
    """How a run finds its participants."""

    INCREMENTAL = "incremental"  # changed since the cursor; moves it
    FULL = "full"  # all; moves the cursor too
    BACKFILL = "backfill"  # as chosen; leaves the cursor alone


@dataclass(frozen=True)
class Ids:
    """Chosen ids, as sorted ranges without overlap: 100,000 pasted ids or one wide range cost little memory."""

    ranges: tuple[tuple[int, int], ...] = ()

    def __iter__(self) -> Iterator[int]:
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)


@dataclass(frozen=True)
class Before:
    """The open end of a date range: only participants whose `field` is earlier than `moment` (naive, Europe/Oslo).

    The API does not say whether its `*_max` filters include the end, so the end is asked for and cut off here.
    """

    field: str  # created_at or updated_at
    moment: datetime


@dataclass(frozen=True)
class Selection:
    """What a run is about."""

    scope: Scope = Scope.INCREMENTAL
    participants: Ids = Ids()
    users: Ids = Ids()
    filters: tuple[tuple[str, str | int], ...] = ()  # of /v2/participants, for a backfill
    before: Before | None = None

    @property
    def moves_cursor(self) -> bool:
        """Return whether this run moves the scheduled run's cursor."""
        return self.scope is not Scope.BACKFILL

    @property
    def names_ids(self) -> bool:
        """Return whether participants or persons are named, rather than found by filters."""
        return self.scope is Scope.BACKFILL and not self.filters

    @property
    def known_total(self) -> int | None:
        """Return how many listings the run will make, where that is known beforehand."""
        if self.names_ids:
            return len(self.participants) + len(self.users)
        return None


def choose(participants: Iterable[str], users: Iterable[str]) -> Selection:
    """Return the backfill of these participants and persons, given as `read_ids` takes them.

    Raises:
        SettingsError: something is neither an id nor a range, or nobody is chosen.
    """
    chosen = Selection(Scope.BACKFILL, read_ids(participants, "participants"), read_ids(users, "persons"))
    if not chosen.known_total:
        raise SettingsError("nobody is chosen", fix="Give ids and ranges such as 900-950, 987654")
    return chosen


def read_ids(texts: Iterable[str], what: str) -> Ids:
    """Return the ids in texts such as `900-950, 987654` (commas, semicolons, blanks and line breaks separate).

    Raises:
        SettingsError: something is neither an id nor a range; `what` names the field in the text.
    """
    # A dash between blanks belongs to a range: "900 - 950" is one part.
    parts = (re.sub(r"[ \t]*-[ \t]*", "-", text).replace(",", " ").replace(";", " ").split() for text in texts)
    ranges = [_read_range(part, what) for text_parts in parts for part in text_parts]
    ids = Ids(tuple(_joined(sorted(ranges))))
    if len(ids) > MAX_CHOSEN:
        raise SettingsError(f"{what} names {len(ids)} ids, more than {MAX_CHOSEN}", fix="Choose a smaller range")
    return ids


def write_ids(ids: Iterable[int]) -> str:
    """Return ids in the form that `read_ids` takes: `900-950, 987654`."""
    ranges = _joined([(identifier, identifier) for identifier in sorted(ids)])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _read_range(part: str, what: str) -> tuple[int, int]:
    found = _PART.fullmatch(part)
    first = int(found[1]) if found else 0
    last = int(found[2] or first) if found else 0
    if found is None or not 1 <= first <= MAX_ID or not last <= MAX_ID:
        raise SettingsError(f"{what} must be ids and ranges such as 900-950, 987654", fix=f"Look at {_shown(part)}")
    if last < first:
        raise SettingsError(f"{what} has a range that ends before it begins", fix=f"Look at {_shown(part)}")
    return first, last


def _shown(part: str) -> str:
    """Return a short, harmless quotation of what a person typed."""
    plain = "".join(character if character.isprintable() else "?" for character in part[:30])
    return f"'{plain}{'...' if len(part) > 30 else ''}'"


def _joined(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    current: tuple[int, int] | None = None
    for first, last in ranges:
        if current and first <= current[1] + 1:
            current = (current[0], max(current[1], last))
            continue
        if current:
            yield current
        current = (first, last)
    if current:
        yield current
