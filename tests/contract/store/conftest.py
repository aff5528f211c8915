"""Two S3 servers that the store must work with, each behind the fault-injecting proxy; or one that a caller started.

Rule: one test, every server. Where a promise cannot hold on a server that ignores conditions, the test says what must
hold there instead; nothing is skipped silently.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import ExponentialBackoff

from diploma_archive.sandbox import LocalS3
from diploma_archive.store import tries
from diploma_archive.store.s3_client import build_clients, build_fast_path
from diploma_archive.store.store import Store
from tests.support.rclone import RcloneS3
from tests.support.s3_proxy import S3Proxy
from tests.support.world import PREFIX, Bucket, new_bucket

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


GIVEN = "S3_CONTRACT_SERVER"  # the settings of a server that runs already, as JSON: then it alone is asked


class GivenS3:
    """An S3 server that somebody else started."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings
        self.endpoint_url = settings["AWS_ENDPOINT_URL_S3"]

    def environment(self) -> dict[str, str]:
        """Return what lets boto3 find it."""
        return self._settings

    def create_bucket(self, name: str) -> None:
        """Make a bucket."""
        Bucket(self._settings, name, PREFIX).client.create_bucket(Bucket=name)

    def tried(self) -> Backend:
        """Return what may be expected of it, by trying."""
        name = f"archive-{uuid4().hex[:12]}"
        self.create_bucket(name)
        client = Bucket(self._settings, name, PREFIX).client
        client.put_object(Bucket=name, Key="k", Body=b"1", IfNoneMatch="*", ChecksumAlgorithm="SHA256")
        head = client.head_object(Bucket=name, Key="k", ChecksumMode="ENABLED")

        def refuses(secret: str = "", **arguments: str) -> bool:
            settings = {**self._settings, **({"AWS_SECRET_ACCESS_KEY": secret} if secret else {})}
            try:
                Bucket(settings, name, PREFIX).client.put_object(Bucket=name, Key="k", Body=b"2", **arguments)
            except ClientError:
                return True
            return False

        of_another = base64.b64encode(hashlib.sha256(b"3").digest()).decode()

        return Backend(
            self,
            honours_conditions=refuses(IfNoneMatch="*"),
            keeps_checksums="ChecksumSHA256" in head,
            checks_bodies=refuses(secret="wrong") or refuses(ChecksumSHA256=of_another),
        )


@dataclass(frozen=True)
class Backend:
    """An S3 server, and what may be expected of it."""

    server: LocalS3 | RcloneS3 | GivenS3
    honours_conditions: bool  # and refuses bytes that are not those of their checksum
    keeps_checksums: bool = True
    checks_bodies: bool = False  # by the signature or a checksum

    @property
    def look_first(self) -> bool:
        """How `create` must be called on this server for nothing to be overwritten (DESIGN.md section 6)."""
        return not self.honours_conditions


@pytest.fixture(scope="session")
def rclone() -> Iterator[RcloneS3]:
    """One `rclone serve s3` for the whole session."""
    with RcloneS3() as server:
        yield server


@pytest.fixture(scope="session", params=["given"] if GIVEN in os.environ else ["strict", "rclone"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """The moto server, as strict as a real S3 behind the proxy, and one that ignores conditions."""
    if request.param == "given":
        return GivenS3(json.loads(os.environ[GIVEN])).tried()
    if request.param == "strict":
        return Backend(request.getfixturevalue("s3"), honours_conditions=True)
    return Backend(request.getfixturevalue("rclone"), honours_conditions=False)


@pytest.fixture
def unsigned(backend: Backend) -> None:
    """A server that takes what the proxy changed on the way."""
    if backend.checks_bodies:
        pytest.skip("the server checks signatures or bodies: what is changed on the way is never stored")


@pytest.fixture(scope="session")
def shared_proxy(backend: Backend) -> Iterator[S3Proxy]:
    """The proxy in front of a server; one for all tests, so that one boto3 client serves them all."""
    with S3Proxy(backend.server.endpoint_url, strict=backend.honours_conditions) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def client(backend: Backend, shared_proxy: S3Proxy) -> Iterator[S3Client]:
    """The program's own patient client, through the proxy."""
    with pytest.MonkeyPatch.context() as outside:
        for name, value in shared_proxy.environment(backend.server.environment()).items():
            outside.setenv(name, value)
        first_look, client = build_clients(8, "not-used")
    first_look.close()
    yield client
    client.close()


@pytest.fixture
def proxy(shared_proxy: S3Proxy) -> Iterator[S3Proxy]:
    """The proxy between the store and the server, without faults or memories."""
    shared_proxy.reset()
    yield shared_proxy
    shared_proxy.on_request = None
    shared_proxy.reset()
    shared_proxy.raise_errors()


@pytest.fixture
def bucket(backend: Backend) -> Iterator[Bucket]:
    """An empty bucket, versioned where the server can; reads and writes here do not pass the proxy."""
    if isinstance(backend.server, LocalS3):
        bucket = new_bucket(backend.server)
    else:
        name = f"archive-{uuid4().hex[:12]}"
        backend.server.create_bucket(name)
        bucket = Bucket(backend.server.environment(), name, PREFIX)
    yield bucket
    bucket.client.close()


@pytest.fixture(params=["boto3", "fast_path"])
def store(
    request: pytest.FixtureRequest, client: S3Client, backend: Backend, bucket: Bucket, proxy: S3Proxy
) -> Iterator[Store]:
    """The store below the prefix of the bucket, through the proxy: by boto3 alone, and with the short way before it."""
    if request.param == "boto3":
        yield Store(client, bucket.name, bucket.prefix)
        return
    with pytest.MonkeyPatch.context() as outside:
        for name, value in proxy.environment(backend.server.environment()).items():
            outside.setenv(name, value)
        fast_path = build_fast_path(client, bucket.name)
    assert fast_path is not None
    yield Store(client, bucket.name, bucket.prefix, fast_path=fast_path)
    fast_path.close()


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the store itself meant to wait; nobody waits between two tries here."""
    waited: list[float] = []

    def no_delay(*_: Any) -> float:
        return 0.0

    monkeypatch.setattr(ExponentialBackoff, "delay_amount", no_delay)
    # A client's retries come out of one purse (500, 14 a retry), which the failures of all tests would empty.
    monkeypatch.setattr(RetryQuota, "acquire", lambda *_: True)
    monkeypatch.setattr(tries, "time", SimpleNamespace(sleep=waited.append))
    return waited
