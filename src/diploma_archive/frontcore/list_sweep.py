"""One way through a list, from its first page to its end: what a page brings, and what is kept of those before."""

from __future__ import annotations

from dataclasses import dataclass, field

from diploma_archive.frontcore.next_page import NOTHING_SAID, Following


@dataclass(frozen=True)
class Page:
    """One page as it came: the ids in its order, what it says of what follows, and rows that could not be read."""

    ids: list[int]
    following: Following = NOTHING_SAID
    unreadable: frozenset[int] = frozenset()  # rows without a readable id, by a hash of what they are


@dataclass
class Sweep:
    """One way through the list, from its first page to its end."""

    pages: int = 0
    largest: int = 0
    last_size: int = 0
    says_end: bool = False  # the page before said that none follows
    first_is_all: bool = False  # the first page itself says that it is the only one: no row can have moved past it
    repeated: int = 0
    seen: set[int] = field(default_factory=set)  # by page number only
    unreadable: set[int] = field(default_factory=set)
    totals: list[tuple[int, int]] = field(default_factory=list)  # what an answer said, and the rows before it
    last_page: int = 0
