"""What becomes of bytes that cannot be archived: kept in the bucket, with a note that says why (DESIGN.md section 5).

Rule: a file that came whole is never thrown away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from diploma_archive.archive.archive import Archive
from diploma_archive.archive.quarantine import Kept
from diploma_archive.errors import OddFileError
from diploma_archive.frontcore.download import Download
from diploma_archive.frontcore.source import FrontCore, Listing
from diploma_archive.model.json_document import to_json
from diploma_archive.model.outcome import Finding, Outcome
from diploma_archive.model.payload import Payload
from diploma_archive.model.quarantine_note import QuarantineNote
from diploma_archive.model.record import Provenance, documented_fields
from diploma_archive.model.revision import quarantine_segment
from diploma_archive.model.source_items import Diploma
from diploma_archive.sync.planned_diploma import PlannedDiploma
from diploma_archive.sync.run_errors import DuplicateFileError
from diploma_archive.sync.run_options import Options


def payload_of(download: Download) -> Payload:
    """Return what was downloaded as it is uploaded."""
    return Payload(download.file, download.sha256, download.md5, download.size)


@dataclass(frozen=True)
class Quarantined:
    """What was no good diploma, and what lies in quarantine of it; None in a dry run."""

    error: OddFileError
    kept: Kept | None

    def finding(self, case: PlannedDiploma) -> Finding:
        """Return the line of the run report."""
        same_as = self.error.same_as if isinstance(self.error, DuplicateFileError) else None
        found = case.finding(Outcome.QUARANTINED, error=self.error.diagnostics(), same_as=same_as)
        return found if self.kept is None else replace(found, note=self.kept.note, note_sha256=self.kept.note_sha256)


@dataclass(frozen=True)
class Quarantine:
    """Puts bytes into quarantine, for one run."""

    source: FrontCore
    archive: Archive
    options: Options

    async def put_file(self, diploma: Diploma, download: Download, error: OddFileError) -> Kept | None:
        """Keep a file that is no good diploma, and return what lies in quarantine now.

        Raises:
            StoreError: S3 refused or failed.
        """
        note = self._note(diploma, error)
        return await self.archive.put_quarantine(quarantine_segment(diploma), payload_of(download), note)

    async def put_without_identity(
        self, diploma: Diploma, listing: Listing, error: OddFileError, look_at: Callable[[Download], Awaitable[object]]
    ) -> Kept | None:
        """Keep the file of a diploma whose number is none, and in the note all that a record would hold.

        Returns what lies in quarantine now.

        Args:
            look_at: checks a file; one that is odd as well is kept all the same.

        Raises:
            SourceError: the file cannot be had.
            ContentError: what came is no complete transfer of a PDF.
            StoreError: S3 refused or failed.
        """
        await self.archive.prepare()
        provenance = Provenance(self.source.base_url, listing.listed_at, self.options.run_id)
        said = documented_fields(diploma, provenance, self.options.omit_fields)
        said = said if diploma.id else {**said, "diploma_id": None}
        note = replace(self._note(diploma, error), diploma=said)
        if diploma.is_withdrawn:
            # There is no file any more: what FrontCore says is all there is to keep; the same bytes each night.
            bytes_of_it = to_json({**said, "source": {**said["source"], "listed_at": None}})
            return await self.archive.put_quarantine(quarantine_segment(diploma), Payload.of(bytes_of_it), note)
        download = await self.source.download(diploma, listing)
        try:
            try:
                await look_at(download)
            except OddFileError as odd:
                note = replace(note, reason=f"{note.reason}; {odd.reason}")
            return await self.archive.put_quarantine(quarantine_segment(diploma), payload_of(download), note)
        finally:
            download.close()

    def _note(self, diploma: Diploma, error: OddFileError) -> QuarantineNote:
        return QuarantineNote(
            diploma_id=diploma.id or None,
            participant_id=diploma.participant_id,
            user_id=None if {"user", "user.id"} & set(self.options.omit_fields) else diploma.user.id,
            certificate_number=diploma.certificate_number,
            reason=error.reason,
            seen_at=datetime.now(UTC),
            run_id=self.options.run_id,
        )
