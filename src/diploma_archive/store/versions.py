"""All versions of objects, and their removal: the only place in this program that deletes.

Rule: it is opened with the erasure credentials alone, and what S3 refuses to remove is named, never passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from diploma_archive.errors import (
    IntegrityError,
    Kind,
    ObjectMissingError,
    ObjectRefusedError,
    StoreError,
    TooLargeError,
)
from diploma_archive.model.json_document import utc_text
from diploma_archive.model.size_limits import size_limit
from diploma_archive.store.checked_reading import Collected
from diploma_archive.store.listing import Page, in_order, out_of_order, version_pages
from diploma_archive.store.s3_errors import error_code, status_code
from diploma_archive.store.store import Store

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import PutObjectOutputTypeDef

# MinIO says InvalidRequest of a locked version, Amazon AccessDenied.
_REFUSALS = frozenset({"AccessDenied", "InvalidRequest", "ObjectLocked", "InvalidObjectState", "OperationAborted"})


@dataclass(frozen=True)
class Version:
    """One version of an object, or a delete marker; `version_id` is None where the server has no versions."""

    key: str
    version_id: str | None
    is_latest: bool
    is_delete_marker: bool = False


@dataclass(frozen=True)
class Kept:
    """A version that S3 does not remove, and why; `until` is None where there is no date."""

    version: Version
    reason: str  # `governance` or `compliance` (Object Lock), `legal hold`, or `refused`
    until: datetime | None = None

    def to_document(self) -> dict[str, Any]:
        """Return it as the command prints it."""
        return {
            "key": self.version.key,
            "version": self.version.version_id,
            "reason": self.reason,
            "until": self.until and utc_text(self.until),
        }


class Eraser(Store):
    """The objects below one prefix of one bucket with all their versions, to be read and removed.

    Attributes:
        lists_versions: False once objects were seen that no LIST of versions gave.
        met_versions: whether an answer to a PUT or DELETE named a version or a delete marker.
    """

    lists_versions = True
    met_versions = False

    def __init__(self, client: S3Client, bucket: str, prefix: str, **options: Any) -> None:
        super().__init__(client, bucket, prefix, **{**options, "fast_path": None})  # whose answers name no version

    def versions(self, prefix: str) -> Iterator[Version]:
        """Yield all versions and delete markers below a key prefix, sorted by key.

        Where the server knows no versions, yield the objects; `lists_versions` is False from then on.

        Raises:
            StoreError: S3 refused or failed, or the listing is not complete or not in order.
        """
        any_version, last = False, ""
        for version in self._versions(prefix):
            if version.key < last:
                raise out_of_order()
            any_version, last = True, version.key
            yield version
        if not any_version:
            # Some servers answer a LIST of versions with an empty one: that must never look like "nothing is left".
            for row in in_order(self.list(prefix)):
                self.lists_versions = False
                yield Version(row.key, None, is_latest=True)

    def read_version(self, version: Version) -> bytes | None:
        """Return the bytes of a version, or None where it cannot be read now or is no document (far too large).

        Raises:
            StoreError: S3 failed.
        """
        collected = Collected()
        try:
            with self._translated():
                which = _which(version, latest_by_key=True)
                self._reading.read(self._root + version.key, collected, limit=size_limit(version.key), **which)
        except (ObjectMissingError, ObjectRefusedError, TooLargeError, IntegrityError):
            return None
        return collected.body

    def lock_of(self, version: Version) -> Kept | None:
        """Return what keeps a version from being removed, or None where nothing does, as far as S3 says.

        Raises:
            StoreError: S3 failed.
        """
        if version.is_delete_marker:
            return None
        with self._translated():
            try:
                head = self._client.head_object(
                    Bucket=self._bucket, Key=self._root + version.key, **_which(version, latest_by_key=True)
                )
            except ClientError as error:
                if status_code(error) in (400, 403, 404, 405):
                    return None
                raise
        until = head.get("ObjectLockRetainUntilDate")
        if head.get("ObjectLockLegalHoldStatus") == "ON":
            return Kept(version, "legal hold", until)
        if until is not None and until > datetime.now(until.tzinfo):
            return Kept(version, str(head.get("ObjectLockMode", "object lock")).lower(), until)
        return None

    def remove(self, version: Version) -> Kept | None:
        """Remove one version for good; return None, or why S3 does not.

        Raises:
            StoreError: S3 does not accept the credentials, or failed.
        """
        with self._translated():
            try:
                which = _which(version)
                answer = self._client.delete_object(Bucket=self._bucket, Key=self._root + version.key, **which)
                self.met_versions |= answer.get("VersionId") not in (None, "null") or bool(answer.get("DeleteMarker"))
            except ClientError as error:
                if error_code(error) in _REFUSALS:
                    return self.lock_of(version) or Kept(version, "refused")
                raise
        return None

    def _put_object(self, key: str, **arguments: Any) -> PutObjectOutputTypeDef:
        answer = super()._put_object(key, **arguments)
        self.met_versions |= answer.get("VersionId") not in (None, "null")
        return answer

    def _versions(self, prefix: str) -> Iterator[Version]:
        with self._translated():
            try:
                for page in version_pages(self._client, self._bucket, self._root + prefix):
                    yield from sorted(self._of_page(page), key=lambda version: version.key)
            except ClientError as error:
                if status_code(error) in (405, 501) or error_code(error) == "NotImplemented":
                    return
                if error_code(error) == "AccessDenied":
                    raise StoreError(
                        "S3 does not let the erasure credentials list the versions of the archive",
                        fix="Give them the policy deployments/iam/eraser.json",
                        kind=Kind.FATAL,
                    ) from None
                raise

    def _of_page(self, page: Page) -> Iterator[Version]:
        for row in page.get("Versions", ()):
            yield Version(row["Key"].removeprefix(self._root), row["VersionId"], row["IsLatest"])
        for marker in page.get("DeleteMarkers", ()):
            key = marker["Key"].removeprefix(self._root)
            yield Version(key, marker["VersionId"], marker["IsLatest"], is_delete_marker=True)


def _which(version: Version, *, latest_by_key: bool = False) -> dict[str, Any]:
    """Return how to name a version to S3; some servers do not know the newest one of a plain bucket as `null`."""
    by_key = version.version_id is None or (latest_by_key and version.is_latest)
    return {} if by_key else {"VersionId": version.version_id}
