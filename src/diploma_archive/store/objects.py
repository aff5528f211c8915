"""What S3 says of objects, in this program's own values: rows of a LIST, a HEAD, what a GET gave. Keys are relative."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Listed:
    """One row of a LIST; the key is relative to the prefix, `modified` in UTC."""

    key: str
    size: int
    etag: str
    modified: datetime
    storage_class: str


@dataclass(frozen=True)
class Stored:
    """An object that was read, with the ETag for a later `replace`."""

    body: bytes
    etag: str


@dataclass(frozen=True)
class Head:
    """What S3 says of an object without its bytes; `sha256` is hex, or None where S3 keeps no such checksum."""

    size: int
    sha256: str | None
    etag: str
    storage_class: str
    encryption: str


@dataclass(frozen=True)
class Digest:
    """What the bytes of an object are: their number and their SHA-256 (hex)."""

    size: int
    sha256: str


def hex_of(checksum: str | None, etag: str) -> str | None:
    """Return the SHA-256 that S3 keeps of an object, as hex, or None where it has none of the whole body.

    The checksum of an object that was uploaded in parts is that of the checksums of its parts; its ETag has a dash.
    """
    if not checksum or "-" in etag or "-" in checksum:
        return None
    try:
        return base64.b64decode(checksum, validate=True).hex()
    except ValueError:
        return None
