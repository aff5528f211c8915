"""Objects in the bucket: create-only writes that are compared with what was sent (DESIGN.md section 6).

Rule: nothing is deleted and nothing is overwritten, `replace` (the cursor) excepted. Keys are relative to the prefix.
Everything here is synchronous and safe to call from several threads; boto3 clients are.
"""

from __future__ import annotations

import base64
import time
from enum import Enum

from botocore.exceptions import ClientError

from diploma_archive.archive.reader import Payload, Reader
from diploma_archive.archive.s3_errors import error_code, status_code
from diploma_archive.errors import IntegrityError, StoreError

JSON_TYPE = "application/json"
PDF_TYPE = "application/pdf"
BINARY_TYPE = "application/octet-stream"

CONFLICT_TRIES = 6  # 409 ConditionalRequestConflict: botocore does not retry it, S3 says to
_DIGEST_CODES = frozenset({"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"})


class Created(Enum):
    """What a create-only write found."""

    NEW = "new"
    SAME = "same"  # an object with our bytes was there, perhaps our own after a lost answer
    OTHER = "other"  # an object with other bytes was there; it was left alone


class Store(Reader):
    """The objects below one prefix of one bucket, with create-only writes."""

    def compare(self, key: str, payload: Payload) -> Created | None:
        """Return whether the object of this key has our bytes (SAME) or others (OTHER); None: there is none.

        Raises:
            StoreError: S3 refused or failed.
        """
        with self._translated():
            return None if self._head(key) is None else self._compare_existing(key, payload)

    def create(self, key: str, payload: Payload, content_type: str, *, look_first: bool = False) -> Created:
        """Store an object unless one of this key exists, and compare what S3 holds with what was sent.

        Args:
            look_first: ask whether the key exists before the PUT, for servers that ignore `If-None-Match`.

        Returns:
            Whether our bytes are new, were there already, or other bytes were there and left alone.

        Raises:
            IntegrityError: S3 holds other bytes than were sent.
            StoreError: S3 refused or failed.
        """
        with self._translated():
            if look_first and self._head(key) is not None:
                return self._compare_existing(key, payload)
            try:
                answer = self._put(key, payload, content_type)
            except ClientError as error:
                if status_code(error) != 412:
                    raise
                return self._compare_existing(key, payload)
            echoed = answer.get("ChecksumSHA256")
            if not self._as_sent(key, payload, echoed, answer.get("ETag", ""), answer.get("ServerSideEncryption", "")):
                raise IntegrityError(
                    "S3 holds other bytes than were sent; they are not counted as archived",
                    fix="Check the network and the S3 server; the next run tries again",
                )
            return Created.NEW

    def replace(self, key: str, body: bytes, etag: str | None) -> bool:
        """Store an object if it still is the one with this ETag (None: if there is none yet).

        Returns:
            False where another run was faster; nothing was stored then.

        Raises:
            StoreError: S3 refused or failed.
        """
        payload = Payload.of(body)
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        with self._translated():
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._root + key,
                    Body=body,
                    ContentType=JSON_TYPE,
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=_base64(payload.sha256),
                    **condition,  # type: ignore[arg-type]
                )
            except ClientError as error:
                if status_code(error) in (404, 409, 412):
                    # After a lost answer boto3's own retry meets what we just wrote.
                    stored = self.get(key)
                    return stored is not None and stored.body == body
                raise
        return True

    def _put(self, key: str, payload: Payload, content_type: str) -> dict[str, str]:
        for left in reversed(range(CONFLICT_TRIES)):
            try:
                return self._client.put_object(  # type: ignore[return-value]
                    Bucket=self._bucket,
                    Key=self._root + key,
                    Body=payload.rewound(),
                    ContentLength=payload.size,
                    ContentType=content_type,
                    IfNoneMatch="*",
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=_base64(payload.sha256),
                )
            except ClientError as error:
                retried = status_code(error) == 409 or error_code(error) in _DIGEST_CODES
                if not left or not retried:
                    raise
                time.sleep(0.05 * 2 ** (CONFLICT_TRIES - left))
        raise AssertionError("the loop above returns or raises")

    def _compare_existing(self, key: str, payload: Payload) -> Created:
        head = self._head(key)
        if head is None:
            raise StoreError("an object that S3 said exists is gone again", fix="The next run tries again")
        if head["ContentLength"] != payload.size:
            return Created.OTHER
        same = self._as_sent(
            key, payload, head.get("ChecksumSHA256"), head.get("ETag", ""), head.get("ServerSideEncryption", "")
        )
        return Created.SAME if same else Created.OTHER

    def _as_sent(self, key: str, payload: Payload, checksum: str | None, etag: str, encryption: str) -> bool:
        """Return whether S3 holds our bytes: the cheapest proof that the server offers decides.

        An ETag that is the body's MD5 is computed by the server from what it got. A checksum alone may be no more
        than an echo of our header (moto), unless the ETag cannot be an MD5, as under KMS encryption.
        """
        if checksum is not None and checksum != _base64(payload.sha256):
            return False
        if etag.strip('"').lower() == payload.md5:
            return True
        if checksum is not None and encryption.startswith("aws:kms"):
            return True
        return self._hash_of(key) == payload.sha256


def _base64(sha256_hex: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256_hex)).decode("ascii")
