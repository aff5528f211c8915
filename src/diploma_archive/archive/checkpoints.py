"""What a run that was cut off had done: small objects below `state/checkpoints/`, removed when a run ends well.

Rule: a convenience, never the truth. What a checkpoint says is done was committed before it was written; one that is
damaged, old or gone costs requests, and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from diploma_archive.model.json_document import FORMAT, Document, readable_or_empty, to_json, utc_text
from diploma_archive.model.keys import CHECKPOINTS, checkpoint_key, ended_key
from diploma_archive.model.payload import Payload
from diploma_archive.store.objects import Listed
from diploma_archive.store.parallel import in_parallel
from diploma_archive.store.store import JSON_TYPE, Store

THREADS = 8
MAX_AGE = timedelta(hours=24)  # after that the source is read anew


@dataclass(frozen=True)
class Segment:
    """Some listings that one run has dealt with, all of them well, and what happened to their diplomas.

    `outcomes` has the lines of the run report: ids and certificates, nobody's name.
    """

    run_id: str
    written_at: datetime  # UTC
    participants: tuple[int, ...]
    users: tuple[int, ...]  # persons who were asked for by themselves
    outcomes: tuple[Document, ...]

    def to_document(self) -> Document:
        """Return the segment as the bucket keeps it."""
        return {
            "format": FORMAT,
            "run_id": self.run_id,
            "written_at": utc_text(self.written_at),
            "participants": list(self.participants),
            "users": list(self.users),
            "outcomes": list(self.outcomes),
        }


class CheckpointFolder:
    """What runs over one selection wrote down of what they had done. Every method may raise StoreError."""

    def __init__(self, store: Store, selection: str) -> None:
        self._store = store
        self._selection = selection

    def read(self) -> tuple[list[Segment], bool]:
        """Return what still counts, and whether there is anything at all."""
        documents = self._documents()
        return still_counting(documents, datetime.now(UTC)), bool(documents)

    def add(self, number: int, segment: Segment) -> None:
        """Write down a part of what a run has done; `number` counts its parts from 1."""
        self._put(checkpoint_key(self._selection, segment.run_id, number), segment.to_document())

    def remove(self) -> None:
        """Remove everything, by whatever run."""
        rows = list(self._rows())
        deque(in_parallel(lambda row: self._store.remove_housekeeping(row.key), rows, THREADS), maxlen=0)

    def end(self, run_id: str) -> None:
        """Mark that what was written down counts no more, where it cannot be removed."""
        ended = {str(document["run_id"]) for document in self._documents() if document}
        self._put(ended_key(self._selection, run_id), ended_document(run_id, ended))

    def _documents(self) -> list[Document]:
        def read(row: Listed) -> Document:
            stored = self._store.get(row.key)
            return {} if stored is None else readable_or_empty(stored.body)

        return list(in_parallel(read, self._rows(), THREADS))

    def _rows(self) -> Iterator[Listed]:
        return self._store.list(f"{CHECKPOINTS}{self._selection}/")

    def _put(self, key: str, document: Document) -> None:
        self._store.create(key, Payload.of(to_json(document)), JSON_TYPE)


def ended_document(run_id: str, ended: Iterable[str]) -> Document:
    """Return the mark that what these runs wrote down counts no more."""
    return {"format": FORMAT, "run_id": run_id, "ended": sorted(ended)}


def still_counting(documents: Iterable[Document], now: datetime) -> list[Segment]:
    """Return the segments among the documents of a checkpoint that a run may go on from."""
    known = list(documents)
    ended = {str(run_id) for document in known for run_id in document.get("ended") or ()}
    segments = (read_segment(document, now) for document in known)
    return [segment for segment in segments if segment is not None and segment.run_id not in ended]


def is_readable(key: str, document: Document) -> bool:
    """Return whether a document is what may lie under the key of a checkpoint."""
    run_id = key.rpartition("/")[2].rpartition("-")[0]
    is_whole = isinstance(document.get("ended"), list) or _segment(document) is not None
    return is_whole and document.get("run_id") == run_id


def read_segment(document: dict[str, Any], now: datetime) -> Segment | None:
    """Return the segment that a document holds, or None where it is too old or cannot be read."""
    segment = _segment(document)
    return segment if segment is not None and now - MAX_AGE <= segment.written_at <= now + MAX_AGE else None


def _segment(document: dict[str, Any]) -> Segment | None:
    try:
        written_at = datetime.fromisoformat(document["written_at"]).astimezone(UTC)
        outcomes = tuple(document["outcomes"])
        if document["format"] != FORMAT or not all(isinstance(one, dict) for one in outcomes):
            return None
        return Segment(
            str(document["run_id"]), written_at, _ids(document["participants"]), _ids(document["users"]), outcomes
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _ids(values: Iterable[object]) -> tuple[int, ...]:
    ids = tuple(values)
    if not all(type(value) is int for value in ids):
        raise ValueError
    return ids  # type: ignore[return-value]
