"""Does the archive hold what FrontCore has? Asked both ways, within the requests that a full pass makes for listings.

Rule: read-only: nothing is downloaded and nothing is written. The archive is listed before the source is read, and what
seems to be missing is looked for once more, so that a run that archives meanwhile makes no false alarm.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from diploma_archive.archive.identity import check_identity
from diploma_archive.archive.open_archive import open_reader, read_identity
from diploma_archive.archive.stored_cursor import stored_cursors
from diploma_archive.archive.suppressions import read_suppressions
from diploma_archive.errors import Kind, SourceError, StoreError, unexpected
from diploma_archive.frontcore.source import FrontCore, open_frontcore
from diploma_archive.listing.batches import Reading, batches_of, nothing_listed
from diploma_archive.listing.selection import Scope, Selection
from diploma_archive.listing.unit_of_work import Unit
from diploma_archive.model.cursor import Cursor
from diploma_archive.model.keys import CERTIFICATES, IndexName, Place
from diploma_archive.model.source_items import BadItem, Diploma, UnidentifiedDiploma
from diploma_archive.model.suppression_mark import Suppressions
from diploma_archive.reconcile.archived_state import Holdings, look, read_current, read_entries
from diploma_archive.reconcile.coverage import month_of
from diploma_archive.reconcile.differences import Difference, Found, Listed, Verdict
from diploma_archive.reconcile.report import Reconciled
from diploma_archive.store.reader import Reader

if TYPE_CHECKING:
    from diploma_archive.settings.loading import Settings

T = TypeVar("T")
Progress = Callable[[Reconciled], None]
READ_AT_ONCE = 200  # records of diplomas that only the archive has


@dataclass
class Reconciliation:
    """One reconciliation in progress; `drive` does the work."""

    source: FrontCore
    reader: Reader
    holdings: Holdings
    suppressions: Suppressions
    selection: Selection
    pool: ThreadPoolExecutor
    concurrency: int
    progress: Progress = lambda _: None
    result: Reconciled = field(init=False)
    _reading: Reading = field(default_factory=Reading)
    _unlisted: set[int] = field(default_factory=set)  # participants whose diplomas nobody could see
    _clock: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.result = Reconciled(both_ways=self.selection.scope is Scope.FULL)

    async def drive(self) -> Reconciled:
        """Compare everything that is selected, and return what was found.

        Raises:
            DiplomaArchiveError: fatal: the source or the archive cannot be read.
        """
        if self.result.both_ways:
            await self._in_thread(lambda: self.holdings.fill(self.reader))
        try:
            await self._read_source()
        except ExceptionGroup as errors:
            raise unexpected(errors) from None
        for problem in self._reading.problems:
            self._note_unreadable(problem, Unit())
        if self.result.both_ways:
            self._refuse_an_empty_source()
            await self._find_what_only_the_archive_has()
        self._measure()
        return self.result

    async def _read_source(self) -> None:
        places = asyncio.Semaphore(self.concurrency)

        async def handle(unit: Unit) -> None:
            try:
                await self._unit(unit)
                self._measure()
                self.progress(self.result)
            finally:
                places.release()

        cursor = await self._cursor()
        async with asyncio.TaskGroup() as group:
            # `force`: the rows that an incremental run knows already are compared too.
            async for batch in batches_of(self.selection, self.source, cursor, self._reading, force=True):
                for unit in batch.units:
                    for participant_id in unit.participants:
                        self.holdings.note_participant(participant_id)
                    await places.acquire()
                    group.create_task(handle(unit))

    async def _unit(self, unit: Unit) -> None:
        """Compare the diplomas of one unit; asks for no more than the pipeline does."""
        try:
            listing = await self.source.diplomas(unit.question())
        except SourceError as error:
            if error.kind is Kind.FATAL:
                raise
            self._note_unlisted(unit, error)
            return
        finally:
            self.result.listings += 1
        for item in listing.items:
            if isinstance(item, UnidentifiedDiploma):
                self._note_unreadable(BadItem(None, item.participant_id, "id is not a whole number"), unit)
            elif isinstance(item, BadItem):
                self._note_unreadable(item, unit)
            elif self.holdings.note_listed(item.id):
                await self._diploma(item, unit)
        with_diploma = {item.participant_id for item in listing.items}
        # An enrolment that the person's listing does not show is asked for itself, as the pipeline does.
        for participant_id in unit.participants if unit.user_id else ():
            if participant_id not in with_diploma:
                await self._unit(Unit((participant_id,)))

    async def _diploma(self, diploma: Diploma, unit: Unit) -> None:
        course, month = diploma.course, month_of(diploma.coursedate.start_at)
        self.result.listed += 1
        if any(self.suppressions.covers(diploma.user.id, place.certificate) for place in diploma.places):
            self.result.suppressed += 1
            return
        found, others, error = await self._compared(diploma)
        if not diploma.is_withdrawn:
            self.result.coverage.add(course.id, course.title, month, archived=found in (None, Found.UNINDEXED))
        if found is not None:
            difference = Difference(found, diploma.id, diploma.participant_id, course.id, month, error)
            self.result.add(difference, unit.participants, unit.user_id)
        if others:
            also = f"also that of diploma {', '.join(map(str, others))}"
            self.result.add(Difference(Found.CONFLICT, diploma.id, diploma.participant_id, course.id, month, also))

    async def _compared(self, diploma: Diploma) -> Verdict:
        for place in diploma.places[1:]:
            verdict = await self._compared_at(diploma, place)
            if verdict[0] in (None, Found.UNINDEXED):
                return verdict
        return await self._compared_at(diploma, diploma.places[0])

    async def _compared_at(self, diploma: Diploma, place: Place) -> Verdict:
        listed, elsewhere = Listed.at(diploma, place), False
        if self.result.both_ways:
            held, elsewhere = self.holdings.held(listed.place), self.holdings.knows(diploma.id)
            if not listed.needs(held):
                verdict = listed.compared(held, (), known_elsewhere=elsewhere)
                if verdict[0] is None:
                    return verdict
        # Another run may have archived it since the archive was listed.
        try:
            return await self._in_thread(lambda: _look_again(self.reader, listed, elsewhere))
        except StoreError as error:
            return Found.UNREADABLE, (), await self._reason(error)

    async def _find_what_only_the_archive_has(self) -> None:
        left = self.holdings.not_listed()
        while chunk := list(islice(left, READ_AT_ONCE)):
            for difference in await asyncio.gather(*(self._only_archived(*one) for one in chunk)):
                if difference is not None:
                    self.result.add(difference)

    async def _only_archived(self, diploma_id: int, names: list[tuple[str, IndexName]]) -> Difference | None:
        """Return what is to be said of a diploma that the source did not show; None: nothing."""
        try:
            current = await self._in_thread(lambda: read_current(self.reader, names))
        except StoreError as error:
            return Difference(Found.UNREADABLE, diploma_id, error=await self._reason(error))
        if current is None or current.status == "withdrawn" or current.participant_id in self._unlisted:
            return None  # nothing is called gone that could not be looked for
        found, why = Found.GONE, None
        if current.participant_id is not None and not self.holdings.lists_participant(current.participant_id):
            found = Found.ONLY_IN_ARCHIVE
            if self._reading.problems:
                found, why = Found.UNLISTED, "FrontCore has participants that cannot be read; this may be one of them"
        month = month_of(current.starts_at)
        return Difference(found, diploma_id, current.participant_id, current.course_id, month, why)

    async def _reason(self, error: StoreError) -> str:
        """Return why one object could not be read; raises where the whole archive cannot be read any more."""
        if error.kind is Kind.FATAL:
            await self._in_thread(lambda: list(self.reader.list(CERTIFICATES, at_most=1)))
        return error.diagnostics()

    def _note_unlisted(self, unit: Unit, error: SourceError) -> None:
        self._unlisted.update(unit.participants)
        for participant_id in unit.participants or (None,):
            unlisted = Difference(Found.UNLISTED, participant_id=participant_id, error=error.diagnostics())
            self.result.add(unlisted, person=unit.user_id)

    def _note_unreadable(self, item: BadItem, unit: Unit) -> None:
        """An item that cannot be read is listed all the same: it is not gone."""
        if item.diploma_id is None:
            self._unlisted.update(unit.participants)
        elif not self.holdings.note_listed(item.diploma_id):
            return
        unread = Difference(Found.UNLISTED, item.diploma_id, item.participant_id, error=item.reason)
        self.result.add(unread, unit.participants, unit.user_id)

    def _refuse_an_empty_source(self) -> None:
        """A source that shows nothing, although the archive holds diplomas, has not lost them all: it is another."""
        nothing = self._reading.participants == 0 or not self.result.sees_diplomas
        if nothing and not self.holdings.is_empty:
            raise nothing_listed(self._reading.participants)

    async def _cursor(self) -> Cursor:
        if self.selection.scope is not Scope.INCREMENTAL:
            return Cursor()
        return (await self._in_thread(lambda: stored_cursors(self.reader))).cursor

    def _measure(self) -> None:
        self.result.requests = self.source.requests
        self.result.seconds = time.monotonic() - self._clock

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.pool, work)


def _look_again(reader: Reader, listed: Listed, elsewhere: bool) -> Verdict:
    held = look(reader, listed.place)
    entries = read_entries(reader, listed.place.certificate, listed.needs(held))
    return listed.compared(held, entries, known_elsewhere=elsewhere)


@asynccontextmanager
async def open_reconciliation(
    settings: Settings, selection: Selection, progress: Progress = lambda _: None
) -> AsyncIterator[Reconciliation]:
    """Open source and archive to be compared; FrontCore is not asked yet.

    Args:
        progress: is given the findings so far after each listing.

    Raises:
        StoreError: the bucket cannot be reached, or the archive is not there or somebody else's.
    """
    pool = ThreadPoolExecutor(settings.archive.concurrency, thread_name_prefix="s3")
    with ExitStack() as stack:
        # After a failure nobody waits for a server that may never answer.
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)

        def open_archive() -> tuple[Reader, Suppressions]:
            reader = stack.enter_context(open_reader(settings.archive, settings.s3))
            check_identity(read_identity(reader), account=settings.frontcore.account)
            return reader, read_suppressions(reader, settings.archive.suppression_key)

        reader, suppressions = await asyncio.get_running_loop().run_in_executor(pool, open_archive)
        holdings = stack.enter_context(closing(Holdings()))
        async with open_frontcore(settings) as source:
            yield Reconciliation(
                source, reader, holdings, suppressions, selection, pool, settings.archive.concurrency, progress
            )
