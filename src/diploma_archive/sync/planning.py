"""What is to be done with a diploma: looked up in the archive, decided by `model/write_decision.py`."""

from __future__ import annotations

from dataclasses import dataclass

from diploma_archive.archive.archive import Archive
from diploma_archive.frontcore.source import Listing
from diploma_archive.model.keys import IndexName, Place
from diploma_archive.model.record import Status
from diploma_archive.model.revision import revision_of
from diploma_archive.model.source_items import Diploma
from diploma_archive.model.write_decision import History, plan
from diploma_archive.sync.planned_diploma import PlannedDiploma
from diploma_archive.sync.run_options import Options


@dataclass(frozen=True)
class Planning:
    """Steps 2 and 3 of section 4."""

    archive: Archive
    options: Options

    async def known_or_planned(self, diploma: Diploma, listing: Listing, place: Place) -> PlannedDiploma:
        """Return what the archive has of a diploma at a place, and what is to be done there.

        A record that a crash left without its index entry gets it first, where something would be written.

        Raises:
            StoreError: S3 refused or failed.
        """
        revision = revision_of(diploma)
        names = await self.archive.known(place.certificate, diploma.id, revision)
        case = await self._plan(diploma, revision, listing, place, names)
        if case.planned.write and await self.archive.complete_folder(place, names):
            names = await self.archive.known(place.certificate, diploma.id, revision)
            case = await self._plan(diploma, revision, listing, place, names)
        return case

    async def _plan(
        self, diploma: Diploma, revision: str, listing: Listing, place: Place, names: list[IndexName]
    ) -> PlannedDiploma:
        status: Status = "withdrawn" if diploma.is_withdrawn else "issued"
        force = self.options.force and not self.options.dry_run  # only a download could tell whether bytes differ
        history = History.of(names, diploma.id)
        wanted = history.worth_reading(force=force or diploma.was_once_taken_for_withdrawn)
        entries = await self.archive.entries(place.certificate, wanted) if wanted else []
        planned = plan(history, entries, revision, status, updated_at=diploma.updated_at, force=force)
        return PlannedDiploma(diploma, listing, place, revision, planned, history.others)
