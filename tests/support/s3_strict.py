"""What a real S3 refuses and moto does not: wrong digests, keys that are too long, creates that are not atomic.

Rule: knows one request at a time and does no I/O; `s3_proxy` asks before it forwards.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.s3_faults import Answer, S3Request

MAX_KEY_BYTES = 1024


def refusal(request: S3Request, body: bytes) -> Answer | None:
    """Return the error with which S3 refuses this request, or None where it carries it out."""
    # `surrogateescape` on both sides: a key that is no UTF-8 has the length it has on the wire.
    if len(request.key.encode("utf-8", "surrogateescape")) > MAX_KEY_BYTES:
        return Answer(400, "KeyTooLongError", "Your key is too long")
    if request.method != "PUT":
        return None
    told = request.headers
    if told.get("x-amz-checksum-sha256", (sha256 := _digest("sha256", body))) != sha256:
        return Answer(400, "BadDigest", "The SHA256 you specified did not match what we received")
    if "content-md5" in told and told["content-md5"] != _digest("md5", body):
        return Answer(400, "BadDigest", "The Content-MD5 you specified did not match what we received")
    signed = told.get("x-amz-content-sha256", "")
    if len(signed) == 64 and signed != hashlib.sha256(body).hexdigest():
        return Answer(400, "XAmzContentSHA256Mismatch", "The provided x-amz-content-sha256 does not match")
    return None


class KeyLocks:
    """Lets the PUTs of one key through one at a time, so that looking and storing are one step."""

    def __init__(self) -> None:
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    @contextmanager
    def held(self, request: S3Request) -> Iterator[None]:
        """Hold the lock of the request's key, where it is a PUT."""
        if request.method != "PUT":
            yield
            return
        with self._guard:
            lock = self._locks[request.bucket, request.key]
        with lock:
            yield


def _digest(name: str, body: bytes) -> str:
    return base64.b64encode(hashlib.new(name, body, usedforsecurity=False).digest()).decode("ascii")
