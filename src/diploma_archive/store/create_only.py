"""Whether a server creates an object only where there is none (`If-None-Match: *`): tried, never believed.

Rule: both ways. A condition that holds must let the write through, and one that does not hold must stop it; what
another run that tries at the same moment may have disturbed decides for the careful way. Seen: servers that ignore the
condition (rclone), those that ignore it in versioned buckets alone (Ceph), and those that refuse the header.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from diploma_archive.model.keys import PROBES
from diploma_archive.model.payload import Payload
from diploma_archive.store.s3_errors import error_code, status_code
from diploma_archive.store.tries import past_conflicts

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

RUN_PROBE = f"{PROBES}create-only.txt"
_TEXT = b"diploma-archive wrote this to see what the S3 server does. It is no part of the archive.\n"


class CreateOnly(Enum):
    """What a server does with `If-None-Match: *`."""

    HONOURED = "an object is created only where there is none"
    IGNORED = "If-None-Match is silently ignored: a second create overwrites the first"
    REFUSED = "If-None-Match is not understood: it stops what it should let through"
    UNSURE = "If-None-Match could not be tried: another run did at the same moment"

    @property
    def looks_first(self) -> bool:
        """Return whether the program asks for an object before it creates it."""
        return self is not CreateOnly.HONOURED

    @property
    def is_sent(self) -> bool:
        """Return whether the condition is sent."""
        return self is not CreateOnly.REFUSED


@dataclass
class ProbeObject:
    """One key that is written, looked at and removed, and nothing else."""

    client: S3Client
    bucket: str
    key: str  # with the prefix
    may_be_removed: bool = True
    versions: list[str] = field(default_factory=list)

    def create(self) -> bool | None:
        """Write it if there is none; return whether that was done, None where the server refuses the condition.

        Raises:
            ClientError, BotoCoreError: S3 refused or failed.
        """
        try:
            past_conflicts(lambda: self.put(IfNoneMatch="*"))
        except ClientError as error:
            if status_code(error) == 412:
                return False
            if status_code(error) == 501 or error_code(error) in ("NotImplemented", "InvalidArgument"):
                return None
            raise
        return True

    def put(self, **condition: Any) -> None:
        """Write it, each time with other bytes.

        Raises:
            ClientError, BotoCoreError: S3 refused or failed.
        """
        body = _TEXT + os.urandom(8).hex().encode() + b"\n"
        payload = Payload.of(body)
        answer = self.client.put_object(
            Bucket=self.bucket, Key=self.key, Body=body, ContentType="text/plain", **payload.digests(), **condition
        )
        if answer.get("VersionId"):
            self.versions.append(answer["VersionId"])

    def exists(self) -> bool:
        """Return whether it is there.

        Raises:
            ClientError, BotoCoreError: S3 refused or failed.
        """
        try:
            self.client.head_object(Bucket=self.bucket, Key=self.key)
        except ClientError as error:
            if status_code(error) == 404:
                return False
            raise
        return True

    def remove(self) -> bool:
        """Remove it, and return whether that was allowed."""
        try:
            self.client.delete_object(Bucket=self.bucket, Key=self.key)
        except ClientError:
            self.may_be_removed = False
        return self.may_be_removed


def try_create_only(probe: ProbeObject) -> CreateOnly:
    """Return what a server does with `If-None-Match: *` on a key that is new and on one that exists.

    The probe is removed afterwards where that is allowed; else it stays, and the next try begins with it.

    Raises:
        ClientError, BotoCoreError: S3 refused or failed.
    """
    try:
        return _tried(probe)
    finally:
        if probe.may_be_removed:
            probe.remove()


def _tried(probe: ProbeObject) -> CreateOnly:
    first = probe.create()
    if first is None:
        return CreateOnly.REFUSED
    if not first:
        return _after_refusal(probe)
    again = probe.create()
    for _ in range(2):  # a success that another run made possible, by removing the probe, is no proof
        if again is False:
            return CreateOnly.HONOURED
        if again is None or not probe.exists():
            return CreateOnly.UNSURE
        again = probe.create()
    return CreateOnly.IGNORED if again else CreateOnly.HONOURED


def _after_refusal(probe: ProbeObject) -> CreateOnly:
    """Return what follows from a first create that was refused, as it must be where the probe is there already."""
    if not probe.exists():
        # Another run removed it meanwhile, or the server refuses where there is nothing.
        return CreateOnly.HONOURED if probe.create() else _refuses_what_is_new(probe)
    if not probe.remove():
        return CreateOnly.HONOURED  # the other half cannot be tried with these rights
    return CreateOnly.HONOURED if probe.create() else _refuses_what_is_new(probe)


def _refuses_what_is_new(probe: ProbeObject) -> CreateOnly:
    """Return what follows where a create was refused that perhaps should not have been.

    Other runs may be at the same key, and the condition is what protects the archive from them: so it is given up only
    for what the server does under a key that nobody else knows.
    """
    own = ProbeObject(probe.client, probe.bucket, f"{probe.key}.{os.urandom(8).hex()}")
    if not own.create():
        return CreateOnly.REFUSED
    own.remove()
    return CreateOnly.UNSURE
