"""Bytes that came and are no good diploma, kept in the bucket beside a note that says why."""

from __future__ import annotations

from dataclasses import dataclass

from diploma_archive.model.json_document import Document, from_json, to_json
from diploma_archive.model.keys import QUARANTINE, quarantine_keys
from diploma_archive.model.payload import Payload
from diploma_archive.model.quarantine_note import QuarantineNote
from diploma_archive.store.store import BINARY_TYPE, JSON_TYPE, Created, Store


@dataclass(frozen=True)
class Kept:
    """What lies in quarantine now: the key of the note, beside which the bytes lie, and its SHA-256 (hex)."""

    note: str
    note_sha256: str | None


def put_quarantine(store: Store, certificate: str, payload: Payload, note: QuarantineNote, *, look_first: bool) -> Kept:
    """Keep bytes under a certificate segment, then the note about them; what is there already stays as it is.

    Raises:
        StoreError: S3 refused or failed.
    """
    bytes_key, note_key = quarantine_keys(certificate, payload.sha256)
    store.create(bytes_key, payload, BINARY_TYPE, look_first=look_first)
    ours = Payload.of(to_json(note.to_document(payload)))
    if store.create(note_key, ours, JSON_TYPE, look_first=look_first) is not Created.OTHER:
        return Kept(note_key, ours.sha256)
    there = store.digest(note_key)
    return Kept(note_key, None if there is None else there.sha256)


class QuarantineNotes:
    """The notes of earlier runs, by one LIST for a whole run instead of a GET for each new diploma."""

    def __init__(self, store: Store) -> None:
        """List them.

        Raises:
            StoreError: S3 refused or failed.
        """
        self._store = store
        self._keys = frozenset(hash(row.key) for row in store.list(QUARANTINE))

    def may_have(self, certificate: str, sha256: str) -> bool:
        """Return whether a note on these bytes may lie under a certificate segment."""
        return hash(quarantine_keys(certificate, sha256)[1]) in self._keys

    def read(self, certificate: str, sha256: str) -> Document:
        """Return the note of this certificate on these bytes; an empty document where it is gone.

        Raises:
            StoreError: S3 refused or failed, or the note is damaged.
        """
        stored = self._store.get(quarantine_keys(certificate, sha256)[1])
        return {} if stored is None else from_json(stored.body, "a quarantine note")
