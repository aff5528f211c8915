"""Object Lock, passed through on PUT: what is locked, until when, and whether the bucket can do it.

Rule: only the evidence is locked (PDFs, records, index entries); what must move or go stays free.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from diploma_archive.errors import Kind, StoreError
from diploma_archive.model.keys import CERTIFICATES, DIPLOMAS
from diploma_archive.store.s3_errors import error_code, status_code

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from diploma_archive.settings.archive import ArchiveSettings

LOCKED = (DIPLOMAS, CERTIFICATES)
_NO_LOCK_CODES = frozenset(
    {"InvalidRequest", "InvalidBucketState", "ObjectLockConfigurationNotFoundError", "NotImplemented"}
)

log = logging.getLogger("diploma_archive.object_lock")


@dataclass(frozen=True)
class ObjectLock:
    """How the evidence is locked: `governance` or `compliance`, and for how many years from its PUT."""

    mode: str
    years: int

    @classmethod
    def of(cls, where: ArchiveSettings) -> ObjectLock | None:
        """Return what the settings ask for, or None: nothing is locked."""
        if where.object_lock_mode is None or where.retain_years is None:
            return None
        return cls(where.object_lock_mode, where.retain_years)

    def put_arguments(self, key: str, now: datetime) -> dict[str, Any]:
        """Return what `put_object` is told of an object: nothing where it is not locked.

        Args:
            key: relative to the prefix.
            now: when it is stored.
        """
        if not key.startswith(LOCKED):
            return {}
        return {"ObjectLockMode": self.mode.upper(), "ObjectLockRetainUntilDate": retain_until(now, self.years)}

    def refusal(self, error: ClientError) -> StoreError | None:
        """Return what to say where S3 refused a locked PUT because of the lock, or None where it may be anything."""
        if error_code(error) in _NO_LOCK_CODES or status_code(error) == 501:
            return _cannot_lock()
        if error_code(error) == "AccessDenied":
            return StoreError(
                "S3 refuses PutObject with Object Lock",
                fix="Give the credentials s3:PutObject and s3:PutObjectRetention on the objects (deployments/iam/"
                "archiver.json and lock.json), or unset ARCHIVE_OBJECT_LOCK_MODE",
                kind=Kind.FATAL,
            )
        return None

    def warn(self) -> None:
        """Say at each run that nobody will be able to erase, where that is so."""
        if self.mode == "compliance":
            log.warning(
                "ARCHIVE_OBJECT_LOCK_MODE is compliance: nobody can erase what this run archives for %s years, "
                "not even on a court's order",
                self.years,
            )


def retain_until(now: datetime, years: int) -> datetime:
    """Return the moment so many years later (UTC, whole seconds); 29 February becomes 1 March."""
    moment = now.astimezone(UTC).replace(microsecond=0)
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:
        return moment.replace(year=moment.year + years, month=3, day=1)


def refuse_without_object_lock(client: S3Client, bucket: str) -> None:
    """Check that a bucket can lock objects; credentials that may not ask learn it from their first PUT.

    Raises:
        StoreError: it cannot; fatal.
    """
    try:
        answer = client.get_object_lock_configuration(Bucket=bucket)
        enabled = answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"
    except ClientError as error:
        if error_code(error) not in _NO_LOCK_CODES and status_code(error) not in (403, 404, 405, 501):
            raise
        enabled = status_code(error) == 403
    if not enabled:
        raise _cannot_lock()


def _cannot_lock() -> StoreError:
    return StoreError(
        "ARCHIVE_OBJECT_LOCK_MODE is set, but this bucket cannot lock objects",
        fix="Switch Object Lock on for the bucket (deployments/bucket.yaml), or unset ARCHIVE_OBJECT_LOCK_MODE "
        "and ARCHIVE_RETAIN_YEARS",
        kind=Kind.FATAL,
    )
