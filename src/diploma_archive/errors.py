"""Every error that leaves a room of this program; each is one plain sentence and what to do next.

    DiplomaArchiveError
    ├── SettingsError             wrong settings or wrong usage: nothing was started
    ├── SourceError               FrontCore
    │   ├── KeyRefusedError       the API key is not accepted: fatal
    │   ├── ListingError          one listing could not be had
    │   ├── LinkRefusedError      a download link is dead or was refused: ask for a new one, once
    │   └── LinkForbiddenError    a download link points where no diploma may come from
    ├── ContentError              what came over the wire is no good diploma
    │   ├── UnusableFileError     nothing usable came: outcome `failed`
    │   └── OddFileError          complete, but not a good diploma: outcome `quarantined`
    └── StoreError                S3
        ├── IntegrityError        S3 holds other bytes than were sent
        ├── ObjectMissingError    there is no such object
        └── ObjectRefusedError    one object may not be read now: no permission for it, or in cold storage

Rule: no text here ever carries a key, a token, a link, a person's name or a value from the source.
"""

from __future__ import annotations

import errno
from enum import StrEnum


class Kind(StrEnum):
    """How far an error reaches."""

    FATAL = "fatal"  # stops the run at once
    RETRIABLE = "retriable"  # may go away by itself; was already retried where that helps
    ITEM = "item"  # fails one diploma or one listing, never its neighbours


class DiplomaArchiveError(Exception):
    """Base of all errors of this program.

    Args:
        what: what happened, as one sentence without a full stop.
        fix: what a person can do about it, as one sentence without a full stop.
        kind: how far it reaches; each class has its usual kind.
    """

    default_kind = Kind.ITEM

    def __init__(self, what: str, *, fix: str = "", kind: Kind | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.kind = kind or self.default_kind

    def diagnostics(self) -> str:
        """Return what happened and what to do next, as plain text on one line."""
        return f"{self.what}. {self.fix}." if self.fix else f"{self.what}."


def unexpected(error: BaseException) -> DiplomaArchiveError:
    """Return the fatal error for one that nobody thought of: its type and place, never its text, which quotes data."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, DiplomaArchiveError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiplomaArchiveError(
            "there is no space left on this machine", fix="Make room in the temporary folder (TMPDIR)", kind=Kind.FATAL
        )
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    place = f" in {traceback.tb_frame.f_code.co_name}, line {traceback.tb_lineno}" if traceback else ""
    return DiplomaArchiveError(f"an unexpected {type(error).__name__}{place}", fix="Please report it", kind=Kind.FATAL)


class SettingsError(DiplomaArchiveError):
    """The settings or the command line are wrong; the text names the setting, never its value."""

    default_kind = Kind.FATAL


class SourceError(DiplomaArchiveError):
    """FrontCore did not give what was asked."""


class KeyRefusedError(SourceError):
    """FrontCore does not accept the API key."""

    default_kind = Kind.FATAL


class ListingError(SourceError):
    """One listing of diplomas could not be had."""


class LinkRefusedError(SourceError):
    """A download link is dead; a new listing gives a new one."""


class LinkForbiddenError(SourceError):
    """A download link points to a place that is not on the allow-list."""


class ContentError(DiplomaArchiveError):
    """What was downloaded is no good diploma."""


class UnusableFileError(ContentError):
    """Nothing usable came: not whole, not a PDF, too small or too large."""


class OddFileError(ContentError):
    """A complete file that is no good diploma; its bytes are kept in quarantine."""

    @property
    def reason(self) -> str:
        """Return what the quarantine note says."""
        return self.what


class StoreError(DiplomaArchiveError):
    """S3 refused or could not be reached."""


class IntegrityError(StoreError):
    """S3 holds other bytes than were sent."""


class TooLargeError(StoreError):
    """An object has more bytes than one of its kind can have."""


class ObjectMissingError(StoreError):
    """An object that was to be read is not there."""


class ObjectRefusedError(StoreError):
    """One object may not be read now: no permission for it, or in cold storage; where all may not, it is fatal."""

    default_kind = Kind.FATAL
