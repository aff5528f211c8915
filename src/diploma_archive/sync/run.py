"""One run: choose, archive batch by batch, report, move the cursor (DESIGN.md sections 5 and 9).

Rule: the command line and the Prefect flow share all of it; they differ only in who calls `archive_batch`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from diploma_archive.archive.archive import Archive
from diploma_archive.archive.dry_run import DryArchive
from diploma_archive.archive.open_archive import open_archive
from diploma_archive.archive.stored_cursor import NextCursor
from diploma_archive.errors import DiplomaArchiveError, unexpected
from diploma_archive.frontcore.source import FrontCore, open_frontcore
from diploma_archive.listing.batches import Batch, Reading, batches_of, nothing_listed
from diploma_archive.listing.selection import Scope, Selection
from diploma_archive.listing.unit_of_work import Unit
from diploma_archive.model.cursor import Cursor
from diploma_archive.model.keys import run_report_key
from diploma_archive.model.outcome import SUPPRESSED, UNLISTED, Finding, Observer, Outcome, SilentObserver
from diploma_archive.model.run_head import RunHead
from diploma_archive.pdf.checker import PdfChecker
from diploma_archive.sync.batch_window import Window
from diploma_archive.sync.green_run import RunOutcomes, Tally
from diploma_archive.sync.pipeline import Pipeline
from diploma_archive.sync.resume import Checkpoint, resumable
from diploma_archive.sync.run_errors import InterruptedRunError
from diploma_archive.sync.run_options import Options
from diploma_archive.sync.run_report import put_run_report
from diploma_archive.sync.sealing import Sealing
from diploma_archive.sync.stopping import Halt, cancel

if TYPE_CHECKING:
    from diploma_archive.settings.loading import Settings

BATCHES_AT_ONCE = 2  # so that the last diplomas of a batch do not leave the rate unused

BatchHandler = Callable[[Batch], Awaitable[object]]
log = logging.getLogger("diploma_archive.sync.run")


@dataclass
class Run:
    """One run in progress. `drive` does the work; then `counts` and `tally` say what happened."""

    source: FrontCore
    archive: Archive
    pipeline: Pipeline
    selection: Selection
    options: Options
    outcomes: RunOutcomes
    concurrency: int
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    cursor_before: Cursor = field(default_factory=Cursor)
    cursor_after: Cursor | None = None
    head: RunHead | None = None  # of the report, once it is written
    sealing: Sealing | None = None
    _reading: Reading = field(default_factory=Reading)
    listings: int = 0
    _checkpoint: Checkpoint | None = None
    _halt: Halt = field(default_factory=Halt)
    _slots: asyncio.Semaphore = field(init=False)
    _clock: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.concurrency)
        if resumable(self.selection, dry_run=self.options.dry_run):
            self._checkpoint = Checkpoint(self.archive, self.selection, self.run_id, force=self.options.force)

    @property
    def tally(self) -> Tally:
        """Return what happened so far, in numbers."""
        return self.outcomes.tally

    @property
    def run_id(self) -> str:
        """Return the name of this run, as records and the report carry it."""
        return self.options.run_id

    @property
    def total(self) -> int | None:
        """Return how many listings the run makes, or None as long as that is not known."""
        return self.selection.known_total or (self._reading.listings if self._reading.read_everything else None)

    def stop(self) -> None:
        """Begin no further diploma; those under way are finished, if that does not take long."""
        self._halt.request()

    async def drive(self, handle: BatchHandler | None = None) -> Tally:
        """Archive everything that is selected, write the run report and move the cursor.

        Args:
            handle: is given each batch, at most two at once, and must await `archive_batch` with it.

        Returns:
            What happened.

        Raises:
            DiplomaArchiveError: fatal; what was done until then is in the run report.
            InterruptedRunError: `stop` was called; the cursor has not moved.
        """
        status, following = "stopped", None
        try:
            await self._begin()
            await self._window(handle or self.archive_batch)
            self._keep_unread_rows()
            if self._halt.error is not None:
                raise self._halt.error
            if self._halt.is_set:
                status = "interrupted"
                raise InterruptedRunError(
                    f"stopped on request; so far {self.tally.sentence()}", fix="Start it again to go on: it is free"
                )
            await self._refuse_an_empty_source()
            self._note_unfit_entries()
            following = await self._next_cursor()
            status = "finished"
        except asyncio.CancelledError:
            status = "interrupted"
            raise
        finally:
            await self._write_report(status, following)
        if following is not None:
            # After the report, which names it: a cursor that moved without one would hide what the run did.
            await self.archive.move_cursor(following)
            self.cursor_after = following.written.cursor
        if self._checkpoint is not None:
            await self._checkpoint.remove()
        return self.tally

    async def archive_batch(self, batch: Batch) -> Tally:
        """Archive the units of one batch, several at once, and return what happened in it.

        Raises:
            DiplomaArchiveError: fatal: the run must stop.
        """
        in_batch = Tally()
        tasks: list[asyncio.Task[None]] = []
        try:
            for unit in batch.units:
                await self._slots.acquire()
                if self._halt.is_set:
                    self._slots.release()
                    break
                tasks.append(asyncio.create_task(self._archive_unit(unit, in_batch)))
        except asyncio.CancelledError:
            cancel(tasks)
            raise
        finally:
            await self._halt.finish(tasks)
        if self._halt.error is not None:
            raise self._halt.error
        return in_batch

    def counts(self) -> dict[str, Any]:
        """Return the counts of DESIGN.md section 11: outcomes, requests, bytes (downloaded), seconds."""
        return {
            "run_id": self.run_id,
            **self.tally.as_counts(),
            "requests": self.source.requests,
            "bytes": self.source.bytes_downloaded,
            "seconds": round(time.monotonic() - self._clock, 3),
            "failures": self.tally.failures,
            **({"head": self.head.to_fields()} if self.head else {}),
        }

    async def _begin(self) -> None:
        if self.selection.moves_cursor:
            self.cursor_before = await self.archive.cursor()
        if self.selection.scope is Scope.FULL:
            await self.archive.read_index()
        self.outcomes.observer.begun(self.selection.known_total)
        if self._checkpoint is not None:
            for finding in await self._checkpoint.load():
                self.outcomes.take_over(finding)
                if finding.diploma_id is not None and finding.revision is not None:
                    self.pipeline.is_new(finding.diploma_id, finding.revision)
            if self.selection.names_ids and not self.selection.users:
                self.tally.without_diploma += self._checkpoint.without_diploma

    def _is_done(self, unit: Unit, updated_at: datetime | None = None) -> bool:
        """Return whether the run that this one goes on with has dealt with a participant or person."""
        done = self._checkpoint is not None and self._checkpoint.has_unit(unit, updated_at)
        if done and self.selection.names_ids:
            self.listings += 1
            self.outcomes.observer.listed(1)
        return done

    async def _window(self, handle: BatchHandler) -> None:
        """Give batches to `handle`, a bounded number at once, until all are done or the run must stop."""
        is_total_said = self.selection.known_total is not None
        batches = batches_of(
            self.selection,
            self.source,
            self.cursor_before,
            self._reading,
            force=self.options.force,
            is_done=self._is_done,
            last_full_pass=self.archive.last_full_pass,
        )
        async with Window(BATCHES_AT_ONCE, self._halt) as window:
            async for batch in batches:
                if not is_total_said and self.total is not None:
                    is_total_said = True
                    self.outcomes.observer.begun(self.total)
                if not await window.take(partial(handle, batch)):
                    break

    def _keep_unread_rows(self) -> None:
        for problem in self._reading.problems:
            unread = Finding(UNLISTED, problem.diploma_id, problem.participant_id, error=problem.reason)
            self.outcomes.keep(unread, Unit())

    def _note_unfit_entries(self) -> None:
        if self.archive.has_unfit_entries:
            error = (
                "an index entry does not fit its record, and these credentials may not write it anew; the record "
                "counts. Run diploma-archive rebuild-index with credentials that may overwrite certificates/*."
            )
            self.outcomes.keep(Finding(Outcome.FAILED.value, error=error), Unit())

    async def _archive_unit(self, unit: Unit, in_batch: Tally) -> None:
        try:
            found: list[Finding] = []
            was_cut_off = False
            async with aclosing(self.pipeline.archive_unit(unit)) as findings:
                async for finding in findings:
                    found.append(finding)
                    self.outcomes.keep(finding, unit)
                    in_batch.add(finding)
                    if self._halt.is_set:
                        was_cut_off = True
                        break
            self.listings += 1
            if self._checkpoint is not None and not was_cut_off:
                await self._checkpoint.add(unit, found)
            if not found and self.selection.names_ids and unit.participants and not self.selection.users:
                self.tally.without_diploma += 1
            self.outcomes.observer.listed(1)
        except Exception as error:  # noqa: BLE001  only what is fatal comes this far
            self._halt.fail(unexpected(error))
        finally:
            self._slots.release()

    async def _refuse_an_empty_source(self) -> None:
        """A pass over everything that finds nothing, although the archive holds diplomas, is not "nothing to do"."""
        everything = self.selection.scope is Scope.FULL or (
            self.selection.scope is Scope.INCREMENTAL and self.cursor_before.newest is None
        )
        met = self.tally.listed + self.tally.counts[UNLISTED] + self.tally.counts[SUPPRESSED]
        nothing = self._reading.participants == 0 or met == 0
        if everything and nothing and await self.archive.holds_diplomas():
            raise nothing_listed(self._reading.participants)

    async def _next_cursor(self) -> NextCursor | None:
        """Return the cursor that this run is to write, or None where it stays as it is."""
        reading = self._reading
        if reading.has_row_ahead:
            log.warning("FrontCore dates a participant in the future: its row is read in every run")
        # A row that could not be read has no id to try again: the cursor waits for it.
        read_everything = reading.read_everything and not reading.problems
        if not (self.selection.moves_cursor and read_everything) or self.options.dry_run:
            return None
        gone_by = Cursor() if reading.cursor_was_ahead else self.cursor_before
        moved = gone_by.advanced(
            reading.newest,
            self.tally.to_try_again,
            seen=reading.seen(),
            full=self.selection.scope is Scope.FULL,
        )
        report = run_report_key(self.started_at, self.run_id)
        following = await self.archive.next_cursor(moved, self.run_id, report)
        self.cursor_after = moved if following is None else None
        return following

    def _counts_of_report(self) -> dict[str, Any]:
        counts = {name: value for name, value in self.counts().items() if name not in ("failures", "run_id")}
        return counts | ({"second_look": self.source.second_look} if self.source.second_look else {})

    async def _write_report(self, status: str, cursor: NextCursor | None) -> None:
        """Write what happened under `runs/`; a run that could not begin to read the source leaves nothing behind."""
        try:
            if status == "finished" or self.tally.counts:
                head = await put_run_report(
                    self.archive,
                    self.outcomes.spool,
                    run_id=self.run_id,
                    status=status,
                    scope=self.selection.scope.value,
                    force=self.options.force,
                    started_at=self.started_at,
                    counts=self._counts_of_report(),
                    cursor=cursor,
                )
                if not self.options.dry_run:
                    self.head = head
                    if self.sealing is not None:
                        await self.sealing.seal(self.archive, head)
        except DiplomaArchiveError as error:
            if status == "finished":
                raise
            log.warning("the run report could not be written: %s", error.diagnostics())
        finally:
            self.outcomes.spool.close()


@asynccontextmanager
async def open_run(
    settings: Settings,
    selection: Selection,
    *,
    force: bool = False,
    dry_run: bool = False,
    observer: Observer | None = None,
    run_id: str | None = None,
) -> AsyncIterator[Run]:
    """Open source and archive for one run, and check the bucket; FrontCore is not asked yet.

    Raises:
        SettingsError: the key that reports are to be signed with is none.
        StoreError: the bucket cannot be reached, the archive is somebody else's, or see `open_archive`.
    """
    sealing = Sealing.of(settings.archive)
    options = Options(run_id or uuid4().hex, force, dry_run, settings.archive.omit_fields)
    with closing(PdfChecker()) as checker:
        async with (
            open_archive(settings, DryArchive if dry_run else Archive) as archive,
            open_frontcore(settings) as source,
        ):
            yield Run(
                source=source,
                archive=archive,
                pipeline=Pipeline(source, archive, options, checker),
                selection=selection,
                options=options,
                outcomes=RunOutcomes(observer or SilentObserver()),
                concurrency=settings.archive.concurrency,
                sealing=sealing,
            )
