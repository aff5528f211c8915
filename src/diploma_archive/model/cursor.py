"""How far the scheduled run has read the source, and which participants it must try again (DESIGN.md section 9).

Rule: the cursor is the newest `updated_at` seen at the source, never our clock. It is kept as objects that are created
and never replaced, each of which names those that it follows; what no whole one follows counts, all of it together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from diploma_archive.errors import Kind, StoreError
from diploma_archive.model.json_document import FORMAT, Document
from diploma_archive.model.key_kinds import KeyKind, kind_of

OVERLAP = timedelta(hours=24)  # catches rows written late, clock drift at the source and the hour that DST repeats
KEPT = 3  # of the newest cursor objects, whatever follows them
MAX_RETRY = 10_000  # beyond it the run has failed as a whole: the cursor stays, and all is read again
_FORMAT = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Cursor:
    """The newest `updated_at` seen (naive, Europe/Oslo), and the participants to try again.

    `seen` has the rows within the overlap that were dealt with, by id and digest: the overlap is there for rows that
    are written late, and a row that is still the same need not be listed once more.
    """

    newest: datetime | None = None
    retry: tuple[int, ...] = ()
    seen: Mapping[int, str] = field(default_factory=dict)

    def read_from(self) -> str | None:
        """Return the `updated_at_min` of the next incremental run, or None: everything."""
        if self.newest is None:
            return None
        overlap = min(OVERLAP, self.newest - datetime.min)  # noqa: DTZ901  naive, as FrontCore's filters are
        return _text(self.newest - overlap)

    def advanced(
        self,
        newest: datetime | None,
        failed: Iterable[int],
        *,
        seen: Mapping[int, str] | None = None,
        full: bool = False,
    ) -> Cursor:
        """Return the cursor after a run that read everything; with too many failures it stays where it is.

        Args:
            newest: the newest `updated_at` that the run saw.
            failed: the participants to try again.
            seen: the rows within the overlap before `newest`, by id and digest.
            full: the run read all participants: what it saw counts, also where an earlier cursor was too far ahead.
        """
        retry = tuple(sorted(set(failed)))
        if len(retry) > MAX_RETRY:
            return self
        dealt_with = {identifier: digest for identifier, digest in (seen or {}).items() if identifier not in retry}
        if full and newest is not None:
            return Cursor(newest, retry, dealt_with)
        return Cursor(max((moment for moment in (self.newest, newest) if moment), default=None), retry, dealt_with)

    def to_document(
        self, *, account: str, run_id: str, moved_at: str, follows: Iterable[str] = (), report: str | None = None
    ) -> Document:
        """Return the cursor as the bucket keeps it; `report` is the key of the run report that names it."""
        return {
            "format": FORMAT,
            "account": account,
            "updated_at": self.newest and _text(self.newest),
            "retry": list(self.retry),
            "seen": {str(identifier): digest for identifier, digest in self.seen.items()},
            "run_id": run_id,
            "moved_at": moved_at,
            "follows": sorted(follows),
            "report": report,
        }


@dataclass(frozen=True)
class CursorObject:
    """One cursor in the bucket: its key, what it says, and the keys of those that went into it.

    Attributes:
        report: the key of the run report that names this cursor; None in those of earlier versions.
        sha256: of its bytes (hex).
    """

    key: str
    cursor: Cursor
    follows: frozenset[str] = frozenset()
    report: str | None = None
    sha256: str = ""


def merge(cursors: Iterable[Cursor]) -> Cursor:
    """Return what several cursors say together: what each of them would look at again is looked at again.

    The earlier date, everybody who is to be tried again, and the seen rows that all agree on; an empty cursor, which
    reads everything, where there are none.
    """
    known = list(cursors)
    if not known:
        return Cursor()
    dates = [cursor.newest for cursor in known]
    newest = None if None in dates else min(date for date in dates if date)
    retry = {participant for cursor in known for participant in cursor.retry}
    agreed = set.intersection(*(set(cursor.seen.items()) for cursor in known))
    seen = {identifier: digest for identifier, digest in agreed if identifier not in retry}
    return Cursor(newest, tuple(sorted(retry)), seen)


def heads(objects: Sequence[CursorObject]) -> list[CursorObject]:
    """Return those that no other follows; all of them, where they follow each other in a circle."""
    followed = {key for one in objects for key in one.follows if key != one.key}
    return [one for one in objects if one.key not in followed] or list(objects)


def with_followed(named: Sequence[CursorObject], others: Iterable[CursorObject]) -> list[CursorObject]:
    """Return some cursors and those of `others` that went into them, directly or by way of another."""
    waiting, found = {one.key: one for one in others}, list(named)
    for one in found:
        found += [waiting.pop(key) for key in sorted(one.follows & waiting.keys())]
    return found


def succeed(
    moved: Cursor, began_with: Iterable[CursorObject], now: Iterable[CursorObject]
) -> tuple[Cursor, frozenset[str]]:
    """Return the cursor that a run is to write, and the keys that it follows.

    What another run wrote since this one began is merged into it; what this one began with went into it already.

    Args:
        moved: what the run came to.
        began_with: those that counted when it began.
        now: those that count now.
    """
    before = {one.key for one in began_with}
    beside = [one for one in now if one.key not in before]
    return merge([moved, *(one.cursor for one in beside)]), frozenset(before | {one.key for one in beside})


def prunable(objects: Sequence[CursorObject], torn: Iterable[str] = ()) -> list[str]:
    """Return the keys of those that may go, the oldest first; whoever removes them stops where one cannot go.

    Only what a newer one follows goes, never one of the newest few, and none before what it follows itself: else that
    would count again.

    Args:
        objects: all that can be read.
        torn: keys of those that cannot.
    """
    follows = {key: frozenset[str]() for key in torn} | {one.key: one.follows for one in objects}
    newest = set(sorted(one.key for one in objects)[-KEPT:])
    gone: list[str] = []
    for key in sorted(follows):
        is_followed = any(key in one.follows and one.key > key for one in objects)
        waits = {before for before in follows[key] if before in follows} - set(gone) - {key}
        if is_followed and key not in newest and not waits:
            gone.append(key)
    return gone


def read_cursor(document: dict[str, Any]) -> Cursor:
    """Return the cursor that a document holds.

    Raises:
        StoreError: it cannot be read; guessing would skip diplomas.
    """
    try:
        raw, retry = document["updated_at"], document["retry"]
        newest = None if raw is None else datetime.strptime(raw, _FORMAT)  # noqa: DTZ007  naive by definition
        plain = isinstance(retry, list) and all(type(participant) is int for participant in retry)
        if document["format"] != FORMAT or not plain:
            raise ValueError
        seen = {int(identifier): str(digest) for identifier, digest in document.get("seen", {}).items()}
        return Cursor(newest, tuple(retry), seen)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise StoreError(
            "a cursor in the bucket (state/cursor) is damaged",
            fix="Run diploma-archive sync --all, which reads everything; move the damaged object away first",
            kind=Kind.FATAL,
        ) from None


def report_of(document: Document) -> str | None:
    """Return the key of the run report that a cursor's document says it is named in; "" where that is no such key."""
    report = document.get("report")
    if report is None:
        return None
    return report if isinstance(report, str) and kind_of(report) is KeyKind.RUN_REPORT and report.isascii() else ""


def follows_of(document: Document) -> frozenset[str]:
    """Return the keys that a cursor's document names as those that went into it."""
    named = document.get("follows")
    return frozenset(key for key in named if isinstance(key, str)) if isinstance(named, list) else frozenset()


def _text(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")  # strftime does not pad years below 1000
