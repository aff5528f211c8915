"""Bytes on their way into the bucket, with the digests that prove what arrived."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any, BinaryIO

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Payload:
    """Bytes to be stored, with their digests (hex) and size."""

    body: bytes | BinaryIO
    sha256: str
    md5: str
    size: int

    @classmethod
    def of(cls, body: bytes) -> Payload:
        """Return bytes with their digests."""
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return cls(body, hashlib.sha256(body).hexdigest(), md5, len(body))

    def digests(self) -> dict[str, Any]:
        """Return what S3 checks a body against; servers that ignore the SHA-256 know the older MD5 (rclone does)."""
        return {
            "ContentMD5": in_base64(self.md5),
            "ChecksumAlgorithm": "SHA256",
            "ChecksumSHA256": in_base64(self.sha256),
        }

    def rewound(self) -> bytes | BinaryIO:
        """Return the body, from its start: as bytes where it is small, since botocore asks before it sends a file."""
        if isinstance(self.body, bytes):
            return self.body
        self.body.seek(0)
        return self.body.read() if self.size <= CHUNK_BYTES else self.body


def in_base64(digest: str) -> str:
    """Return a digest (hex) as S3's headers have it."""
    return base64.b64encode(bytes.fromhex(digest)).decode("ascii")
