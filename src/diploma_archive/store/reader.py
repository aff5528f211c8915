"""Objects in the bucket, read: nothing in here writes. Keys are relative to the prefix.

Rule: a 403 is never taken for "absent". Everything is synchronous and safe to call from several threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from diploma_archive.errors import Kind, ObjectMissingError, StoreError
from diploma_archive.model.payload import Payload
from diploma_archive.model.size_limits import LARGEST, size_limit
from diploma_archive.store.checked_reading import CheckedReading, Collected, Nowhere
from diploma_archive.store.listing import object_pages
from diploma_archive.store.objects import Digest, Head, Listed, Stored
from diploma_archive.store.s3_errors import error_code, store_error

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


class Reader:
    """The objects below one prefix of one bucket, to be read."""

    def __init__(self, client: S3Client, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._root = f"{prefix}/" if prefix else ""
        self._reading = CheckedReading(client, bucket)

    def get(self, key: str, *, listed: Listed | None = None) -> Stored | None:
        """Return an object, or None where S3 says that there is none.

        Args:
            listed: its row of a LIST, where one is known: what has another size is not believed.

        Raises:
            TooLargeError: it is larger than its kind can be (`model/size_limits.py`); it was not read.
            IntegrityError: it does not have the checksum that S3 keeps of it.
            StoreError: S3 refused or failed; a 403 is never taken for "absent".
        """
        limit, collected, size = size_limit(key) or LARGEST, Collected(), listed.size if listed else None
        with self._translated():
            try:
                came = self._reading.read(self._root + key, collected, limit=limit, size=size)
            except ClientError as error:
                if error_code(error) == "NoSuchKey":
                    return None
                raise
        return Stored(collected.body, came.etag)

    def head(self, key: str) -> Head | None:
        """Return what S3 says of an object, or None where it says that there is none.

        Raises:
            StoreError: S3 refused or failed.
        """
        with self._translated():
            return self._reading.head(self._root + key)

    def read_into(self, key: str, file: BinaryIO) -> Payload:
        """Copy the bytes of an object into a file, hashed while they come, and return what came.

        Args:
            file: at the place where the object shall begin; what comes may be written there more than once.

        Raises:
            ObjectMissingError: S3 says that there is no such object.
            IntegrityError: it does not have the checksum that S3 keeps of it.
            StoreError: S3 refused or failed.
        """
        with self._translated():
            came = self._reading.read(self._root + key, _IntoFile(file))
        return Payload(file, came.sha256, came.md5, came.size)

    def digest(self, key: str, *, listed: Listed | None = None, expected: str | None = None) -> Digest | None:
        """Return size and SHA-256 of the bytes of an object, read in full, or None where S3 says that there is none.

        Args:
            listed: as for `get`.
            expected: the SHA-256 (hex) that it should have; where it has, no other witness is asked.

        Raises:
            IntegrityError: it does not have the checksum that S3 keeps of it.
            StoreError: S3 refused or failed.
        """
        try:
            with self._translated():
                size = listed.size if listed else None
                came = self._reading.read(self._root + key, Nowhere(), size=size, sha256=expected)
        except ObjectMissingError:
            return None
        return Digest(came.size, came.sha256)

    def get_start(self, listed: Listed, count: int) -> bytes | None:
        """Return the first bytes of an object, `count` at the most, or None where S3 says that there is none.

        Raises:
            StoreError: S3 refused or failed.
        """
        key, collected = self._root + listed.key, Collected()
        with self._translated():
            try:
                if listed.size > count:
                    return self._reading.read_start(key, count, size=listed.size, etag=listed.etag)
                self._reading.read(key, collected, limit=("what LIST says", count), size=listed.size)
            except ClientError as error:
                if error_code(error) == "NoSuchKey":
                    return None
                raise
        return collected.body

    def exists(self, key: str) -> bool:
        """Return whether there is an object of this key.

        Raises:
            StoreError: S3 refused or failed.
        """
        return self.head(key) is not None

    def list(self, prefix: str, *, at_most: int | None = None) -> Iterator[Listed]:
        """Yield the objects below a key prefix, 1,000 a request, in the order of the server.

        Whoever relies on the order of the keys says so (`in_order`).

        Raises:
            StoreError: S3 refused or failed, or the listing is not complete.
        """
        size = None if at_most is None else min(at_most, 1000)
        with self._translated():
            pages = object_pages(self._client, self._bucket, self._root + prefix, page_size=size)
            yield from islice((self._row(row) for page in pages for row in page.get("Contents", ())), at_most)

    def _row(self, row: Mapping[str, Any]) -> Listed:
        return Listed(
            row["Key"].removeprefix(self._root),
            row["Size"],
            row.get("ETag", "").strip('"'),
            row["LastModified"],
            row.get("StorageClass", "STANDARD"),
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError, HTTPClientError, HTTPError, RecursionError, ResponseParserError) as error:
            raise store_error(error, self._bucket) from None


class _IntoFile:
    """Writes into a file, again from the same place after an attempt that failed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._begins = file.tell() if file.seekable() else None
        self._is_clean = True

    def restart(self) -> None:
        """Forget everything that was written."""
        if self._is_clean:
            return
        if self._begins is None:
            raise StoreError("an object could not be read whole", fix="Start again", kind=Kind.RETRIABLE)
        self._file.seek(self._begins)
        self._file.truncate()

    def write(self, chunk: bytes) -> None:
        """Take some bytes."""
        self._is_clean = False
        self._file.write(chunk)
