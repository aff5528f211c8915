"""Index entries, read with care: an entry counts only where it says what its own key says."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from diploma_archive.errors import ObjectMissingError, StoreError
from diploma_archive.model.json_document import Document, from_json
from diploma_archive.model.keys import Place, read_index_name
from diploma_archive.model.parsed_record import ARCHIVED_AT
from diploma_archive.store.objects import Listed
from diploma_archive.store.reader import Reader

# S3 refuses a request whose clock is further off, so an object was never archived later than this after it was stored.
CLOCK_SKEW = timedelta(minutes=15)

_RECORD = re.compile(r"diplomas/([^/]+)/([^/]+)/[^/]+\.json")
_FIX = "Run diploma-archive verify to see what is wrong, and rebuild-index to renew the index"


def get_entry(reader: Reader, certificate: str, key: str) -> Document:
    """Return an index entry.

    Raises:
        ObjectMissingError: it is not there.
        StoreError: S3 refused or failed, the entry is damaged, or it does not belong under this key.
    """
    stored = reader.get(key)
    if stored is None:
        raise ObjectMissingError("an index entry is not in the bucket any more", fix="Start again")
    entry, name = from_json(stored.body, "an index entry"), read_index_name(key)
    found = _RECORD.fullmatch(str(entry.get("record")))
    if (
        name is None
        or found is None
        or Place(found[1], certificate).record_key(name.revision, name.generation) != entry["record"]
        or entry.get("diploma_id") != name.diploma_id
        or entry.get("status") not in ("issued", "withdrawn")
        or not ARCHIVED_AT.fullmatch(str(entry.get("archived_at")))
    ):
        raise StoreError("an index entry does not belong where it lies", fix=_FIX)
    return entry


def is_last(archived_at: str, others: list[Listed]) -> bool:
    """Return whether what was archived at this time is proven to be later than other objects, which were not read.

    An object may be copied long after it was archived, never before: so one that was stored before this time
    was archived before it too.
    """
    try:
        moment = datetime.fromisoformat(archived_at)
    except ValueError:  # it looks like a date and is none
        return not others
    return all(other.modified + CLOCK_SKEW < moment for other in others)
