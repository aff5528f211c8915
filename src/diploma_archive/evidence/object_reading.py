"""Reads the objects of one unit; what S3 refuses or cannot do now for one object is a value, not an exception.

Rule: only what concerns every object (no bucket, no credentials, no network) is an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from diploma_archive.errors import IntegrityError, Kind, ObjectMissingError, ObjectRefusedError, StoreError
from diploma_archive.evidence.findings import FindingClass
from diploma_archive.model.keys import CERTIFICATES
from diploma_archive.model.size_limits import is_too_large
from diploma_archive.store.objects import Listed
from diploma_archive.store.reader import Reader

T = TypeVar("T")

COLD = frozenset({"GLACIER", "DEEP_ARCHIVE"})  # GLACIER_IR can be read at once


@dataclass(frozen=True)
class Unread:
    """Why the bytes of an object could not be had."""

    kind: FindingClass | None  # None: it is not there any more
    why: str = ""


@dataclass(frozen=True)
class Text:
    """A small object that was read."""

    body: bytes

    @property
    def sha256(self) -> str:
        """Return the SHA-256 (hex) of its bytes."""
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True)
class FileState:
    """What is known of a file's bytes; `sha256` is None where S3 has no checksum to show."""

    size: int
    sha256: str | None
    was_read: bool


def read_text(reader: Reader, row: Listed) -> Text | Unread:
    """Return the bytes of a small object, or why they cannot be had."""
    if is_too_large(row.key, row.size):
        return Text(b"")  # too large for JSON of ours: judged like one that says nothing, and not brought to memory

    def work() -> Text | Unread:
        stored = reader.get(row.key)
        return Unread(None) if stored is None else Text(stored.body)

    return _guarded(
        work, FindingClass.ALTERED_INDEX if row.key.startswith(CERTIFICATES) else FindingClass.ALTERED_RECORD
    )


def read_file(reader: Reader, row: Listed, *, full: bool) -> FileState | Unread:
    """Return the hash of a file: of its bytes if `full`, else the one that S3 keeps of it."""

    def work() -> FileState | Unread:
        if full:
            digest = reader.digest(row.key)
            return Unread(None) if digest is None else FileState(digest.size, digest.sha256, was_read=True)
        head = reader.head(row.key)
        return Unread(None) if head is None else FileState(head.size, head.sha256, was_read=False)

    if not full and row.storage_class in COLD:
        return Unread(FindingClass.UNREADABLE, f"its storage class is {row.storage_class}")
    return _guarded(work, FindingClass.ALTERED_FILE)


def _guarded(work: Callable[[], T | Unread], if_damaged: FindingClass) -> T | Unread:
    try:
        return work()
    except ObjectMissingError:
        return Unread(None)
    except IntegrityError:
        return Unread(if_damaged, "its bytes do not have the checksum that S3 keeps of it")
    except ObjectRefusedError as error:
        return Unread(FindingClass.UNREADABLE, error.what)
    except StoreError as error:
        if error.kind is Kind.FATAL:
            raise
        return Unread(FindingClass.COULD_NOT_CHECK, error.what)
