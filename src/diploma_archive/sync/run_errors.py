"""The errors that only a run knows."""

from __future__ import annotations

from diploma_archive.errors import DiplomaArchiveError, Kind, OddFileError, SourceError
from diploma_archive.model.quarantine_note import DUPLICATE_REASON, duplicate_reason


class InterruptedRunError(DiplomaArchiveError):
    """A person or the system asked the run to stop; what was done is done."""

    default_kind = Kind.FATAL


class DuplicateFileError(OddFileError):
    """The bytes are those of another certificate's file: a mixed-up link or a cached error page."""

    def __init__(self, diploma_id: int, certificate: str) -> None:
        super().__init__(
            f"{DUPLICATE_REASON} {diploma_id}",
            fix="One of the two has the other's file: compare them in FrontCore, then run both with force",
        )
        self.same_as = {"diploma_id": diploma_id, "certificate": certificate}
        self._reason = duplicate_reason(diploma_id, certificate)

    @property
    def reason(self) -> str:
        """Return what the quarantine note says: the certificate too, so that a later run can look again."""
        return self._reason


class OddIdentityError(OddFileError):
    """A diploma whose certificate number, serial or id is none, so that nobody can tell under which it belongs."""


class UnlistedError(SourceError):
    """A listing could not be had; it has no diploma, so it has no outcome."""
