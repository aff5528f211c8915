"""From a selection to batches of units: how what was chosen is listed with the fewest requests.

Rule: a person with several enrolments is asked for once.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from diploma_archive.errors import Kind, SourceError
from diploma_archive.listing.enrolments import Enrolments
from diploma_archive.listing.selection import Scope
from diploma_archive.listing.unit_of_work import Unit
from diploma_archive.model.cursor import OVERLAP, Cursor
from diploma_archive.model.source_items import BadItem, Participant
from diploma_archive.model.source_time import source_time, to_source_time

if TYPE_CHECKING:
    from diploma_archive.frontcore.source import FrontCore
    from diploma_archive.listing.selection import Before, Ids, Selection

MAX_SEEN = 5_000  # rows that the cursor remembers; more changed in a day means a change of everything
FRESH = timedelta(hours=1)  # changed so shortly before the run, or during it: clocks differ
log = logging.getLogger("diploma_archive.listing")
BATCH_SIZE = 50  # participants; some ten seconds of work at 5 requests a second


@dataclass(frozen=True)
class Batch:
    """Units that are archived together, as one task run under Prefect."""

    units: tuple[Unit, ...]

    def __len__(self) -> int:
        """Return how many listings the batch makes."""
        return len(self.units)

    def to_ids(self) -> list[list[int]]:
        """Return the batch as plain numbers, for Prefect to keep: a unit is person id or 0, then participant ids.

        An expected participant has a negative sign.
        """
        return [
            [unit.user_id or 0, *(-one if one in unit.expected else one for one in unit.participants)]
            for unit in self.units
        ]

    @classmethod
    def from_ids(cls, units: Iterable[list[int]]) -> Batch:
        """Return the batch that `to_ids` wrote down."""
        return cls(
            tuple(
                Unit(tuple(map(abs, participants)), user_id or None, tuple(-one for one in participants if one < 0))
                for user_id, *participants in units
            )
        )

    def label(self) -> str:
        """Return what the batch is about, without names: `participants 900001 to 900050`."""
        participants = [identifier for unit in self.units for identifier in unit.participants]
        if participants:
            return f"participants {min(participants)} to {max(participants)}"
        users = [unit.user_id or 0 for unit in self.units]
        return f"persons {min(users)} to {max(users)}"


@dataclass
class Reading:
    """What a run has read of the participants so far.

    `latest` is when it began by FrontCore's clock (naive, Europe/Oslo): `newest` never lies beyond it, however far
    ahead a row is dated.
    """

    participants: int = 0
    latest: datetime = datetime.max  # noqa: DTZ901  naive, as FrontCore's filters are
    cursor_was_ahead: bool = False  # so it said nothing about what was seen, and was not gone by
    has_row_ahead: bool = False
    newest: datetime | None = None
    problems: list[BadItem] = field(default_factory=list)
    read_everything: bool = False
    listings: int | None = None  # how many the run will make, once all are read
    _recent: dict[int, tuple[datetime, str]] = field(default_factory=dict)
    _prune_at: int = 2 * MAX_SEEN

    def note(self, participant: Participant, digest: str) -> None:
        """Count a participant, keep the newest `updated_at`, and the digests of the rows within the overlap."""
        self.participants += 1
        moment = to_source_time(participant.updated_at)
        if moment is None:
            return
        self.has_row_ahead |= moment > self.latest
        if self.newest is None or moment > self.newest:
            self.newest = min(moment, self.latest)
        if moment >= self._overlap_begins():
            self._recent[participant.id] = (moment, digest)
        if len(self._recent) >= self._prune_at:
            self._prune()
            self._prune_at = 2 * max(len(self._recent), MAX_SEEN)

    def seen(self) -> dict[int, str]:
        """Return id and digest of the rows within the overlap; nothing where they are too many to keep."""
        self._prune()
        return {key: digest for key, (_, digest) in self._recent.items()} if len(self._recent) <= MAX_SEEN else {}

    def _prune(self) -> None:
        begins = self._overlap_begins()
        self._recent = {key: row for key, row in self._recent.items() if row[0] >= begins}

    def _overlap_begins(self) -> datetime:
        newest = self.newest or datetime.min  # noqa: DTZ901  naive, as FrontCore's filters are
        return newest - min(OVERLAP, newest - datetime.min)  # noqa: DTZ901


class _CursorAheadError(Exception):
    """The cursor lies ahead of FrontCore's clock."""


def nothing_is_done(_unit: Unit, _updated_at: datetime | None = None) -> bool:
    """Return that this run is the first one to list a unit."""
    return False


