"""Why bytes that came are no good diploma (DESIGN.md section 5): never lost, never called archived."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from diploma_archive.model.json_document import Document, utc_text
from diploma_archive.model.payload import Payload

DUPLICATE_REASON = "the same bytes as the file of diploma"
"""How the reason of a mixed-up file begins; a later run looks for it."""

ANOTHERS_REASON = (
    "the PDF has the certificate number of another person's diploma, and neither its own nor its holder's name"
)
"""The reason of a file that is another's by its text; a later run looks for it too."""

_FIRST_OWNER = re.compile(rf"{DUPLICATE_REASON} ([0-9]+) under ([cd]-[A-Za-z0-9._-]+)")


def duplicate_reason(diploma_id: int, certificate: str) -> str:
    """Return the reason of a note about bytes that another diploma had first."""
    return f"{DUPLICATE_REASON} {diploma_id} under {certificate}"


def read_first_owner(note: Document) -> tuple[int, str] | None:
    """Return diploma id and certificate segment that had the bytes first, or None where the note is about else."""
    found = _FIRST_OWNER.fullmatch(str(note.get("reason")))
    return (int(found[1]), found[2]) if found else None


def is_anothers(note: Document) -> bool:
    """Return whether a note is about a file that is another person's by its text."""
    return ANOTHERS_REASON in str(note.get("reason"))


@dataclass(frozen=True)
class QuarantineNote:
    """Which diploma the bytes came for, and what is wrong with them."""

    diploma_id: int | None  # None: its id is none
    participant_id: int | None
    user_id: int | None  # so that what is kept of a person can be found, and erased
    certificate_number: str | None
    reason: str
    seen_at: datetime
    run_id: str
    diploma: Document | None = None  # what a record would hold of it, where there can never be one

    def to_document(self, payload: Payload) -> Document:
        """Return the note as the bucket keeps it."""
        return {
            "diploma_id": self.diploma_id,
            "participant_id": self.participant_id,
            "user_id": self.user_id,
            "certificate_number": self.certificate_number,
            "reason": self.reason,
            "sha256": payload.sha256,
            "size": payload.size,
            "seen_at": utc_text(self.seen_at),
            "run_id": self.run_id,
            **({} if self.diploma is None else {"diploma": self.diploma}),
        }
