"""A detached Ed25519 signature of the chain's heads, with a key that the operator holds (RFC 8032).

Rule: who can write to the bucket can also write a new chain; a signature that lies elsewhere shows it. The private key
is read from a local file, and never stored, sent or shown.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from diploma_archive.errors import SettingsError
from diploma_archive.evidence.findings import Finding, FindingClass
from diploma_archive.evidence.kept_heads import compare_heads
from diploma_archive.evidence.report_chain import Chain
from diploma_archive.model.json_document import FORMAT, Document, utc_text
from diploma_archive.model.run_head import RunHead

ALGORITHM = "Ed25519"
MAX_FILE_BYTES = 5_000_000
_HOW_TO_MAKE = "Make one with: openssl genpkey -algorithm ed25519 -out key.pem"
_HOW_TO_EXPORT = "Take it from the private key with: openssl pkey -in key.pem -pubout -out public.pem"


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Return the key of a PEM file.

    Raises:
        SettingsError: the file cannot be read, or holds no Ed25519 key, or one behind a password.
    """
    return _private_key(_read(path, "--sign"), "--sign")


def _private_key(pem: bytes, name: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise SettingsError(f"the key in {name} has a password", fix="Give a key without one") from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"{name} holds no Ed25519 private key in PEM", fix=_HOW_TO_MAKE)
    return key


def signing_key_of(value: str) -> Ed25519PrivateKey:
    """Return the key of `ARCHIVE_SIGNING_KEY`: PEM, also with `\\n` for line breaks, or the path of a PEM file.

    Raises:
        SettingsError: there is no such file, or no Ed25519 key without a password in it.
    """
    name = "ARCHIVE_SIGNING_KEY"
    pem = value.replace("\\n", "\n").encode() if "-----BEGIN" in value else _read(Path(value.strip()), name)
    return _private_key(pem, name)


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Return the public key of a PEM file.

    Raises:
        SettingsError: the file cannot be read or holds no Ed25519 public key.
    """
    try:
        key = load_pem_public_key(_read(path, "--public-key"))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise SettingsError("the file in --public-key holds no Ed25519 public key in PEM", fix=_HOW_TO_EXPORT)
    return key


def sign(chain: Chain, identity: Document, key: Ed25519PrivateKey, *, signed_at: datetime) -> Document:
    """Return the signature document: what was signed, and the signature over its canonical JSON.

    Args:
        identity: `archive.json`, so that a signature fits one archive.
    """
    statement = {
        "format": FORMAT,
        "archive_id": identity.get("archive_id"),
        "signed_at": utc_text(signed_at),
        "reports": len(chain.reports),
        "heads": [{"key": head.key, "sha256": head.sha256} for head in chain.heads],
    }
    signature = key.sign(_canonical(statement))
    return {
        "algorithm": ALGORITHM,
        "statement": statement,
        "signature": base64.b64encode(signature).decode("ascii"),
    }


def check_signature(document: Document, key: Ed25519PublicKey, chain: Chain, identity: Document) -> list[Finding]:
    """Return what of a signed chain is not in today's chain: nothing, where it only grew."""
    statement = document["statement"]
    try:
        key.verify(base64.b64decode(document["signature"], validate=True), _canonical(statement))
        heads = [RunHead(str(head["key"]), str(head["sha256"])) for head in statement["heads"]]
    except (InvalidSignature, binascii.Error, KeyError, TypeError, ValueError):
        return [Finding(FindingClass.BAD_SIGNATURE, "--signature", "it was not made with this key over what it says")]
    if statement.get("archive_id") != identity.get("archive_id"):
        return [Finding(FindingClass.BAD_SIGNATURE, "--signature", "it is about another archive")]
    return compare_heads(heads, chain, "when the chain was signed")


def read_signature(path: Path) -> Document:
    """Return a signature document.

    Raises:
        SettingsError: the file cannot be read or is none.
    """
    try:
        document = json.loads(_read(path, "--signature"))
    except (ValueError, RecursionError):
        document = None
    known = isinstance(document, dict) and document.get("algorithm") == ALGORITHM
    if not known or not isinstance(document.get("statement"), dict) or not isinstance(document.get("signature"), str):
        raise SettingsError("the file in --signature is no signature of diploma-archive", fix="Check its name")
    return dict(document)


def check_writable(path: Path) -> None:
    """Check before the work that a signature can be written: its folder is there, and the file is not.

    Raises:
        SettingsError: it cannot be written.
    """
    if path.exists():
        raise SettingsError("the file in --signature is there already", fix="Name a new file: nothing is overwritten")
    if not path.absolute().parent.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise SettingsError("the folder of --signature cannot be written to", fix="Name another file")


def write_signature(path: Path, document: Document) -> None:
    """Write a signature to a new file.

    Raises:
        SettingsError: it cannot be written.
    """
    try:
        with path.open("x", encoding="ascii") as file:
            file.write(json.dumps(document, indent=2, ensure_ascii=True) + "\n")
    except OSError as error:
        raise SettingsError(f"the file in --signature cannot be written ({error.strerror})") from None


def _canonical(statement: Mapping[str, Any]) -> bytes:
    return json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _read(path: Path, option: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise SettingsError(f"the file in {option} cannot be read ({error.strerror})", fix="Check its name") from None
