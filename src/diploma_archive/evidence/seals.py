"""Seals: what a run states of its report, signed with the operator's key (Ed25519, RFC 8032), as files of their own.

Rule: a statement, its signature and its time stamp lie side by side and are what `openssl` takes as they are, so that
an inspector needs nothing of ours. Private keys are never stored, sent or shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from diploma_archive.model.json_document import FORMAT, to_json, utc_text
from diploma_archive.model.run_head import RunHead, is_sha256


@dataclass(frozen=True)
class Statement:
    """What was sealed.

    Attributes:
        heads: of run reports.
        archive: SHA-256 (hex) of `archive.json`.
        sealed_at: by the clock of who sealed.
    """

    heads: tuple[RunHead, ...]
    archive: str
    sealed_at: datetime


def statement_bytes(heads: Iterable[RunHead], archive: str, sealed_at: datetime) -> bytes:
    """Return the bytes of a statement, which are what is signed and stamped."""
    said = {
        "format": FORMAT,
        "archive_sha256": archive,
        "sealed_at": utc_text(sealed_at),
        "heads": [head.to_fields() for head in heads],
    }
    return to_json(said)


def read_statement(body: bytes) -> Statement:
    """Return what a statement says.

    Raises:
        ValueError: it is none.
    """
    try:
        said = json.loads(body)
        heads = tuple(RunHead(str(head["key"]), str(head["sha256"])) for head in said["heads"])
        said_at = datetime.fromisoformat(said["sealed_at"])
        moment = said_at.astimezone(UTC)
        good = said["format"] == FORMAT and is_sha256(said["archive_sha256"]) and said_at.tzinfo is not None
        if not (good and all(is_sha256(head.sha256) for head in heads)):
            raise ValueError("no statement")
        return Statement(heads, said["archive_sha256"], moment)
    except (KeyError, TypeError, RecursionError, OverflowError):
        raise ValueError("no statement") from None


def is_about(body: bytes, report: str) -> bool:
    """Return whether a statement is one, and about a run report of this key."""
    try:
        return [head.key for head in read_statement(body).heads] == [report]
    except ValueError:
        return False


def sign_statement(body: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the signature of a statement: 64 bytes, as `openssl pkeyutl -rawin` checks them."""
    return key.sign(body)


def is_signed(body: bytes, signature: bytes, key: Ed25519PublicKey) -> bool:
    """Return whether a signature was made over a statement with the private half of a key."""
    try:
        key.verify(signature, body)
    except InvalidSignature:
        return False
    return True
