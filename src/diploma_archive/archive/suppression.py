"""Suppression marks: who was erased and must not come back, by names that name nobody.

Rule: a mark is an HMAC under a secret of the operator; where marks cannot be understood, no run goes on.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import SecretStr

from diploma_archive.archive.keys import SUPPRESSED
from diploma_archive.archive.parallel import in_parallel
from diploma_archive.archive.reader import Reader
from diploma_archive.archive.record import FORMAT, TOOL, Document, from_json, utc_text
from diploma_archive.errors import Kind, StoreError

READERS = 8
_MARK_KEY = re.compile(rf"{SUPPRESSED}([0-9a-f]{{64}})\.json")
_KEY_CHECK = "diploma-archive: which key made this mark"


@dataclass(frozen=True)
class Whom:
    """Whose diplomas: those of one person, or those under one certificate segment."""

    user_id: int | None = None
    certificate: str | None = None

    @property
    def text(self) -> str:
        """Return the canonical text that a mark is made of."""
        return f"user:{self.user_id}" if self.user_id is not None else f"certificate:{self.certificate}"


@dataclass(frozen=True)
class MarkMaker:
    """Makes marks with the operator's secret; its repr does not show it."""

    key: SecretStr

    def mark(self, whom: Whom) -> str:
        """Return the mark of a person or certificate: 64 hex digits."""
        return self._hmac(whom.text)

    @property
    def key_check(self) -> str:
        """Return what a mark says of the key that made it, so that another key is noticed."""
        return self._hmac(_KEY_CHECK)

    def document(self, made_at: datetime) -> Document:
        """Return what a mark holds: nothing about anybody."""
        return {"format": FORMAT, "key_check": self.key_check, "made_at": utc_text(made_at), "tool": TOOL}

    def _hmac(self, text: str) -> str:
        return hmac.new(self.key.get_secret_value().encode(), text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Suppressions:
    """All marks of an archive, and the means to ask them."""

    maker: MarkMaker | None = None
    marks: frozenset[str] = field(default_factory=frozenset)

    def covers(self, user_id: int | None, certificate: str) -> bool:
        """Return whether a diploma of this person and certificate segment must not be archived."""
        if self.maker is None or not self.marks:
            return False
        asked = [Whom(certificate=certificate)] + ([] if user_id is None else [Whom(user_id=user_id)])
        return any(self.maker.mark(whom) in self.marks for whom in asked)


def read_suppressions(reader: Reader, key: SecretStr | None) -> Suppressions:
    """Return the marks of an archive: one LIST, and one GET for each mark.

    Raises:
        StoreError: there are marks, but no key, or another key than they were made with, or one is damaged; fatal.
            Or S3 refused or failed.
    """
    found = [found for row in reader.list(SUPPRESSED) if (found := _MARK_KEY.fullmatch(row.key))]
    if not found:
        return Suppressions(MarkMaker(key) if key else None)
    if key is None:
        raise StoreError(
            "persons were erased from this archive, and ARCHIVE_SUPPRESSION_KEY is missing",
            fix="Set it to the key that diploma-archive erase was run with; without it they would be archived again",
            kind=Kind.FATAL,
        )
    maker = MarkMaker(key)
    for known in in_parallel(lambda mark: _check_value(reader, mark), [each[0] for each in found], READERS):
        if not hmac.compare_digest(known.encode(), maker.key_check.encode()):
            raise StoreError(
                "ARCHIVE_SUPPRESSION_KEY is not the key that persons were erased from this archive with",
                fix="Set it to the key that diploma-archive erase was run with; otherwise they would be archived again",
                kind=Kind.FATAL,
            )
    return Suppressions(maker, frozenset(each[1] for each in found))


def _check_value(reader: Reader, key: str) -> str:
    stored = reader.get(key)
    document = {} if stored is None else _readable(stored.body, key)
    return str(document.get("key_check"))


def _readable(body: bytes, key: str) -> Document:
    try:
        return from_json(body, key)
    except StoreError:
        raise StoreError(
            f"the suppression mark {key} in the bucket is damaged",
            fix="Restore an older version of it, or remove it and run diploma-archive erase for that person again",
            kind=Kind.FATAL,
        ) from None
