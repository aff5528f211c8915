"""The cursor in the bucket: objects that are created and never replaced (`state/cursor/`), as no two servers agree on
the condition under which one may be.

Rules: two runs never meet in one key, and what a torn one followed counts again: one more look, never one less. One
that no run report names, with these bytes, was set by nobody of ours: it does not count.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from diploma_archive.archive.previous_reports import LatestReports, cursor_named_in, names_a_cursor
from diploma_archive.errors import DiplomaArchiveError, IntegrityError, StoreError, TooLargeError
from diploma_archive.model.cursor import (
    Cursor,
    CursorObject,
    follows_of,
    heads,
    merge,
    prunable,
    read_cursor,
    report_of,
    succeed,
    with_followed,
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
    """The cursors in the bucket.

    Attributes:
        whole: those that can be read, and count unless another follows them.
        torn: the keys of those that cannot be read.
        unnamed: those that no run report names.
    """

    whole: tuple[CursorObject, ...] = ()
    torn: tuple[str, ...] = ()
    unnamed: tuple[CursorObject, ...] = ()

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
        return tuple(key for key in self.torn if key not in self._followed)

    @property
    def newly_unnamed(self) -> tuple[str, ...]:
        """Return the keys of those that no run report names and that no later one has gone by."""
        return tuple(one.key for one in self.unnamed if one.key not in self._followed)

    @property
    def _followed(self) -> set[str]:
        return {key for one in self.whole for key in one.follows}


def stored_cursors(
    reader: Reader, known: StoredCursors | None = None, reports: LatestReports | None = None
) -> StoredCursors:
    """Return the cursors in the bucket; that of earlier versions, where no numbered one can be read.

    Args:
        known: what was read before: an object that is there still is not read again.
        reports: likewise.

    Raises:
        StoreError: S3 refused or failed, or the cursor of an earlier version is damaged.
    """
    read = {one.key: one for one in (*known.whole, *known.unnamed)} if known else {}
    for _ in tries():
        keys = sorted(row.key for row in reader.list(CURSORS) if cursor_number(row.key) is not None)
        found = {key: read.get(key) or _read(reader, key) for key in keys}
        whole = {key: one for key, one in found.items() if isinstance(one, CursorObject)}
        read |= whole
        if _GONE not in found.values():
            break
    torn = tuple(key for key, one in found.items() if not isinstance(one, CursorObject))
    counted = _counted(reader, tuple(whole.values()), known, reports)
    unnamed = tuple(one for one in whole.values() if one not in counted)
    if not whole:
        stored = reader.get(CURSOR_KEY)
        if stored is not None and not names_a_cursor(reader):
            counted = (CursorObject(CURSOR_KEY, read_cursor(from_json(stored.body, CURSOR_KEY))),)
    return StoredCursors(counted, torn, unnamed)


def _counted(
    reader: Reader, whole: Sequence[CursorObject], known: StoredCursors | None, reports: LatestReports | None
) -> tuple[CursorObject, ...]:
    """Return those that a run report names; where there are none and never were, those of earlier versions."""
    sure = {one.key for one in known.whole} if known else set[str]()

    def is_named(one: CursorObject) -> bool:
        if one.report is None or one.key in sure:
            return one.key in sure
        return cursor_named_in(reader, one.report, reports) == (one.key, one.sha256)

    named = tuple(one for one in whole if one.report is not None and is_named(one))
    earlier = tuple(one for one in whole if one.report is None)
    if named or not earlier or names_a_cursor(reader):
        return tuple(with_followed(named, earlier))  # for the order in which old ones go
    return earlier


@dataclass(frozen=True)
class NextCursor:
    """The cursor that a run is to write, fixed before its report is, which names it.

    Attributes:
        there: the cursors beside it.
    """

    written: CursorObject
    payload: Payload
    there: StoredCursors


def next_cursor(
    reader: Reader, start: StoredCursors, moved: Cursor, *, account: str, run_id: str, report: str
) -> NextCursor:
    """Return a cursor that follows all that count.

    Args:
        start: the cursors that this run began with.
        moved: the cursor that it ended with.
        report: the key of the run report that will name it.

    Raises:
        StoreError: S3 refused or failed.
    """
    now = stored_cursors(reader, start)
    wanted, follows = succeed(moved, start.heads, now.heads)
    # They are gone by from here on, and named until then.
    follows |= {*now.torn, *(one.key for one in now.unnamed)}
    number = max((cursor_number(one.key) or 0 for one in now.whole), default=0) + 1
    key, moved_at = cursor_key(number, run_id), utc_text(datetime.now(UTC))
    document = wanted.to_document(account=account, run_id=run_id, moved_at=moved_at, follows=follows, report=report)
    payload = Payload.of(to_json(document))
    return NextCursor(CursorObject(key, wanted, follows, report, payload.sha256), payload, now)


def move_cursor(store: Store, following: NextCursor) -> None:
    """Store a cursor that a report names by now; then remove what is long followed.

    Raises:
        StoreError: S3 refused or failed.
    """
    if store.create(following.written.key, following.payload, JSON_TYPE) is Created.OTHER:
        raise StoreError("this run has moved its cursor already", fix="Start a new run")
    _prune(store, following)


def _prune(store: Store, following: NextCursor) -> None:
    there = following.there
    for key in prunable((*there.whole, following.written), (*there.torn, *(one.key for one in there.unnamed))):
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
        sha256 = hashlib.sha256(stored.body).hexdigest()
        return CursorObject(key, read_cursor(document), follows_of(document), report_of(document), sha256)
    except StoreError:
        return "torn"
