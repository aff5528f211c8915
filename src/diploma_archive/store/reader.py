"""Objects in the bucket, read: nothing in here writes. Keys are relative to the prefix.

Rule: a 403 is never taken for "absent". Everything is synchronous and safe to call from several threads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from diploma_archive.errors import Kind, ObjectMissingError, StoreError
from diploma_archive.model.payload import CHUNK_BYTES, Payload
from diploma_archive.store.objects import Digest, Head, Listed, Stored, hex_of
from diploma_archive.store.s3_errors import error_code, status_code, store_error

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef


class Reader:
    """The objects below one prefix of one bucket, to be read."""

    def __init__(self, client: S3Client, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._root = f"{prefix}/" if prefix else ""

    def get(self, key: str) -> Stored | None:
        """Return an object, or None where S3 says that there is none.

        Raises:
            StoreError: S3 refused or failed; a 403 is never taken for "absent".
        """
        with self._translated():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._root + key, ChecksumMode="ENABLED")
                with closing(answer["Body"]) as body:
                    return Stored(body.read(), answer.get("ETag", ""))
            except ClientError as error:
                if error_code(error) == "NoSuchKey":
                    return None
                raise

    def head(self, key: str) -> Head | None:
        """Return what S3 says of an object, or None where it says that there is none.

        Raises:
            StoreError: S3 refused or failed.
        """
        found = self._head(key)
        if found is None:
            return None
        return Head(
            found["ContentLength"],
            hex_of(found.get("ChecksumSHA256"), found.get("ETag", "")),
            found.get("ETag", "").strip('"'),
            found.get("StorageClass", "STANDARD"),
            found.get("ServerSideEncryption", ""),
        )

    def read_into(self, key: str, file: BinaryIO) -> Payload:
        """Copy the bytes of an object into a file, hashed while they come, and return what came.

        Raises:
            ObjectMissingError: S3 says that there is no such object.
            StoreError: S3 refused or failed.
        """
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        for chunk in self._chunks(key):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
            file.write(chunk)
        return Payload(file, sha256.hexdigest(), md5.hexdigest(), size)

    def digest(self, key: str) -> Digest | None:
        """Return size and SHA-256 of the bytes of an object, read in full, or None where S3 says that there is none.

        Raises:
            StoreError: S3 refused or failed.
        """
        sha256, size = hashlib.sha256(), 0
        try:
            for chunk in self._chunks(key):
                sha256.update(chunk)
                size += len(chunk)
        except ObjectMissingError:
            return None
        return Digest(size, sha256.hexdigest())

    def get_start(self, key: str, size: int) -> bytes | None:
        """Return the first bytes of an object, `size` at the most, or None where S3 says that there is none.

        Raises:
            StoreError: S3 refused or failed.
        """
        with self._translated():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._root + key, Range=f"bytes=0-{size - 1}")
                with closing(answer["Body"]) as body:
                    return body.read(size)
            except ClientError as error:
                if status_code(error) == 416:  # an empty object has no first byte
                    return b""
                if error_code(error) == "NoSuchKey":
                    return None
                raise

    def exists(self, key: str) -> bool:
        """Return whether there is an object of this key.

        Raises:
            StoreError: S3 refused or failed.
        """
        return self._head(key) is not None

    def list(self, prefix: str, *, at_most: int | None = None) -> Iterator[Listed]:
        """Yield the objects below a key prefix, sorted by key, 1,000 a request.

        Raises:
            StoreError: S3 refused or failed.
        """
        left = at_most
        with self._translated():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket,
                Prefix=self._root + prefix,
                PaginationConfig={} if at_most is None else {"PageSize": min(at_most, 1000)},
            )
            for page in pages:
                if "IsTruncated" not in page and "KeyCount" not in page:
                    raise StoreError(
                        "what answers at the S3 endpoint does not list the bucket",
                        fix="Check AWS_ENDPOINT_URL_S3",
                        kind=Kind.FATAL,
                    )
                for row in page.get("Contents", ()):
                    yield Listed(
                        row["Key"].removeprefix(self._root),
                        row["Size"],
                        row.get("ETag", "").strip('"'),
                        row["LastModified"],
                        row.get("StorageClass", "STANDARD"),
                    )
                    left = left if left is None else left - 1
                    if left == 0:
                        return

    def _head(self, key: str) -> HeadObjectOutputTypeDef | None:
        with self._translated():
            try:
                return self._client.head_object(Bucket=self._bucket, Key=self._root + key, ChecksumMode="ENABLED")
            except ClientError as error:
                if status_code(error) == 404:
                    return None
                raise

    def _chunks(self, key: str) -> Iterator[bytes]:
        with self._translated():
            answer = self._client.get_object(Bucket=self._bucket, Key=self._root + key)
            # Not `with answer["Body"]`: that is the raw stream below botocore's error translation.
            with closing(answer["Body"]) as body:
                yield from body.iter_chunks(CHUNK_BYTES)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError, HTTPClientError, HTTPError, RecursionError) as error:
            raise store_error(error, self._bucket) from None
