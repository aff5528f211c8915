"""What S3 gives back is held against what S3 says of it before anybody believes it.

Rule: a body counts only with the announced length and with a witness: the SHA-256 that the server keeps, an ETag that
is the MD5, or a HEAD that agrees. What does not fit is read again, and then it is an error, never a value. Between this
program and its bucket lie gateways that answer one request in some hundred with nothing, a half, or a page of HTML.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError, FlexibleChecksumError, HTTPClientError, IncompleteReadError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from diploma_archive.errors import IntegrityError, Kind, StoreError, TooLargeError
from diploma_archive.model.payload import CHUNK_BYTES
from diploma_archive.store.objects import Head, hex_of
from diploma_archive.store.tries import TRIES, tries

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Came:
    """What was read: number of bytes, hex digests, and the ETag as the server wrote it."""

    size: int
    sha256: str
    md5: str
    etag: str


class Sink(Protocol):
    """Takes the bytes of an object; `restart` forgets those of an attempt that failed."""

    def restart(self) -> None:
        """Forget everything that was written."""

    def write(self, chunk: bytes) -> object:
        """Take some bytes."""


class Collected:
    """Keeps the bytes in memory; for objects with a size limit."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def restart(self) -> None:
        """Forget everything that was written."""
        self._parts.clear()

    def write(self, chunk: bytes) -> None:
        """Take some bytes."""
        self._parts.append(chunk)

    @property
    def body(self) -> bytes:
        """Return all of them."""
        return b"".join(self._parts)


class Nowhere:
    """Keeps nothing: the digests are all that is wanted."""

    def restart(self) -> None:
        """Forget nothing."""

    def write(self, chunk: bytes) -> None:
        """Take some bytes."""


