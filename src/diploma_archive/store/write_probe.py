"""What an S3 server really does with writes, tried out with probe objects that are removed again.

Rule: only new objects below `state/probe/` are written, and only those are removed. Where they may not be removed they
stay, named for what they are; they are no part of the archive.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from diploma_archive.model.doctor_check import Check, from_error, ok, problem, warning
from diploma_archive.model.keys import LONGEST_KEY_BYTES, LONGEST_SEGMENT_BYTES, PROBES
from diploma_archive.model.payload import Payload
from diploma_archive.store.create_only import CreateOnly, ProbeObject, try_create_only
from diploma_archive.store.s3_errors import TOO_LONG_CODES, error_code, status_code, store_error

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_BODY = b"diploma-archive doctor wrote this to see what the S3 server does. It is no part of the archive.\n"
_OTHER_BODY = _BODY + b"These are other bytes.\n"
_BROKEN = (BotoCoreError, ClientError, HTTPClientError, HTTPError, RecursionError)


def probe_checks(client: S3Client, bucket: str, root: str) -> Iterator[Check]:
    """Yield what the server does with writes.

    Args:
        root: the archive's prefix with its slash, or nothing.
    """
    name = f"{root}{PROBES}doctor-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"
    probe = _Probe(client, bucket, name, root)
    try:
        first = probe.begin()
    except _BROKEN as error:
        yield from_error("writing", store_error(error, bucket))
        return
    try:
        yield ok("writing", "a probe object was stored")
        yield from (look(probe, first) for look in (_conditional, _kept, _verified, _long_key))
    finally:
        removed = probe.remove()
    yield removed


@dataclass
class _Probe:
    client: S3Client
    bucket: str
    name: str
    root: str
    create_only: dict[str, str] = field(default_factory=lambda: {"IfNoneMatch": "*"})
    _stored: list[dict[str, str]] = field(default_factory=list)

    def put(self, what: str, body: bytes, **arguments: Any) -> dict[str, Any]:
        key = f"{self.name}-{what}.txt"
        answer = self.client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="text/plain", **arguments)
        version = answer.get("VersionId")
        self._stored.append({"Key": key, **({"VersionId": version} if version else {})})
        return dict(answer)

    def begin(self) -> dict[str, Any]:
        """Store the first one, without the condition where the server does not let it through."""
        try:
            return self.put("probe", _BODY, **Payload.of(_BODY).digests(), **self.create_only)
        except ClientError as error:
            if status_code(error) not in (412, 501):
                raise
        self.create_only = {}
        return self.put("probe", _BODY, **Payload.of(_BODY).digests())

    def head(self, what: str) -> dict[str, Any]:
        key = f"{self.name}-{what}.txt"
        return dict(self.client.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED"))

    def note(self, key: str, versions: list[str]) -> None:
        """Remember what else was stored, to be removed."""
        self._stored += [{"Key": key, "VersionId": version} for version in versions] or [{"Key": key}]

    def remove(self) -> Check:
        """Remove each version that was stored; where that is not allowed, put a marker before it."""
        left = set()
        for stored in self._stored:
            if not (self._is_removed(stored) or self._is_removed({"Key": stored["Key"]})):
                left.add(stored["Key"])
        if left:
            return ok(
                "probe objects", f"may not be removed with these credentials, and stay: {', '.join(sorted(left))}"
            )
        return ok("probe objects", "removed")

    def _is_removed(self, stored: dict[str, str]) -> bool:
        try:
            self.client.delete_object(Bucket=self.bucket, **stored)  # type: ignore[arg-type]
        except _BROKEN:
            return False
        return True


def _conditional(probe: _Probe, _: dict[str, Any]) -> Check:
    name = "conditional writes"
    tried = ProbeObject(probe.client, probe.bucket, f"{probe.name}-create-only.txt", may_be_removed=False)
    try:
        found = try_create_only(tried)
    except _BROKEN as error:
        return from_error(name, store_error(error, probe.bucket))
    finally:
        probe.note(tried.key, tried.versions)
    if found is CreateOnly.HONOURED:
        return ok(name, "a new object is created, a second one under its name refused: two runs at once are safe")
    seen = f"{found.value}. The program looks before it writes"
    fix = "Let one run at a time write to this archive, or use a server that honours If-None-Match"
    return warning(name, f"{seen}; two runs at once may write one record twice, of which the last counts", fix)


def _kept(probe: _Probe, first: dict[str, Any]) -> Check:
    name, wanted = "checksums kept", _sha256(_BODY)
    try:
        checksums = [first.get("ChecksumSHA256")] if first.get("ChecksumSHA256") else []
        if not checksums:
            checksums = [found] if (found := probe.head("probe").get("ChecksumSHA256")) else []
    except _BROKEN as error:
        return from_error(name, store_error(error, probe.bucket))
    if not checksums:
        fix = "Nothing: the program compares the ETag, or reads back what it stored, at the cost of time"
        return warning(name, "the server keeps no SHA-256 of an object", fix)
    if checksums[0] != wanted:
        return problem(name, "the server gives back another SHA-256 than was sent", "Do not use this server")
    return ok(name, "the SHA-256 that was sent comes back")


def _verified(probe: _Probe, _: dict[str, Any]) -> Check:
    name, fix = "checksums verified", "Nothing: the program compares what is stored with what it sent, each time"
    try:
        if probe_is_refused(probe, "wrong-sha256", {"ChecksumSHA256": _sha256(_OTHER_BODY)}):
            return ok(name, "bytes that do not fit their SHA-256 are refused")
        if probe_is_refused(probe, "wrong-md5", {"ContentMD5": Payload.of(_OTHER_BODY).digests()["ContentMD5"]}):
            return warning(name, "SHA-256 is not examined; the older Content-MD5 is, and the program sends both", fix)
    except _BROKEN as error:
        return from_error(name, store_error(error, probe.bucket))
    return warning(name, "the server stores bytes that do not fit their checksum", fix)


def _long_key(probe: _Probe, _: dict[str, Any]) -> Check:
    """A key as long as the longest that a diploma may have, in segments as long as those."""
    name = "key length"
    beginning = f"{probe.name}-/"
    wanted = len(probe.root.encode()) + LONGEST_KEY_BYTES
    rest = max(0, wanted - len(beginning.encode()) - len("-probe.txt"))
    segments = [min(LONGEST_SEGMENT_BYTES, rest - at) for at in range(0, rest, LONGEST_SEGMENT_BYTES + 1)]
    what = "/" + "/".join("x" * length for length in segments if length > 0)
    try:
        probe.put(f"{what}-probe", _BODY, **Payload.of(_BODY).digests(), **probe.create_only)
    except _BROKEN as error:
        fix = "Use a shorter ARCHIVE_PREFIX, or another server; diplomas with long serials or numbers would fail"
        if isinstance(error, ClientError) and error_code(error) in TOO_LONG_CODES:
            return problem(name, f"a key of {wanted} bytes is longer than this server takes", fix)
        if isinstance(error, ClientError) and status_code(error) >= 500:
            return problem(name, f"a key of {wanted} bytes is answered with {status_code(error)}", fix)
        return from_error(name, store_error(error, probe.bucket))
    return ok(name, f"the longest key that a diploma may have here, {wanted} bytes, is stored")


def probe_is_refused(probe: _Probe, what: str, digest: dict[str, str]) -> bool:
    """Return whether a body under the digest of another one is refused; raises what else goes wrong."""
    try:
        probe.put(f"{what}-probe", _BODY, **digest, **probe.create_only)
    except ClientError as error:
        if status_code(error) != 400:
            raise
        return True
    return False


def _sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
