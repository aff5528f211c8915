"""Commits a diploma: its record, and the index entry that fits the record that is left in the bucket.

Rule: a record is never overwritten; an index entry, which is derived, only where it does not fit its record.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from diploma_archive.errors import IntegrityError, StoreError
from diploma_archive.model.json_document import Document, from_json, readable_or_empty, to_json
from diploma_archive.model.keys import IndexName, Place
from diploma_archive.model.payload import Payload
from diploma_archive.model.record import index_entry
from diploma_archive.store.store import JSON_TYPE, Created, Store
from diploma_archive.store.tries import until_found

FITTING_TRIES = 10


@dataclass(frozen=True)
class Committed:
    """A record as it is in the bucket, the SHA-256 (hex) of its bytes there, and whether its index entry fits."""

    record: Document
    sha256: str
    is_indexed: bool = True


def name_of(record: Document) -> IndexName:
    """Return what the index calls a record."""
    return IndexName(record["diploma_id"], record["revision"], record["generation"])


def put_record(store: Store, place: Place, record: Document, *, look_first: bool) -> Document:
    """Store a record and return the one of this name that counts: ours, or that of a faster run.

    Args:
        look_first: see `Store.create`.

    Raises:
        StoreError: S3 refused or failed.
    """
    key = _record_key(place, record)
    if store.create(key, Payload.of(to_json(record)), JSON_TYPE, look_first=look_first) is not Created.OTHER:
        return record
    return _read_record(store, key).record


def put_index_entry(store: Store, place: Place, record: Document) -> Committed:
    """Store the index entry of a record, and return the record that is in the bucket after that.

    Where a server let several runs write one record at the same moment, the last one is left. Each run looks at the
    record after it wrote the entry: the run that wrote the record last writes its entry after it, and whoever writes an
    entry later than that sees that record. So record and entry fit together in the end.

    Raises:
        StoreError: S3 refused or failed.
    """
    name = name_of(record)
    entry_key, record_key = name.key(place.certificate), _record_key(place, record)
    for _ in range(FITTING_TRIES):
        is_indexed = _put_entry(store, entry_key, index_entry(record, place))
        payload = Payload.of(to_json(record))
        if store.compare(record_key, payload) is Created.SAME:
            return Committed(record, payload.sha256, is_indexed)
        winner = _read_record(store, record_key)
        if winner.record == record:  # the same record, as another version of this program spells it
            return replace(winner, is_indexed=is_indexed)
        record = winner.record
    raise StoreError("other runs write the same diploma all the time", fix="Run one at a time per account")


def _put_entry(store: Store, key: str, entry: Document) -> bool:
    """Return whether the entry fits now; where it does not, these credentials may not overwrite it."""
    try:
        created = store.create(key, Payload.of(to_json(entry)), JSON_TYPE)
    except IntegrityError:
        created = Created.OTHER  # the server damaged it: the entry alone would make the diploma look archived
    if created is not Created.OTHER:
        return True
    try:
        stored = store.get(key)
    except IntegrityError:
        stored = None
    there = readable_or_empty(stored.body) if stored else {}
    return {name: there.get(name) for name in entry} == entry or store.overwrite(key, to_json(entry))


def _record_key(place: Place, record: Document) -> str:
    return place.record_key(record["revision"], record["generation"])


def _read_record(store: Store, key: str) -> Committed:
    stored = until_found(lambda: store.get(key))
    if stored is None:
        raise StoreError("a record that S3 said exists is gone again", fix="The next run tries again")
    return Committed(from_json(stored.body, "a record"), hashlib.sha256(stored.body).hexdigest())
