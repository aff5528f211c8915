"""The short way to S3: what it sends, when it is not taken, and that it never decides anything but a plain success."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.credentials import Credentials

from diploma_archive.model.payload import Payload
from diploma_archive.store.fast_put_and_head import ABSENT, MOST_BYTES, MOST_FAILURES, FastPath, open_fast_path
from diploma_archive.store.objects import Head
from diploma_archive.store.s3_client import build_clients, build_fast_path
from diploma_archive.store.store import PDF_TYPE, Created, Store
from tests.contract.store.conftest import Backend
from tests.support.s3_faults import Answer, CutAnswer, Reset
from tests.support.s3_proxy import S3Proxy
from tests.support.world import PREFIX, Bucket

BODY = b"%PDF- some bytes"


@pytest.fixture
def fast_path(
    client: Any, backend: Backend, bucket: Bucket, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FastPath]:
    """The short way to the bucket, through the proxy."""
    for name, value in proxy.environment(backend.server.environment()).items():
        monkeypatch.setenv(name, value)
    fast_path = build_fast_path(client, bucket.name)
    assert fast_path is not None
    yield fast_path
    fast_path.close()


def test_it_sends_what_boto3_would(fast_path: FastPath, bucket: Bucket, backend: Backend, proxy: S3Proxy) -> None:
    """Create-only, with MD5 and SHA-256, both of which the server compares and keeps."""
    answer = fast_path.put(f"{PREFIX}/k.pdf", Payload.of(BODY), PDF_TYPE)
    assert answer is not None
    assert answer.etag == hashlib.md5(BODY, usedforsecurity=False).hexdigest()
    (sent,) = proxy.requests
    checksum = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    assert sent.headers["if-none-match"] == "*"
    assert sent.headers["x-amz-checksum-sha256"] == checksum
    assert sent.headers["x-amz-sdk-checksum-algorithm"] == "SHA256"
    assert "expect" not in sent.headers
    head = bucket.client.head_object(Bucket=bucket.name, Key=f"{PREFIX}/k.pdf", ChecksumMode="ENABLED")
    assert (head["ContentType"], head["ContentLength"]) == (PDF_TYPE, len(BODY))
    assert head.get("ChecksumSHA256") == (checksum if backend.keeps_checksums else None)
    found = fast_path.head(f"{PREFIX}/k.pdf")
    assert isinstance(found, Head)
    assert (found.size, found.etag) == (len(BODY), answer.etag)
    assert fast_path.head(f"{PREFIX}/other") is ABSENT
    if backend.honours_conditions:
        assert fast_path.put(f"{PREFIX}/k.pdf", Payload.of(b"other"), PDF_TYPE) is None
        assert bucket.body("k.pdf") == BODY


@pytest.mark.parametrize("fault", [CutAnswer(), Reset(), Answer(500, "InternalError"), Answer(403, "AccessDenied")])
def test_what_is_no_plain_success_is_left_to_boto3(fast_path: FastPath, proxy: S3Proxy, fault: Any) -> None:
    """No answer and no refusal is ever taken for "absent" or "stored"."""
    proxy.fault(fault, times=None)
    assert fast_path.put(f"{PREFIX}/k", Payload.of(BODY), PDF_TYPE) is None
    assert fast_path.head(f"{PREFIX}/k") is None


def test_it_gives_up_where_it_does_not_work(fast_path: FastPath, proxy: S3Proxy) -> None:
    """A server that it cannot talk to costs three requests, not one each; a refused create is no such failure."""
    proxy.fault(Answer(501, "NotImplemented"), times=None)
    for _ in range(MOST_FAILURES + 5):
        assert fast_path.head(f"{PREFIX}/k") is None
    assert len(proxy.requests) == MOST_FAILURES


def test_a_refused_create_is_no_failure(fast_path: FastPath, proxy: S3Proxy) -> None:
    """An object that exists says nothing against the short way."""
    proxy.fault(Answer(412, "PreconditionFailed"), method="PUT", times=MOST_FAILURES + 2)
    for _ in range(MOST_FAILURES + 2):
        assert fast_path.put(f"{PREFIX}/k", Payload.of(BODY), PDF_TYPE) is None
    assert fast_path.head(f"{PREFIX}/k") is ABSENT


@pytest.mark.parametrize("key", ["a b", "blåbær", "a%2Fb", "a?b", "a#b", "a//b\n"])
def test_an_odd_key_is_left_to_boto3(fast_path: FastPath, proxy: S3Proxy, key: str) -> None:
    """What would have to be quoted, as an odd prefix of the operator's, is quoted by boto3."""
    assert fast_path.put(key, Payload.of(BODY), PDF_TYPE) is None
    assert proxy.requests == []


def test_a_large_file_is_left_to_boto3(fast_path: FastPath, proxy: S3Proxy, bucket: Bucket, client: Any) -> None:
    """What does not stay in memory is streamed."""
    large = Payload.of(bytes(MOST_BYTES + 1))
    assert fast_path.put(f"{PREFIX}/k", large, PDF_TYPE) is None
    assert proxy.requests == []
    assert Store(client, bucket.name, PREFIX, fast_path=fast_path).create("k", large, PDF_TYPE) is Created.NEW


@pytest.mark.parametrize(
    ("environment", "bucket_name", "host"),
    [
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000"}, "archive", "127.0.0.1"),
        ({"AWS_ENDPOINT_URL_S3": "https://s3.example.org"}, "archive", "s3.example.org"),
        ({"AWS_DEFAULT_REGION": "eu-north-1"}, "archive", "archive.s3.eu-north-1.amazonaws.com"),
        ({"AWS_DEFAULT_REGION": "eu-north-1"}, "archive.with.dots", "s3.eu-north-1.amazonaws.com"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000/below"}, "archive", None),
        ({"AWS_ENDPOINT_URL_S3": "https://s3.example.org", "HTTPS_PROXY": "http://127.0.0.1:3128"}, "archive", None),
        ({"AWS_ENDPOINT_URL_S3": "http://s3.test", "HTTP_PROXY": "http://127.0.0.1:3128"}, "archive", "s3.test"),
        ({"AWS_DEFAULT_REGION": "eu-north-1"}, "arn:aws:s3:eu-north-1:123456789012:accesspoint/a", None),
    ],
)
def test_where_it_goes(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], bucket_name: str, host: str | None
) -> None:
    """The host that boto3 would ask, or nothing where that is not plain: a proxy, a path, an access point."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", **environment}.items():
        monkeypatch.setenv(name, value)
    _, client = build_clients(1, bucket_name)
    fast_path = open_fast_path(client, bucket_name, Credentials("key", "secret"), None)
    assert (fast_path and fast_path._target.host) == host
    assert open_fast_path(client, bucket_name, None, None) is None
