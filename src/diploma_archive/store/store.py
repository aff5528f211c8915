"""Objects in the bucket: create-only writes that are compared with what was sent (DESIGN.md section 6).

Rule: nothing is deleted (but housekeeping) and nothing is overwritten (but an index entry that does not fit its record,
from which it follows). Keys are relative to the prefix.
Everything here is synchronous and safe to call from several threads; boto3 clients are.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from diploma_archive.errors import IntegrityError, Kind, StoreError, TooLargeError
from diploma_archive.model.keys import CERTIFICATES, CHECKPOINTS, CURSORS, PROBES
from diploma_archive.model.payload import Payload
from diploma_archive.model.size_limits import is_too_large, size_limit
from diploma_archive.store.create_only import RUN_PROBE, CreateOnly, ProbeObject, try_create_only
from diploma_archive.store.fast_put_and_head import ABSENT, FastPath
from diploma_archive.store.object_lock import ObjectLock, refuse_without_object_lock
from diploma_archive.store.objects import Digest, Head, hex_of
from diploma_archive.store.reader import Reader
from diploma_archive.store.s3_errors import TOO_LONG_CODES, error_code, status_code
from diploma_archive.store.tries import past_conflicts, until_found

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import PutObjectOutputTypeDef

JSON_TYPE = "application/json"
PDF_TYPE = "application/pdf"
BINARY_TYPE = "application/octet-stream"

_DIGEST_CODES = ("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch")


class Created(Enum):
    """What a create-only write found."""

    NEW = "new"
    SAME = "same"  # an object with our bytes was there, perhaps our own after a lost answer
    OTHER = "other"  # an object with other bytes was there; it was left alone


class Store(Reader):
    """The objects below one prefix of one bucket, with create-only writes; the evidence is locked where `lock` says."""

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        prefix: str,
        lock: ObjectLock | None = None,
        fast_path: FastPath | None = None,
    ) -> None:
        super().__init__(client, bucket, prefix)
        self._lock = lock
        self._fast_path = None if lock else fast_path  # what is locked is locked by boto3
        self._sends_condition = True

    def try_create_only(self) -> CreateOnly:
        """Find out what the server does with `If-None-Match`, write accordingly from now on, and return it.

        Raises:
            StoreError: S3 refused or failed.
        """
        with self._translated():
            try:
                found = try_create_only(ProbeObject(self._client, self._bucket, self._root + RUN_PROBE))
            except ClientError as error:
                if error_code(error) in TOO_LONG_CODES:  # a short key as keys go here: no diploma's would fit
                    raise self._too_long(RUN_PROBE, Kind.FATAL) from None
                raise
        self._sends_condition = found.is_sent
        if not found.is_sent:
            self._fast_path = None
        return found

    def check_lock(self) -> None:
        """Check, where objects are to be locked, that the bucket can do it; warn where nobody could erase them.

        Raises:
            StoreError: it cannot, or S3 failed.
        """
        if self._lock is not None:
            self._lock.warn()
            with self._translated():
                refuse_without_object_lock(self._client, self._bucket)

    def compare(self, key: str, payload: Payload) -> Created | None:
        """Return whether the object of this key has our bytes (SAME) or others (OTHER); None: there is none.

        Raises:
            StoreError: S3 refused or failed.
        """
        found = self._fast_path.head(self._root + key) if self._fast_path else None
        if found is ABSENT:
            return None
        head = found if isinstance(found, Head) else self.head(key)
        return None if head is None else self._compare_with(head, key, payload)

    def create(self, key: str, payload: Payload, content_type: str, *, look_first: bool = False) -> Created:
        """Store an object unless one of this key exists, and compare what S3 holds with what was sent.

        Args:
            look_first: ask whether the key exists before the PUT, for servers that ignore `If-None-Match`.

        Returns:
            Whether our bytes are new, were there already, or other bytes were there and left alone.

        Raises:
            TooLargeError: no reader would believe it; nothing was sent.
            IntegrityError: S3 holds other bytes than were sent.
            StoreError: S3 refused or failed.
        """
        if is_too_large(key, payload.size):
            raise too_large_to_write(key)
        if look_first:
            found = self.compare(key, payload)
            if found is not None:
                return found
        sent = self._fast_path.put(self._root + key, payload, content_type) if self._fast_path else None
        if sent is not None:
            self._check_stored(key, payload, dataclasses.replace(sent, size=payload.size))
            return Created.NEW
        with self._translated():
            try:
                answer = self._put(key, payload, content_type)
            except ClientError as error:
                if status_code(error) != 412:
                    raise
                found = until_found(lambda: self.compare(key, payload))
                if found is None:
                    raise StoreError(
                        "an object that S3 said exists is gone again", fix="The next run tries again"
                    ) from None
                return found
        self._check_stored(key, payload, _head_of(answer, payload))
        return Created.NEW

    def overwrite(self, key: str, body: bytes) -> bool:
        """Store an index entry, whatever lies there: it follows from its record, which never changes.

        Returns:
            False where these credentials may not overwrite; nothing was stored then.

        Raises:
            IntegrityError: S3 holds other bytes than were sent.
            StoreError: S3 refused or failed.
        """
        payload = Payload.of(body)
        if is_too_large(key, payload.size):
            raise too_large_to_write(key)
        if not key.startswith(CERTIFICATES):
            raise AssertionError("nothing but an index entry is ever overwritten here")
        with self._translated():
            try:
                answer = self._put_object(key, Body=body, ContentType=JSON_TYPE, **payload.digests())
            except ClientError as error:
                if error_code(error) == "AccessDenied":
                    return False
                raise
        self._check_stored(key, payload, _head_of(answer, payload))
        return True

    def remove_housekeeping(self, key: str) -> None:
        """Remove a checkpoint, an old cursor or a probe: the kinds of objects that go again.

        Raises:
            StoreError: S3 refused or failed.
        """
        if not key.startswith((CHECKPOINTS, CURSORS, PROBES)):
            raise AssertionError("nothing but housekeeping is ever removed here")
        with self._translated():
            self._client.delete_object(Bucket=self._bucket, Key=self._root + key)

    def _put(self, key: str, payload: Payload, content_type: str) -> PutObjectOutputTypeDef:
        return past_conflicts(
            lambda: self._put_object(
                key,
                Body=payload.rewound(),
                ContentLength=payload.size,
                ContentType=content_type,
                **({"IfNoneMatch": "*"} if self._sends_condition else {}),
                **payload.digests(),
            ),
            *_DIGEST_CODES,
        )

    def _put_object(self, key: str, **arguments: Any) -> PutObjectOutputTypeDef:
        lock = self._lock.put_arguments(key, datetime.now(UTC)) if self._lock else {}
        try:
            return self._client.put_object(Bucket=self._bucket, Key=self._root + key, **lock, **arguments)
        except ClientError as error:
            if error_code(error) in TOO_LONG_CODES:
                raise self._too_long(key) from None
            refusal = self._lock.refusal(error) if self._lock and lock else None
            if refusal is not None:
                raise refusal from None
            raise

    def _too_long(self, key: str, kind: Kind | None = None) -> StoreError:
        return StoreError(
            f"a key of {len((self._root + key).encode())} bytes is longer than this S3 server takes",
            fix="Use a shorter ARCHIVE_PREFIX or another server; diploma-archive doctor tries the longest key",
            kind=kind,
        )

    def _check_stored(self, key: str, payload: Payload, head: Head) -> None:
        if self._compare_with(head, key, payload) is not Created.SAME:
            raise IntegrityError(
                "S3 holds other bytes than were sent; they are not counted as archived",
                fix="Check the network and the S3 server; the next run tries again",
            )

    def _compare_with(self, head: Head, key: str, payload: Payload) -> Created:
        """Return whether S3 holds our bytes: the cheapest proof that the server offers decides.

        An ETag that is the body's MD5 is computed by the server from what it got. A checksum alone may be no more
        than an echo of a header (moto), even of another writer's (rclone), unless the ETag cannot be an MD5, as under
        KMS encryption. Where the two contradict each other, the bytes decide.
        """
        is_our_md5, is_our_sha256 = head.etag.lower() == payload.md5, head.sha256 in (None, payload.sha256)
        if head.size != payload.size or not (is_our_md5 or is_our_sha256):
            return Created.OTHER
        if is_our_sha256 and (is_our_md5 or (head.sha256 and head.encryption.startswith("aws:kms"))):
            return Created.SAME
        try:
            read = self.digest(key, expected=payload.sha256)
        except IntegrityError:
            return Created.OTHER
        return Created.SAME if read == Digest(payload.size, payload.sha256) else Created.OTHER


def too_large_to_write(key: str) -> TooLargeError:
    """Return the error of an object that has more bytes than one of its kind may have."""
    kind, most = size_limit(key) or ("", 0)
    return TooLargeError(
        f"{kind} would have more than {most} bytes, and nobody would read it again",
        fix="Look at this diploma in FrontCore: one of its texts is very long",
    )


def _head_of(answer: PutObjectOutputTypeDef, payload: Payload) -> Head:
    return Head(
        payload.size,
        hex_of(answer.get("ChecksumSHA256"), answer.get("ETag", "")),
        answer.get("ETag", "").strip('"'),
        "",
        answer.get("ServerSideEncryption", ""),
    )
