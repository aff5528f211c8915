"""PUT and HEAD without most of what boto3 does around them: a third of the CPU, where all goes well at once.

Rule: only a plain success counts. Whatever else happens, a refusal, an odd answer, a broken connection, boto3 is asked
the same thing as if nothing had been sent: it repeats, compares and explains (`store.py`). After some failures in a
row it is not tried any more. boto3's own credentials and signature are used, so it can do nothing that boto3 could not.
"""

from __future__ import annotations

import http.client
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

from diploma_archive import __version__
from diploma_archive.model.payload import Payload, in_base64
from diploma_archive.network.authorities import new_trust
from diploma_archive.network.proxies import Proxy, proxy_for
from diploma_archive.store.objects import Head, hex_of

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials
    from mypy_boto3_s3.client import S3Client

TIMEOUT_SECONDS = 60.0
MOST_BYTES = 1 << 20  # larger files are streamed, by boto3
MOST_FAILURES = 3  # in a row
_ABSENT_STATUS = 404
_NO_BODY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # the SHA-256 of nothing
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/")


class ABSENT:
    """What HEAD says where there is no object."""


@dataclass(frozen=True)
class _Target:
    """Where a bucket is: a host, and what comes before each key."""

    is_tls: bool
    host: str
    port: int | None
    root: str


class _KnownDigest(S3SigV4Auth):
    """Signs a request whose body was hashed before."""

    def payload(self, request: AWSRequest) -> str:
        """Return the SHA-256 (hex) of the body."""
        return str(request.context["sha256"])


class FastPath:
    """One bucket; safe to call from several threads, each of which has a connection of its own."""

    def __init__(self, target: _Target, region: str, credentials: Credentials, tls: ssl.SSLContext | None) -> None:
        self._target = target
        self._region = region
        self._credentials = credentials
        self._tls = tls
        self._failures = 0
        self._threads = threading.local()
        self._open: list[http.client.HTTPConnection] = []

    def put(self, key: str, payload: Payload, content_type: str) -> Head | None:
        """Store an object unless one of this key exists.

        Returns:
            What S3 answered, or None where that was no plain success: then boto3 must be asked.
        """
        if payload.size > MOST_BYTES:
            return None
        headers = {
            "Content-Length": str(payload.size),
            "Content-Type": content_type,
            "If-None-Match": "*",
            "Content-MD5": in_base64(payload.md5),
            "x-amz-sdk-checksum-algorithm": "SHA256",
            "x-amz-checksum-sha256": in_base64(payload.sha256),
        }
        found = self._send("PUT", key, headers, payload.sha256, cast("bytes", payload.rewound()))
        return found if isinstance(found, Head) else None

    def head(self, key: str) -> Head | type[ABSENT] | None:
        """Return what S3 says of an object, ABSENT where there is none, or None where boto3 must be asked."""
        return self._send("HEAD", key, {"x-amz-checksum-mode": "ENABLED"}, _NO_BODY, None)

    def close(self) -> None:
        """Close the connections of all threads."""
        for connection in self._open:
            connection.close()

    def _send(
        self, method: str, key: str, headers: dict[str, str], sha256: str, body: bytes | None
    ) -> Head | type[ABSENT] | None:
        if self._failures >= MOST_FAILURES or not _PLAIN.issuperset(key):
            return None
        answer: Head | type[ABSENT] | None = None
        is_fresh = True
        try:
            path = f"{self._target.root}{key}"
            signed = self._signed(method, path, headers, sha256)
            connection = self._connection()
            is_fresh = connection.sock is None
            try:
                connection.request(method, path, body, signed)
                response = connection.getresponse()
                response.read()
            except BaseException:
                connection.close()
                raise
            if response.status == http.HTTPStatus.OK:
                answer = _head_of(response, method)
            elif method == "HEAD" and response.status == _ABSENT_STATUS:
                answer = ABSENT
        except (OSError, http.client.HTTPException, BotoCoreError, ValueError):
            self._failures += is_fresh  # a server may close a connection that was idle
            return None
        # A 412 too is no failure of this way to ask.
        self._failures = (
            0 if answer is not None or response.status == http.HTTPStatus.PRECONDITION_FAILED else (self._failures + 1)
        )
        return answer

    def _signed(self, method: str, path: str, headers: dict[str, str], sha256: str) -> dict[str, str]:
        scheme = "https" if self._target.is_tls else "http"
        port = "" if self._target.port is None else f":{self._target.port}"
        request = AWSRequest(method, f"{scheme}://{self._target.host}{port}{path}", headers)
        request.context["sha256"] = sha256
        credentials: ReadOnlyCredentials = self._credentials.get_frozen_credentials()
        _KnownDigest(credentials, "s3", self._region).add_auth(request)
        return {**dict(request.headers.items()), "User-Agent": f"diploma-archive/{__version__}"}

    def _connection(self) -> http.client.HTTPConnection:
        known: http.client.HTTPConnection | None = getattr(self._threads, "connection", None)
        if known is not None:
            return known
        host, port = self._target.host, self._target.port
        made = (
            http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=self._tls)
            if self._target.is_tls
            else http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        )
        self._threads.connection = made
        self._open.append(made)
        return made


def open_fast_path(
    client: S3Client, bucket: str, credentials: Credentials | None, ca_bundle: str | None
) -> FastPath | None:
    """Return the short way to a bucket, or None where it is not a plain one: then boto3 does everything.

    Args:
        client: as boto3 built it; it knows endpoint and region.
        ca_bundle: boto3's setting of that name.
    """
    parts = urlsplit(client.meta.endpoint_url)
    if credentials is None or parts.path.strip("/") or parts.query or not parts.hostname:
        return None
    options = dict(getattr(client.meta.config, "s3", None) or {})
    by_path = options.pop("addressing_style", None) == "path" or "." in bucket
    if options or not _PLAIN.issuperset(bucket):  # acceleration, dual stack, an access point
        return None
    is_tls = parts.scheme == "https"
    if proxy_of(client.meta.endpoint_url, bucket) is not None:
        return None
    host = parts.hostname if by_path else f"{bucket}.{parts.hostname}"
    target = _Target(is_tls, host, parts.port, f"/{bucket}/" if by_path else "/")
    tls = new_trust(ca_bundle, "AWS_CA_BUNDLE") if is_tls else None
    return FastPath(target, client.meta.region_name, credentials, tls)


def proxy_of(endpoint_url: str, bucket: str) -> Proxy | None:
    """Return the proxy by which a bucket is asked for: none where `NO_PROXY` names its endpoint, or its own host.

    Raises:
        SettingsError: the environment names no proper proxy.
    """
    parts = urlsplit(endpoint_url)
    of_bucket = parts._replace(netloc=f"{bucket}.{parts.netloc}").geturl()
    return proxy_for(endpoint_url) if proxy_for(of_bucket) else None


def _head_of(response: http.client.HTTPResponse, method: str) -> Head | None:
    etag = response.headers.get("ETag")
    if not etag:
        return None
    length = response.headers.get("Content-Length", "")
    is_length = length.isascii() and length.isdigit()
    if method == "HEAD" and not is_length:
        return None
    return Head(
        int(length) if is_length else 0,
        hex_of(response.headers.get("x-amz-checksum-sha256"), etag),
        etag.strip('"'),
        response.headers.get("x-amz-storage-class", "STANDARD"),
        response.headers.get("x-amz-server-side-encryption", ""),
    )
