"""The way of one diploma, from listing to index entry (DESIGN.md section 4); the only place with the order of effects.

Rule: one diploma that fails never stops the others; a fatal error stops the run at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from diploma_archive.archive.archive import Archive
from diploma_archive.errors import (
    DiplomaArchiveError,
    Kind,
    LinkRefusedError,
    OddFileError,
    SourceError,
    StoreError,
    unexpected,
)
from diploma_archive.frontcore.download import Download
from diploma_archive.frontcore.source import FrontCore, Listing, Question
from diploma_archive.listing.unit_of_work import Unit
from diploma_archive.model.compact_table import CompactSet, digest64
from diploma_archive.model.json_document import Document
from diploma_archive.model.keys import Place, is_blank
from diploma_archive.model.outcome import SUPPRESSED, UNLISTED, Finding, Outcome
from diploma_archive.model.record import (
    ArchivedFile,
    Provenance,
    build_record,
    tells_the_same,
)
from diploma_archive.model.revision import quarantine_segment, revision_of
from diploma_archive.model.source_items import BadItem, Diploma
from diploma_archive.pdf.checker import PdfChecker, Whole
from diploma_archive.pdf.named_in_text import Holder
from diploma_archive.store.store import PDF_TYPE
from diploma_archive.sync.planned_diploma import PlannedDiploma
from diploma_archive.sync.planning import Planning
from diploma_archive.sync.quarantining import Quarantine, Quarantined, payload_of
from diploma_archive.sync.recently_seen import RecentlySeen
from diploma_archive.sync.run_errors import DuplicateFileError, OddIdentityError, UnlistedError
from diploma_archive.sync.run_options import Options

MAX_STORE_FAILURES = 3

log = logging.getLogger("diploma_archive.sync.pipeline")


@dataclass
class Pipeline:
    """Takes units through the steps of section 4."""

    source: FrontCore
    archive: Archive
    options: Options
    checker: PdfChecker
    _files: RecentlySeen = field(default_factory=RecentlySeen)
    _serials: RecentlySeen = field(default_factory=RecentlySeen)
    _warned_serials: set[str] = field(default_factory=set)
    _store_failures: int = 0  # in a row
    _met: CompactSet = field(default_factory=CompactSet)
    _planning: Planning = field(init=False)
    _quarantine: Quarantine = field(init=False)
    _locks: dict[str, tuple[asyncio.Lock, list[None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._planning = Planning(self.archive, self.options)
        self._quarantine = Quarantine(self.source, self.archive, self.options)

    async def archive_unit(self, unit: Unit) -> AsyncGenerator[Finding, None]:
        """Yield what happened to each diploma of one unit, or that it could not be listed.

        Raises:
            DiplomaArchiveError: only fatal ones: the run must stop.
        """
        with_diploma: set[int | None] = set()
        try:
            async for finding in self._archive_listing(unit.question(), with_diploma):
                yield finding
        except UnlistedError as error:
            for participant_id in unit.participants or (None,):
                yield Finding(UNLISTED, participant_id=participant_id, error=error.diagnostics())
            return
        # The same result as by participant: an enrolment that should have shown and did not is asked for itself.
        for participant_id in unit.expected:
            if participant_id not in with_diploma:
                async for finding in self.archive_unit(Unit((participant_id,))):
                    yield finding

    async def _archive_listing(self, question: Question, with_diploma: set[int | None]) -> AsyncIterator[Finding]:
        """Yield what happened to each diploma of one listing, but not what this run has dealt with already.

        Raises:
            UnlistedError: the listing cannot be had.
        """
        try:
            first = listing = await self.source.diplomas(question)
        except SourceError as error:
            _reraise_fatal(error)
            raise UnlistedError(error.what, fix=error.fix) from None
        for item in first.items:
            if isinstance(item, Diploma) and not item.odd_numbers:
                self.checker.note_listed(item.certificate_number, item.user.id)
        for item in first.items:
            with_diploma.add(item.participant_id)
            if not self._is_new(item):
                continue
            # What was listed again meanwhile, for a neighbour's refused link, is fresher.
            fresh = item if listing is first or isinstance(item, BadItem) else listing.find(item) or item
            finding, listing = await self._archive_item(question, fresh, listing)
            yield finding

    def _is_new(self, item: Diploma | BadItem) -> bool:
        """Return whether this state of a diploma is met for the first time in this run, and remember it."""
        if isinstance(item, BadItem):
            return item.diploma_id is None or self.is_new(item.diploma_id, "unreadable")
        return self.is_new(item.id, revision_of(item))  # of a row without an id, the revision tells it from others

    def is_new(self, diploma_id: int, revision: str) -> bool:
        """Return whether a state of a diploma is met for the first time in this run, and remember it."""
        key = digest64(diploma_id, revision)
        known = key in self._met
        self._met.add(key)
        return not known

    async def _archive_item(
        self, question: Question, item: Diploma | BadItem, listing: Listing
    ) -> tuple[Finding, Listing]:
        if isinstance(item, BadItem):
            error = Finding(Outcome.FAILED.value, item.diploma_id, item.participant_id, error=item.reason)
            return error, listing
        try:
            try:
                finding = await self._archive_diploma(item, listing)
                self._store_failures = 0
                return finding, listing
            except LinkRefusedError:
                listing = await self.source.diplomas(question)
                relisted = listing.find(item)
                if relisted is None:
                    raise SourceError(
                        "FrontCore refused the download link and does not list the diploma any more",
                        fix="The next run tries again",
                    ) from None
                return await self._archive_diploma(relisted, listing), listing
        except DiplomaArchiveError as error:
            _reraise_fatal(error)
            self._count_store_failure(error)
            return _failed(item, error.diagnostics()), listing
        except Exception as error:  # noqa: BLE001  a fault of ours must not cost the neighbours their archiving
            return _failed(item, unexpected(error).diagnostics()), listing

    async def _archive_diploma(self, diploma: Diploma, listing: Listing) -> Finding:
        """Steps 2 to 7 of section 4, for one diploma at a time under one certificate number."""
        segments = {quarantine_segment(diploma), *(place.certificate for place in diploma.places)}
        if any(self.archive.is_suppressed(diploma.user.id, segment) for segment in segments):
            return Finding(SUPPRESSED)
        for place in diploma.places[1:]:
            # Nothing is archived there any more, but what was stays, and is not archived twice.
            case = await self._planning.known_or_planned(diploma, listing, place)
            if case.is_known:
                return self._unchanged(case)
        place = diploma.places[0]
        if diploma.odd_numbers:
            return await self._without_identity(diploma, listing, place)
        self._warn_of_shared_serial(diploma, place)
        async with self._alone(place.certificate):
            case = await self._planning.known_or_planned(diploma, listing, place)
            if not case.planned.write:
                return self._unchanged(case)
            if diploma.is_withdrawn:
                return await self._commit(case, file=None)
            if self.options.dry_run:
                self.source.check_link(diploma)
                return await self._commit(case, file=None)
            file = await self._fetch(case)
            if isinstance(file, Quarantined):
                return file.finding(case)
            if file is None:
                return case.finding(Outcome.UNCHANGED, sha256=case.planned.known_sha256)
            return await self._commit(case, file)

    async def _without_identity(self, diploma: Diploma, listing: Listing, place: Place) -> Finding:
        """Keep the bytes of a diploma whose number is none in quarantine; what is archived of it stays what it is.

        Which number was meant nobody knows, so there is no key that is surely its own.
        """
        case = await self._planning.known_or_planned(diploma, listing, place)
        if case.is_known:
            return self._unchanged(case)
        error = OddIdentityError(f"{' and '.join(diploma.odd_numbers)} came as no number")
        kept = None
        if not self.options.dry_run:
            look_at = partial(self._look_at, diploma)
            kept = await self._quarantine.put_without_identity(diploma, listing, error, look_at)
        return replace(
            Quarantined(error, kept).finding(case),
            diploma_id=diploma.id or None,
            certificate=quarantine_segment(diploma),
        )

    def _unchanged(self, case: PlannedDiploma) -> Finding:
        completed = self.archive.completed(case.diploma.id, case.revision)
        return case.committed(completed.record, completed.sha256) if completed else case.finding(Outcome.UNCHANGED)

    async def _fetch(self, case: PlannedDiploma) -> ArchivedFile | Quarantined | None:
        """Steps 4, 5 and the first of 6: download, check, store the PDF. None: known bytes, and they are there."""
        await self.archive.prepare()  # a bucket that cannot be written to must show before anything is downloaded
        download = await self.source.download(case.diploma, case.listing)
        try:
            payload = payload_of(download)
            try:
                found = await self._check(case, download)
            except OddFileError as error:
                return Quarantined(error, await self._quarantine.put_file(case.diploma, download, error))
            key = case.place.pdf_key(download.sha256)
            if case.planned.known_sha256 == download.sha256 and await self.archive.holds_file(key, payload):
                return None
            await self.archive.put_pdf(case.place, payload)
            oddities = tuple(map(str, found.oddities))
            return ArchivedFile(key, download.sha256, download.size, PDF_TYPE, found.pages, oddities, found.names.value)
        finally:
            download.close()

    async def _look_at(self, diploma: Diploma, download: Download) -> Whole:
        """Return what the file of a diploma is, where a viewer shows it whole."""
        name = f"{diploma.user.firstname or ''} {diploma.user.lastname or ''}"
        return await asyncio.to_thread(
            self.checker.check,
            download.file,
            holder=Holder(diploma.certificate_number, name, diploma.user.id),
            whole=download.whole,
            media_type=download.media_type,
        )

    async def _check(self, case: PlannedDiploma, download: Download) -> Whole:
        mine = case.place.certificate
        try:
            found = await self._look_at(case.diploma, download)
        except OddFileError:
            certificate, diploma_id = self._files.get(download.sha256, (mine, case.diploma.id))
            if certificate != mine:  # then it is known whose they are
                raise DuplicateFileError(diploma_id, certificate) from None
            raise
        certificate, diploma_id = self._files.first_owner(download.sha256, mine, case.diploma.id)
        if certificate != mine:
            raise DuplicateFileError(diploma_id, certificate)
        owner = await self.archive.first_owner(mine, download.sha256)
        if owner is not None:
            raise DuplicateFileError(*owner)
        return found

    async def _commit(self, case: PlannedDiploma, file: ArchivedFile | None) -> Finding:
        """The last two of step 6, and step 7: record, index entry, outcome."""
        ours = self._record(case, file, case.planned.generation)
        record = await self.archive.put_record(case.place, ours)
        if not tells_the_same(record, ours) or not await self._has_its_file(record, file):
            # What lies under this name was damaged, or has lost its file: ours is written beside it.
            ours = self._record(case, file, case.planned.generation + 1)
            record = await self.archive.put_record(case.place, ours)
        committed = await self.archive.put_index(case.place, record)
        finding = case.committed(committed.record, committed.sha256)
        if not case.others:
            return finding
        others = ", ".join(map(str, case.others))
        return replace(
            finding,
            outcome=Outcome.CONFLICT.value,
            error=f"the certificate number is also that of diploma {others}; both are archived.",
            conflict=list(case.others),
        )

    def _count_store_failure(self, error: DiplomaArchiveError) -> None:
        """Stop where S3 fails again and again: every further download would be in vain."""
        if isinstance(error, StoreError) and error.kind is Kind.RETRIABLE:
            self._store_failures += 1
            if self._store_failures >= MAX_STORE_FAILURES:
                raise StoreError(
                    f"S3 failed {MAX_STORE_FAILURES} times in a row, the last time so: {error.what}",
                    fix="Look at the state of the S3 service, then start again: it is free",
                    kind=Kind.FATAL,
                ) from None

    def _record(self, case: PlannedDiploma, file: ArchivedFile | None, generation: int) -> Document:
        return build_record(
            case.diploma,
            revision=case.revision,
            generation=generation,
            file=file,
            supersedes=case.planned.supersedes,
            conflict=case.others,
            provenance=Provenance(self.source.base_url, case.listing.listed_at, self.options.run_id),
            archived_at=datetime.now(UTC),
            omit_fields=self.options.omit_fields,
        )

    async def _has_its_file(self, record: Document, ours: ArchivedFile | None) -> bool:
        named = (record.get("file") or {}).get("key")
        return ours is None or named == ours.key or (named is not None and await self.archive.holds_key(named))

    def _warn_of_shared_serial(self, diploma: Diploma, place: Place) -> None:
        if is_blank(diploma.serial):
            return
        certificate, first = self._serials.first_owner(place.serial, place.certificate, diploma.id)
        if certificate != place.certificate and place.serial not in self._warned_serials:
            self._warned_serials.add(place.serial)
            log.warning("diplomas %s and %s share a serial; both are archived", first, diploma.id)

    @asynccontextmanager
    async def _alone(self, certificate: str) -> AsyncIterator[None]:
        """One at a time under a certificate segment, so that a conflict within one run is always seen."""
        lock, waiting = self._locks.setdefault(certificate, (asyncio.Lock(), []))
        waiting.append(None)
        try:
            async with lock:
                yield
        finally:
            waiting.pop()
            if not waiting:
                self._locks.pop(certificate, None)


def _failed(diploma: Diploma, error: str) -> Finding:
    segment = quarantine_segment(diploma)
    return Finding(Outcome.FAILED.value, diploma.id or None, diploma.participant_id, segment, error=error)


def _reraise_fatal(error: DiplomaArchiveError) -> None:
    if error.kind is Kind.FATAL:
        raise error