class CheckedReading:
    """Reads the objects of one bucket; safe to call from several threads."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._server = (client.meta.endpoint_url, bucket)

    def read(
        self,
        key: str,
        sink: Sink,
        *,
        limit: tuple[str, int] | None = None,
        size: int | None = None,
        sha256: str | None = None,
        **which: Any,
    ) -> Came:
        """Read a whole object.

        Args:
            key: with the prefix.
            limit: what its kind is called and the most bytes it may have; None: any number.
            size: in bytes, as LIST or HEAD has it.
            sha256: what it should have (hex): then that is witness enough.
            which: `VersionId`, where it is not the newest.

        Raises:
            ClientError: S3 refused.
            BotoCoreError: S3 failed.
            TooLargeError: it is larger than its kind can be; nothing above the limit was read.
            IntegrityError: what came does not have the checksum that S3 keeps of it, again and again.
            StoreError: what came is not the object, again and again.
        """
        attempts: list[Came] = []
        problem, broken = "", None
        # Of a whole file botocore would compute the checksum a second time; its MD5, or a HEAD, says as much.
        mode: dict[str, Any] = {} if limit is None else {"ChecksumMode": "ENABLED"}
        for _ in tries():
            sink.restart()
            broken = None
            try:
                came, problem = self._once(key, sink, limit, size, sha256, mode | which)
            except (_BrokenBodyError, ResponseParserError) as error:
                broken = error
            except FlexibleChecksumError:
                # The next look is our own: of two writers at one moment rclone keeps the bytes of one, with their MD5,
                # and the checksum of the other, which it only echoes.
                problem, mode = _OTHER_SHA256, {}
            else:
                if not problem:
                    return came
                attempts.append(came)
        if isinstance(broken, ResponseParserError):
            problem = _NO_OBJECT
        elif broken is not None and broken.__cause__ is not None:
            raise broken.__cause__
        if problem == _NO_OBJECT:
            raise StoreError(
                "what answers at the S3 endpoint is no S3",
                fix="Check AWS_ENDPOINT_URL_S3, and what stands between it and this machine",
                kind=Kind.FATAL,
            )
        if problem == _OTHER_MD5 and self._server_has_other_etags(key, attempts):
            return attempts[-1]
        if problem in (_OTHER_SHA256, _OTHER_MD5):
            raise IntegrityError(
                "an object in the bucket is not what S3's own checksum of it says",
                fix="Run diploma-archive verify to see what is wrong",
            )
        raise StoreError(
            f"what S3 gives back {problem}, also when it is asked again",
            fix="Look at the S3 server and at what stands between it and this machine; the next run tries again",
            kind=Kind.RETRIABLE,
        )

    def read_start(self, key: str, count: int, *, size: int, etag: str) -> bytes:
        """Read the first `count` bytes of an object that has more.

        Args:
            size: of the whole object, as LIST has it.
            etag: as LIST has it, without quotes.

        Raises:
            as `read`.
        """
        for left in tries():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=key, Range=f"bytes=0-{count - 1}")
                with closing(answer["Body"]) as stream:
                    # A server that knows no ranges sends everything.
                    body = b"".join(islice(_chunks(stream), -(-count // CHUNK_BYTES)))[:count]
            except _BrokenBodyError as error:
                if not left:
                    raise error.__cause__ or error from None
            else:
                total = answer.get("ContentRange", f"/{answer.get('ContentLength')}").rpartition("/")[2]
                if len(body) == count and total in (str(size), "*") and answer.get("ETag", "").strip('"') == etag:
                    return body
        raise StoreError(
            "the beginning of an object is not what LIST says of it, also when it is asked for again",
            fix="Look at the S3 server and at what stands between it and this machine; the next run tries again",
            kind=Kind.RETRIABLE,
        )

    def head(self, key: str) -> Head | None:
        """Return what S3 says of an object, or None where it says that there is none.

        Raises:
            ClientError: S3 refused.
            BotoCoreError: S3 failed.
            StoreError: what answers is no S3, also when it is asked again.
        """
        for _ in tries():
            try:
                found = self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
            except ClientError as error:
                if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                    return None
                raise
            if found.get("ETag") and "ContentLength" in found:
                return Head(
                    found["ContentLength"],
                    hex_of(found.get("ChecksumSHA256"), found["ETag"]),
                    found["ETag"].strip('"'),
                    found.get("StorageClass", "STANDARD"),
                    found.get("ServerSideEncryption", ""),
                )
        raise StoreError(
            "what answers at the S3 endpoint says nothing of an object that it says is there",
            fix="Look at the S3 server and at what stands between it and this machine; the next run tries again",
            kind=Kind.RETRIABLE,
        )

    def _once(
        self,
        key: str,
        sink: Sink,
        limit: tuple[str, int] | None,
        size: int | None,
        wanted: str | None,
        which: dict[str, Any],
    ) -> tuple[Came, str]:
        """Return what one attempt brought, and what is wrong with it in words, "" where it fits."""
        answer = self._client.get_object(Bucket=self._bucket, Key=key, **which)
        etag, announced = answer.get("ETag", ""), answer.get("ContentLength")
        kept = hex_of(answer.get("ChecksumSHA256"), etag)
        sha256, md5, count = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        # Not `with answer["Body"]`: that is the raw stream below botocore's error translation.
        with closing(answer["Body"]) as stream:
            if limit is not None and (announced or 0) > limit[1]:
                raise _too_large(limit)
            for chunk in _chunks(stream):
                count += len(chunk)
                if limit is not None and count > limit[1]:
                    raise _too_large(limit)
                sha256.update(chunk)
                md5.update(chunk)
                sink.write(chunk)
        came = Came(count, sha256.hexdigest(), md5.hexdigest(), etag)
        plain = etag.strip('"').lower()
        if plain == came.md5:
            _MD5_SERVERS.add(self._server)
        if came.sha256 == wanted:
            return came, ""
        if not etag:
            return came, _NO_OBJECT
        if announced not in (None, count) or size not in (None, count):
            return came, "has another length than it should"
        if kept is not None:
            return came, "" if kept == came.sha256 or plain == came.md5 else _OTHER_SHA256
        if _MD5.fullmatch(plain) and _is_md5(answer):
            return came, "" if plain == came.md5 else _OTHER_MD5
        # HEAD of a version says no more than its GET did.
        return came, "" if "VersionId" in which or self._head_agrees(key, came) else "is not what S3 says of it"

    def _head_agrees(self, key: str, came: Came) -> bool:
        head = self.head(key)
        if head is None or head.sha256 not in (None, came.sha256):
            return False
        return (head.size, head.etag) == (came.size, came.etag.strip('"'))

    def _server_has_other_etags(self, key: str, attempts: list[Came]) -> bool:
        """Return whether it is the server's custom: no ETag of its was an MD5, and it says the same each time."""
        is_same = len(attempts) == TRIES and len(set(attempts)) == 1
        return self._server not in _MD5_SERVERS and is_same and self._head_agrees(key, attempts[-1])


_MD5_SERVERS: set[tuple[str, str]] = set()
"""Endpoints and buckets where an ETag was an MD5: there, one that is not is a fault, and no custom of the server."""

_NO_OBJECT = "is not an object of S3"
_OTHER_SHA256 = "does not have the checksum that S3 keeps of it"
_OTHER_MD5 = "does not have the MD5 that S3 calls it by"


def _is_md5(answer: Any) -> bool:
    """Return whether an ETag of 32 hex digits is the MD5 of the body: with keys of one's own or of KMS it is not."""
    return not answer.get("ServerSideEncryption", "").startswith("aws:kms") and not answer.get("SSECustomerAlgorithm")


class _BrokenBodyError(Exception):
    """A body that ended before its end; its cause is botocore's error. What broke before it, botocore has repeated."""


def _chunks(stream: Any) -> Iterator[bytes]:
    try:
        yield from stream.iter_chunks(CHUNK_BYTES)
    except (IncompleteReadError, HTTPClientError, HTTPError) as error:
        raise _BrokenBodyError from error


def _too_large(limit: tuple[str, int]) -> TooLargeError:
    kind, most = limit
    return TooLargeError(
        f"an object that should be {kind} has more than {most} bytes, so it is none; it was not read",
        fix="Run diploma-archive verify to see which, find out who put it there, and move it away",
    )
