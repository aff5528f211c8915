"""The cursor in the bucket: objects that are created and never replaced (`state/cursor/`), as no two servers agree on
the condition under which one may be.

Rule: two runs never meet in one key, and what a torn one followed counts again: one more look, never one less.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from diploma_archive.errors import DiplomaArchiveError, IntegrityError, StoreError, TooLargeError
from diploma_archive.model.cursor import (
    Cursor,
    CursorObject,
    follows_of,
    heads,
    merge,
    prunable,
    read_cursor,
    succeed,
)
from diploma_archive.model.json_document import from_json, to_json, utc_text
from diploma_archive.model.keys import CURSOR_KEY, CURSORS, cursor_key, cursor_number
from diploma_archive.model.payload import Payload
from diploma_archive.store.reader import Reader
from diploma_archive.store.store import JSON_TYPE, Created, Store
from diploma_archive.store.tries import tries

_GONE = "gone"  # between LIST and GET
log = logging.getLogger("diploma_archive.sync.run")


@dataclass(frozen=True)
class StoredCursors:
    """The cursors in the bucket: those that can be read, and the keys of those that cannot."""

    whole: tuple[CursorObject, ...] = ()
    torn: tuple[str, ...] = ()

    @property
    def heads(self) -> tuple[CursorObject, ...]:
        """Return those that count."""
        return tuple(heads(self.whole))

    @property
    def cursor(self) -> Cursor:
        """Return what they say together; an empty cursor before the first run."""
        return merge(head.cursor for head in self.heads)

    @property
    def newly_torn(self) -> tuple[str, ...]:
        """Return the keys of those that cannot be read and that no later one has gone by."""
        followed = {key for one in self.whole for key in one.follows}
        return tuple(key for key in self.torn if key not in followed)

    @property
    def keys(self) -> frozenset[str]:
        """Return the keys of all of them."""
        return frozenset(one.key for one in self.whole) | frozenset(self.torn)


def stored_cursors(reader: Reader, known: StoredCursors | None = None) -> StoredCursors:
    """Return the cursors in the bucket; that of earlier versions, where no numbered one can be read.

    Args:
        known: what was read before: an object that is there still is not read again.

    Raises:
        StoreError: S3 refused or failed, or the cursor of an earlier version is damaged.
    """
    read = {one.key: one for one in known.whole} if known else {}
    for _ in tries():
        keys = sorted(row.key for row in reader.list(CURSORS) if cursor_number(row.key) is not None)
        found = {key: read.get(key) or _read(reader, key) for key in keys}
        whole = {key: one for key, one in found.items() if isinstance(one, CursorObject)}
        read |= whole
        if _GONE not in found.values():
            break
    torn = tuple(key for key, one in found.items() if not isinstance(one, CursorObject))
    if not whole:
        stored = reader.get(CURSOR_KEY)
        if stored is not None:
            whole = {CURSOR_KEY: CursorObject(CURSOR_KEY, read_cursor(from_json(stored.body, CURSOR_KEY)))}
    return StoredCursors(tuple(whole.values()), torn)


def move_cursor(store: Store, start: StoredCursors, moved: Cursor, *, account: str, run_id: str) -> Cursor:
    """Store a cursor that follows all that count, and return what it says; then remove what is long followed.

    Args:
        start: the cursors that this run began with.
        moved: the cursor that it ended with.

    Raises:
        StoreError: S3 refused or failed.
    """
    now = stored_cursors(store, start)
    wanted, follows = succeed(moved, start.heads, now.heads)
    follows |= set(now.torn)  # they are gone by from here on, and named until then
    number = max((cursor_number(key) or 0 for key in now.keys), default=0) + 1
    key, moved_at = cursor_key(number, run_id), utc_text(datetime.now(UTC))
    document = wanted.to_document(account=account, run_id=run_id, moved_at=moved_at, follows=follows)
    if store.create(key, Payload.of(to_json(document)), JSON_TYPE) is Created.OTHER:
        raise StoreError("this run has moved its cursor already", fix="Start a new run")
    written = CursorObject(key, wanted, follows)
    _prune(store, StoredCursors((*now.whole, written), now.torn))
    return wanted


def _prune(store: Store, there: StoredCursors) -> None:
    for key in prunable(there.whole, there.torn):
        if key == CURSOR_KEY:
            continue
        try:
            store.remove_housekeeping(key)
        except DiplomaArchiveError as error:
            log.warning(
                "old cursors could not be removed, which does no harm: %s. To let runs tidy up, allow s3:DeleteObject "
                "on %s* (deployments/iam/archiver.json)",
                error.what,
                CURSORS,
            )
            return


def _read(reader: Reader, key: str) -> CursorObject | str:
    """Return a cursor, or in a word what is wrong with it."""
    try:
        stored = reader.get(key)
    except (IntegrityError, TooLargeError):
        return "torn"
    if stored is None:
        return _GONE
    try:
        document = from_json(stored.body, "a cursor")
        return CursorObject(key, read_cursor(document), follows_of(document))
    except StoreError:
        return "torn"
