"""Lets a full pass or a backfill that was cut off go on where it was: writes down what is done, and finds it again.

Rule: only listings that ended well are written down, each after its diplomas were committed; the rest is done again.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta

from diploma_archive.archive.archive import Archive
from diploma_archive.archive.checkpoints import Segment
from diploma_archive.errors import DiplomaArchiveError, Kind
from diploma_archive.listing.selection import Scope, Selection
from diploma_archive.listing.unit_of_work import Unit
from diploma_archive.model.compact_table import CompactTable, digest64
from diploma_archive.model.json_document import Document
from diploma_archive.model.outcome import SUPPRESSED, Finding, Outcome
from diploma_archive.model.source_time import source_time
from diploma_archive.sync.green_run import TO_TRY_AGAIN

LISTINGS = 25  # with what is under way, less than a batch is listed twice after a kill
QUIET_SECONDS = 60.0  # a run that finds nothing new and is soon over leaves no trace but its report
MOST_WAITING = 500
SAFETY = timedelta(hours=1)  # clocks differ: what changed so shortly before it was written down is listed again

_FIELDS = tuple(field.name for field in fields(Finding))
log = logging.getLogger("diploma_archive.sync.run")


class Checkpoint:
    """What earlier runs of the same selection had done, and what this one has done so far."""

    def __init__(self, archive: Archive, selection: Selection, run_id: str, *, force: bool) -> None:
        self._archive = archive
        self._folder = archive.checkpoint(selection_digest(selection, force=force))
        self._run_id = run_id
        self._done = CompactTable()
        self.without_diploma = 0  # participants that are done and have none
        self._waiting: list[tuple[Unit, list[Finding]]] = []
        self._listings = 0  # of those that wait
        self._has_news = False
        self._written = 0
        self._found_any = False
        self._started = time.monotonic()

    async def load(self) -> Iterator[Finding]:
        """Find out what is done already, and return what happened to its diplomas.

        Raises:
            StoreError: S3 refused or failed.
        """
        segments, self._found_any = await self._archive.with_checkpoint(self._folder.read)
        for segment in segments:
            when = int(segment.written_at.timestamp())
            with_diploma = {outcome.get("participant_id") for outcome in segment.outcomes}
            self.without_diploma += len(set(segment.participants) - with_diploma)
            for participant_id in segment.participants:
                self._done.set(digest64("participant", participant_id), when)
            for user_id in segment.users:
                self._done.set(digest64("person", user_id), when)
        if len(self._done):
            runs = ", ".join(sorted({segment.run_id for segment in segments}))
            log.info("going on where run %s was cut off: %s listings are done", runs, len(self._done))
        return (_finding(outcome) for segment in segments for outcome in segment.outcomes)

    def has_participant(self, participant_id: int, updated_at: datetime | None = None) -> bool:
        """Return whether a participant is done, and did not change since.

        Args:
            updated_at: of its row (naive, Europe/Oslo), where there is one.
        """
        when = self._done.get(digest64("participant", participant_id))
        if when is None:
            return False
        return updated_at is None or updated_at < source_time(datetime.fromtimestamp(when, UTC)) - SAFETY

    def has_person(self, user_id: int) -> bool:
        """Return whether a person who was asked for is done."""
        return digest64("person", user_id) in self._done

    def has_unit(self, unit: Unit, updated_at: datetime | None = None) -> bool:
        """Return whether what one listing covers is done; `updated_at` as for `has_participant`."""
        if unit.user_id is not None:
            return self.has_person(unit.user_id)
        return all(self.has_participant(one, updated_at) for one in unit.participants)

    async def add(self, unit: Unit, findings: list[Finding]) -> None:
        """Take in a unit that was listed to its end; now and then write down what has come together."""
        if any(finding.outcome in (*TO_TRY_AGAIN, SUPPRESSED) for finding in findings):
            return
        self._waiting.append((unit, findings))
        self._listings += max(1, len(unit.participants))
        self._has_news = self._has_news or any(finding.outcome != Outcome.UNCHANGED.value for finding in findings)
        if self._is_due():
            await self._write()

    async def remove(self) -> None:
        """Remove all of it: the run has ended well."""
        if not (self._found_any or self._written):
            return
        try:
            await self._archive.with_checkpoint(self._folder.remove)
        except DiplomaArchiveError as error:
            log.warning("the checkpoint of this run could not be removed: %s", error.diagnostics())
            await self._archive.with_checkpoint(lambda: self._folder.end(self._run_id), writes=True)

    def _is_due(self) -> bool:
        is_long = self._listings >= MOST_WAITING or time.monotonic() - self._started >= QUIET_SECONDS
        return self._listings >= LISTINGS and (self._has_news or is_long)

    async def _write(self) -> None:
        units, self._waiting, self._listings, self._has_news = self._waiting, [], 0, False
        self._written = number = self._written + 1
        segment = Segment(
            self._run_id,
            datetime.now(UTC),
            tuple(participant for unit, _ in units for participant in unit.participants),
            tuple(unit.user_id for unit, _ in units if unit.user_id and not unit.participants),
            tuple(finding.to_fields() for _, findings in units for finding in findings),
        )
        try:
            await self._archive.with_checkpoint(lambda: self._folder.add(number, segment), writes=True)
        except DiplomaArchiveError as error:
            if error.kind is Kind.FATAL:
                raise
            log.warning("a checkpoint could not be written: %s", error.diagnostics())


def resumable(selection: Selection, *, dry_run: bool) -> bool:
    """Return whether a run of this selection is worth a checkpoint: the nightly one is short, a dry one leaves none."""
    return selection.scope is not Scope.INCREMENTAL and not dry_run


def selection_digest(selection: Selection, *, force: bool) -> str:
    """Return a name for what a run is about: another selection never goes on where this one was."""
    parts: Iterable[object] = (
        selection.scope.value,
        selection.participants.ranges,
        selection.users.ranges,
        selection.filters,
        selection.before,
        force,
    )
    return hashlib.sha256(repr(tuple(parts)).encode()).hexdigest()[:16]


def _finding(outcome: Document) -> Finding:
    return Finding(**{name: outcome[name] for name in _FIELDS if name in outcome})
