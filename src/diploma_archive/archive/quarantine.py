"""Why bytes that came are no good diploma (DESIGN.md section 5): never lost, never called archived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from diploma_archive.archive.record import Document, utc_text
from diploma_archive.archive.store import Payload

DUPLICATE_REASON = "the same bytes as the file of diploma"
"""How the reason of a mixed-up file begins; a later run looks for it."""


@dataclass(frozen=True)
class QuarantineNote:
    """Which diploma the bytes came for, and what is wrong with them."""

    diploma_id: int
    participant_id: int | None
    certificate_number: str | None
    reason: str
    seen_at: datetime
    run_id: str

    def to_document(self, payload: Payload) -> Document:
        """Return the note as the bucket keeps it."""
        return {
            "diploma_id": self.diploma_id,
            "participant_id": self.participant_id,
            "certificate_number": self.certificate_number,
            "reason": self.reason,
            "sha256": payload.sha256,
            "size": payload.size,
            "seen_at": utc_text(self.seen_at),
            "run_id": self.run_id,
        }