async def batches_of(
    selection: Selection,
    source: FrontCore,
    cursor: Cursor,
    reading: Reading,
    *,
    force: bool = False,
    is_done: Callable[[Unit, datetime | None], bool] = nothing_is_done,
    last_full_pass: Callable[[], Awaitable[datetime | None]] | None = None,
) -> AsyncIterator[Batch]:
    """Yield the batches that a selection means, and note in `reading` what was read of the participants.

    Args:
        cursor: where an incremental run begins, whom it tries again first, and which rows it knows already.
        force: list those too.
        is_done: says whether a run that was cut off has dealt with a unit; it is told when the row changed.
        last_full_pass: says when the last one that finished began, or None. An incremental run begins there where the
            cursor lies ahead of FrontCore's clock: runs since then saw nothing.

    Raises:
        SourceError: the participants cannot be listed to their end.
    """
    if selection.names_ids:
        async for batch in batches_of_ids(selection.participants, selection.users, is_done):
            yield batch
        return
    filters, again, seen = dict(selection.filters), frozenset[int](), dict[int, str]()
    if selection.scope is Scope.INCREMENTAL:
        since = cursor.read_from()
        if since is not None:
            filters["updated_at_min"] = since
        again, seen = frozenset(cursor.retry), {} if force else dict(cursor.seen)
        reading.listings = len(again)
        async for batch in batches_of_ids(sorted(again), ()):
            yield batch

    def is_wanted(participant: Participant, digest: str) -> bool:
        if participant.id in again or seen.get(participant.id) == digest:
            return False
        if selection.before is not None and not _is_earlier(participant, selection.before):
            return False
        return not is_done(Unit((participant.id,)), to_source_time(participant.updated_at))

    if selection.scope is Scope.INCREMENTAL and cursor.newest is not None:
        try:
            async for batch in batches_of_pages(source, filters, reading, is_wanted, cursor.newest):
                yield batch
            return
        except _CursorAheadError:
            began = await last_full_pass() if last_full_pass else None
            since = None if began is None else Cursor(source_time(began)).read_from()
            log.warning(
                "the cursor lies ahead of FrontCore's clock, so runs since then saw nothing: reading %s",
                "everything" if since is None else f"what changed since {since}",
            )
            filters.pop("updated_at_min")
            filters |= {} if since is None else {"updated_at_min": since}
            # What changed before that pass began was seen by it: the next run may go on from there.
            seen, reading.cursor_was_ahead, reading.newest = {}, True, None if began is None else source_time(began)
    async for batch in batches_of_pages(source, filters, reading, is_wanted):
        yield batch


async def batches_of_ids(
    participants: Ids | Sequence[int],
    users: Ids | Sequence[int],
    is_done: Callable[[Unit, datetime | None], bool] = nothing_is_done,
) -> AsyncIterator[Batch]:
    """Yield batches of chosen participants, then of chosen persons, but for those that are done."""
    chosen: tuple[Iterable[Unit], ...] = (
        (Unit((identifier,)) for identifier in participants),
        (Unit(user_id=identifier) for identifier in users),
    )
    for units in chosen:
        for batch in _chunks(unit for unit in units if not is_done(unit, None)):
            yield batch


async def batches_of_pages(
    source: FrontCore,
    filters: dict[str, str | int],
    reading: Reading,
    is_wanted: Callable[[Participant, str], bool] = lambda _participant, _digest: True,
    not_before: datetime | None = None,
) -> AsyncIterator[Batch]:
    """Yield batches of the participants that match, once all pages were read, and note in `reading` what was read.

    All pages come first, so that a person is listed once however far apart the enrolments are: at 250 rows a request
    they are the smallest part of the budget.

    Args:
        is_wanted: says of a participant and the digest of its row whether it goes into a batch.
        not_before: a moment that FrontCore's clock must have reached (naive, Europe/Oslo).

    Raises:
        SourceError: the list cannot be read to its end.
    """
    enrolments = Enrolments()
    began_at = datetime.now(UTC)
    fresh_from = source_time(began_at) - FRESH

    def look_at_the_clock() -> None:
        answered_at = source.answered_at
        if not_before is not None and not_before > source_time(answered_at or began_at):
            raise _CursorAheadError
        reading.latest = source_time(answered_at) if answered_at else source_time(began_at) - OVERLAP

    async for page in source.participants(filters):
        look_at_the_clock()
        reading.problems.extend(page.problems)
        for participant in page.participants:
            digest = page.digests.get(participant.id, "")
            reading.note(participant, digest)
            if is_wanted(participant, digest):
                moment = to_source_time(participant.updated_at)
                is_fresh = moment is not None and moment >= fresh_from
                # The listing of the person may be older than what changed in the enrolment.
                person_id = None if is_fresh else participant.person_id
                enrolments.add(participant.id, person_id, is_expected=not participant.surely_has_no_certificate)
    look_at_the_clock()
    reading.read_everything = True
    reading.listings = enrolments.listings + (reading.listings or 0)
    for batch in _chunks(enrolments.units()):
        yield batch


def nothing_listed(participants: int) -> SourceError:
    """Return the error for a pass over everything that finds nothing, although the archive holds diplomas.

    Args:
        participants: how many the source listed.
    """
    what = "diploma" if participants else "participant"
    return SourceError(
        f"FrontCore lists no {what} at all, although the archive holds diplomas",
        fix="Check that FRONTCORE_API_KEY and FRONTCORE_BASE_URL are those of this account",
        kind=Kind.FATAL,
    )


def _is_earlier(participant: Participant, before: Before) -> bool:
    raw = participant.created_at if before.field == "created_at" else participant.updated_at
    moment = to_source_time(raw)
    return moment is None or moment < before.moment


def _chunks(units: Iterable[Unit]) -> Iterable[Batch]:
    chunk: list[Unit] = []
    size = 0
    for unit in units:
        chunk.append(unit)
        size += max(1, len(unit.participants))
        if size >= BATCH_SIZE:
            yield Batch(tuple(chunk))
            chunk, size = [], 0
    if chunk:
        yield Batch(tuple(chunk))
