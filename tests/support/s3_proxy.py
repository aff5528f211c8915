"""A reverse proxy on a real socket between the program and an S3 server, which injects faults and counts requests.

Rule: what no fault concerns passes unchanged, the Host header too, so that signatures stay valid.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.s3_faults import (
    ENDINGS,
    Answer,
    Chosen,
    CutAnswer,
    Delay,
    DropChecksum,
    Fault,
    FaultBook,
    FlipAnswer,
    FlipBytes,
    FlipStored,
    HalfAnswer,
    Page,
    Racers,
    Reset,
    Rewrite,
    S3Request,
    StripCondition,
    flipped,
)
from tests.support.s3_strict import KeyLocks, refusal
from tests.support.s3_wire import Incoming, Outgoing, WireServer, error_answer, forward, page_answer

__all__ = [
    "Answer",
    "CutAnswer",
    "Delay",
    "DropChecksum",
    "Fault",
    "FlipAnswer",
    "FlipBytes",
    "FlipStored",
    "HalfAnswer",
    "Page",
    "Racers",
    "Reset",
    "Rewrite",
    "S3Proxy",
    "S3Request",
    "StripCondition",
]

_CONDITIONS = ("if-none-match", "if-match")


class S3Proxy:
    """A proxy in front of the S3 at `upstream`; a context manager.

    Args:
        upstream: `http://127.0.0.1:PORT` of the real server.
        strict: refuse what a real S3 refuses and moto does not (see `s3_strict`).
    """

    def __init__(self, upstream: str, *, strict: bool = False) -> None:
        address = urlsplit(upstream)
        self._upstream = upstream
        self._address = (address.hostname or "127.0.0.1", address.port or 80)
        self._strict = strict
        self._locks = KeyLocks()
        self._book = FaultBook()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._deadly: tuple[int, bool] | None = None  # requests until the crash, and whether the last one is stored
        self._dead = False
        self._errors: list[BaseException] = []
        self._server: WireServer | None = None
        self.requests: list[S3Request] = []
        self.on_request: Callable[[S3Request], None] | None = None

    @property
    def endpoint_url(self) -> str:
        """`http://127.0.0.1:PORT`; known while the proxy runs."""
        if self._server is None:
            raise RuntimeError("the proxy does not run")
        return f"http://127.0.0.1:{self._server.port}"

    def environment(self, base: dict[str, str]) -> dict[str, str]:
        """Return the environment of the server, with this proxy in its place."""
        return {**base, "AWS_ENDPOINT_URL_S3": self.endpoint_url}

    def reset(self) -> None:
        """Forget the requests, the faults and the client's death; `on_request` stays."""
        with self._lock:
            self.requests.clear()
            self._deadly, self._dead = None, False
        self.clear()

    def written(self, prefix_contains: str = "") -> list[str]:
        """Return the keys of the PUTs that the server carried out, in order of arrival, told to the client or not."""
        with self._lock:
            puts = [one for one in self.requests if one.method == "PUT" and one.key and one.stored_status == 200]
        return [one.key for one in puts if prefix_contains in one.key]

    def fault(
        self, fault: Fault, *, method: str | None = None, key: str | None = None, times: int | None = 1, skip: int = 0
    ) -> None:
        """Plan a fault for requests of this method whose key contains the pattern `key`.

        Args:
            times: how many requests it meets; None: all of them. For `Racers`: how many races.
            skip: how many matching requests pass first.
        """
        self._book.plan(fault, method=method, key=key, times=times, skip=skip)

    def clear(self) -> None:
        """Drop all faults."""
        self._book.clear()

    def die(self, at: int, *, after: bool) -> None:
        """Let the client crash at the at-th request from now (1 is the next), and refuse all that follow.

        Args:
            after: the request is carried out and its answer lost; else it never reaches the server.
        """
        with self._lock:
            self._deadly, self._dead = (at, after), False

    def revive(self) -> None:
        """Let requests through again."""
        with self._lock:
            self._deadly, self._dead = None, False

    def raise_errors(self) -> None:
        """Raise the first thing that broke in here since last asked; leaving the context does it too.

        An assertion in `on_request` would go unnoticed in its thread.
        """
        errors, self._errors[:] = list(self._errors), []
        if errors:
            raise errors[0]

    def __enter__(self) -> Self:
        self._closing.clear()
        self._server = WireServer(self._handle, self._errors.append)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._server is not None:
            self._server.stop()
            self._server = None
        if error is None:
            self.raise_errors()

    def _handle(self, incoming: Incoming) -> Outgoing | None:
        """Return the answer, or None where the connection is to be closed without one."""
        request, fate = self._arrived(incoming)
        if fate is False:
            return None
        if self.on_request is not None:
            self.on_request(request)
        chosen = self._book.choose(request)
        outgoing = self._carry_out(request, incoming, chosen)
        if outgoing is None or fate is True:
            return None
        if not outgoing.reset:
            request.status = outgoing.status
        return outgoing

    def _arrived(self, incoming: Incoming) -> tuple[S3Request, bool | None]:
        """Return the request, and its fate: refused (False), carried out but its answer lost (True), none (None)."""
        path, _, query = incoming.target.partition("?")
        bucket, _, key = path.removeprefix("/").partition("/")
        with self._lock:
            request = S3Request(
                number=len(self.requests) + 1,
                method=incoming.method,
                bucket=unquote(bucket),
                key=unquote(key, errors="surrogateescape"),
                query=dict(parse_qsl(query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in incoming.headers},
                size=len(incoming.body),
            )
            self.requests.append(request)
            if self._dead:
                return request, False
            if self._deadly is not None:
                left, after = self._deadly
                self._deadly, self._dead = (left - 1, after), left <= 1
                return request, after if self._dead else None
        return request, None

    def _carry_out(self, request: S3Request, incoming: Incoming, chosen: Chosen) -> Outgoing | None:
        self._closing.wait(chosen.seconds)
        headers, body = incoming.headers, incoming.body
        won = chosen.race is not None and chosen.race.run(lambda: self._exists(request))
        if won or chosen.first(StripCondition):
            headers = [(name, value) for name, value in headers if name.lower() not in _CONDITIONS]
        if chosen.first(FlipBytes):
            body = flipped(body)
        ending = chosen.first(*ENDINGS)
        if isinstance(ending, Reset):
            return Outgoing(0, "", [], b"", reset=True)
        if isinstance(ending, Page):
            return page_answer(ending)
        if not isinstance(ending, Answer) and self._strict:
            ending = refusal(request, body) or ending
        if isinstance(ending, Answer):
            return error_answer(ending, request)
        if chosen.first(FlipStored):
            body = flipped(body)
            # The server damages what it stores and does not notice; by this header it would.
            headers = [(name, value) for name, value in headers if name.lower() != "content-md5"]
        with self._locks.held(request) if self._strict else nullcontext():
            try:
                outgoing = forward(self._address, Incoming(incoming.method, incoming.target, headers, body))
            except (OSError, http.client.HTTPException):
                return None
        request.stored_status = outgoing.status
        if isinstance(ending, CutAnswer):
            return None
        outgoing = _changed(outgoing, chosen, request)
        return replace(outgoing, half=True) if isinstance(ending, HalfAnswer) else outgoing

    def _exists(self, request: S3Request) -> bool:
        client = boto3.client(
            "s3",
            endpoint_url=self._upstream,
            # What `LocalS3` and `RcloneS3` accept; a HEAD of our own needs a signature of its own.
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox-secret",
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )
        try:
            client.head_object(Bucket=request.bucket, Key=request.key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            return False
        finally:
            client.close()
        return True


def _changed(outgoing: Outgoing, chosen: Chosen, request: S3Request) -> Outgoing:
    headers, body = outgoing.headers, outgoing.body
    rewrite = chosen.first(Rewrite)
    if isinstance(rewrite, Rewrite) and outgoing.status in (200, 206):
        body = rewrite.change(body, request)
        lost = {*rewrite.headers, *rewrite.put, *(("content-length",) if request.method != "HEAD" else ())}
        headers = [(name, value) for name, value in headers if name.lower() not in lost] + [*rewrite.put.items()]
        outgoing = replace(outgoing, chunked=rewrite.chunked)
    drop = chosen.first(DropChecksum)
    if isinstance(drop, DropChecksum):
        headers = [(name, value) for name, value in headers if not name.lower().startswith("x-amz-checksum-")]
        if drop.etag:
            no_md5 = f'"{"0" * 32}-1"'
            headers = [(name, no_md5 if name.lower() == "etag" else value) for name, value in headers]
    if chosen.first(FlipAnswer):
        body = flipped(body)
    return replace(outgoing, headers=headers, body=body)
