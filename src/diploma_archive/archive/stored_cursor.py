"""The cursor in the bucket: the one object that runs replace, and only where nobody else has meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime

from diploma_archive.errors import StoreError
from diploma_archive.model.cursor import Cursor, read_cursor
from diploma_archive.model.json_document import from_json, to_json, utc_text
from diploma_archive.model.keys import CURSOR_KEY
from diploma_archive.store.store import Store

CURSOR_TRIES = 12


def stored_cursor(store: Store) -> tuple[Cursor, str | None]:
    """Return the cursor in the bucket and its ETag; an empty one and None before the first run.

    Raises:
        StoreError: S3 refused or failed, or the cursor is damaged.
    """
    stored = store.get(CURSOR_KEY)
    return (Cursor(), None) if stored is None else (read_cursor(from_json(stored.body, CURSOR_KEY)), stored.etag)


def move_cursor(store: Store, start: Cursor, moved: Cursor, *, account: str, run_id: str) -> Cursor:
    """Store the cursor and return what is stored; where another run moved it meanwhile, both are merged.

    Args:
        start: the cursor that this run began with.
        moved: the cursor that it ended with.

    Raises:
        StoreError: S3 refused or failed, or other runs move it all the time.
    """
    for _ in range(CURSOR_TRIES):
        there, etag = stored_cursor(store)
        wanted = moved if there == start else moved.merged(there)
        if there != start and (wanted.newest, wanted.retry) == (there.newest, there.retry):
            return there  # a run beside this one has said the same
        document = wanted.to_document(account=account, run_id=run_id, moved_at=utc_text(datetime.now(UTC)))
        if store.replace(CURSOR_KEY, to_json(document), etag):
            return wanted
    raise StoreError(
        "the cursor could not be moved: other runs move it all the time", fix="Run one at a time per account"
    )
