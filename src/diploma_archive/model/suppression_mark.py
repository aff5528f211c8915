"""Suppression marks: who was erased and must not come back, by names that name nobody.

Rule: a mark is an HMAC under a secret of the operator.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import SecretStr

from diploma_archive.model.json_document import FORMAT, TOOL, Document, utc_text

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

    def with_proof(self, receipt: Document) -> Document:
        """Return a receipt with the proof that whoever wrote it has the key."""
        return {**receipt, "proof": self._proof(receipt)}

    def is_proven(self, receipt: Document) -> bool:
        """Return whether a receipt has that proof, or is one of an earlier version, which had none and claims less."""
        if not {"marks", "lifted", "proof"} & receipt.keys():
            return True
        said = {name: value for name, value in receipt.items() if name != "proof"}
        return hmac.compare_digest(str(receipt.get("proof")).encode(), self._proof(said).encode())

    def _proof(self, receipt: Document) -> str:
        return self._hmac("receipt:" + json.dumps(receipt, sort_keys=True, ensure_ascii=True))

    def _hmac(self, text: str) -> str:
        return hmac.new(self.key.get_secret_value().encode(), text.encode(), hashlib.sha256).hexdigest()


def is_mark(document: Document) -> bool:
    """Return whether a document has the form of a mark."""
    made_at, key_check, tool = (str(document.get(name)) for name in ("made_at", "key_check", "tool"))
    try:
        datetime.fromisoformat(made_at)
    except ValueError:
        return False
    return bool(re.fullmatch(r"[0-9a-f]{64}", key_check) and re.match(r"diploma-archive [0-9]", tool))


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
