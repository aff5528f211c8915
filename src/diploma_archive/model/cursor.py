"""How far the scheduled run has read the source, and which participants it must try again (DESIGN.md section 9).

Rule: the cursor is the newest `updated_at` seen at the source, never our clock; it only moves forward.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from diploma_archive.errors import Kind, StoreError
from diploma_archive.model.json_document import FORMAT, Document

OVERLAP = timedelta(hours=24)  # catches rows written late, clock drift at the source and the hour that DST repeats
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

    def merged(self, other: Cursor) -> Cursor:
        """Return the cursor that two runs agree on, both of which read everything up to their own."""
        newest = max((moment for moment in (self.newest, other.newest) if moment), default=None)
        return Cursor(newest, tuple(sorted({*self.retry, *other.retry})))

    def to_document(self, *, account: str, run_id: str, moved_at: str) -> Document:
        """Return the cursor as the bucket keeps it."""
        return {
            "format": FORMAT,
            "account": account,
            "updated_at": self.newest and _text(self.newest),
            "retry": list(self.retry),
            "seen": {str(identifier): digest for identifier, digest in self.seen.items()},
            "run_id": run_id,
            "moved_at": moved_at,
        }


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
            "state/cursor.json in the bucket is damaged",
            fix="Run diploma-archive sync --all, which reads everything; move the damaged object away first",
            kind=Kind.FATAL,
        ) from None


def _text(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")  # strftime does not pad years below 1000
