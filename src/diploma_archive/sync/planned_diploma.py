"""One diploma on its way through the pipeline: what is listed, where it belongs, and what is to be done."""

from __future__ import annotations

from dataclasses import dataclass

from diploma_archive.frontcore.source import Listing
from diploma_archive.model.json_document import Document
from diploma_archive.model.keys import Place
from diploma_archive.model.outcome import Finding, Outcome
from diploma_archive.model.source_items import Diploma
from diploma_archive.model.write_decision import Plan


@dataclass(frozen=True)
class PlannedDiploma:
    """One diploma on its way: what is listed, where it belongs, and what is to be done."""

    diploma: Diploma
    listing: Listing
    place: Place
    revision: str
    planned: Plan
    others: tuple[int, ...]  # other diplomas under the same certificate number

    @property
    def is_known(self) -> bool:
        """Return whether this revision is archived, whatever else is to be done about it."""
        return self.planned.known_generation > 0

    def finding(
        self,
        outcome: Outcome,
        *,
        sha256: str | None = None,
        error: str | None = None,
        same_as: dict[str, object] | None = None,
    ) -> Finding:
        """Return the line of the run report for a diploma of which no new record was written."""
        record = self.place.record_key(self.revision, self.planned.known_generation)
        return Finding(
            outcome.value,
            self.diploma.id,
            self.diploma.participant_id,
            self.place.certificate,
            self.revision,
            record=record if outcome is Outcome.UNCHANGED else None,
            sha256=sha256,
            error=error,
            same_as=same_as,
        )

    def committed(self, record: Document, record_sha256: str) -> Finding:
        """Return the line of the run report for a diploma whose record is in the bucket now.

        Args:
            record: the record as it is there.
            record_sha256: of its bytes.
        """
        return Finding(
            (Outcome.WITHDRAWN if record["status"] == "withdrawn" else Outcome.ARCHIVED).value,
            self.diploma.id,
            self.diploma.participant_id,
            self.place.certificate,
            self.revision,
            record=self.place.record_key(self.revision, record["generation"]),
            record_sha256=record_sha256,
            sha256=(record["file"] or {}).get("sha256"),
        )
