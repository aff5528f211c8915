"""Asks a time-stamping service (RFC 3161, section 3.4: over HTTP). What is asked holds no more than a hash."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import httpx

from diploma_archive.network.authorities import trusted
from diploma_archive.network.causes import Outside, explain
from diploma_archive.network.proxies import proxy_for

TIMEOUT_SECONDS = 5.0
MAX_REPLY_BYTES = 100_000


class NoStampError(Exception):
    """The service gave no stamp; the text is a plain sentence without an address."""


def ask_for_stamp(url: str, request: bytes) -> bytes:
    """Return the reply of a service (DER) to a request (DER).

    Raises:
        NoStampError: there is none.
    """
    parts = urlsplit(url)
    proxy = proxy_for(url)
    by = None
    if proxy:
        by = httpx.Proxy(
            proxy.url, headers=proxy.secret_headers, ssl_context=trusted() if proxy.scheme == "https" else None
        )
    headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    try:
        with (
            httpx.Client(proxy=by, verify=trusted(), trust_env=False, timeout=TIMEOUT_SECONDS) as client,
            client.stream("POST", url, content=request, headers=headers) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise NoStampError(f"the time-stamping service answers {answer.status_code}")
            body, deadline = b"", time.monotonic() + TIMEOUT_SECONDS
            for piece in answer.iter_bytes():
                body += piece
                if time.monotonic() > deadline:
                    raise NoStampError("the time-stamping service takes too long")
                if len(body) > MAX_REPLY_BYTES:
                    raise NoStampError("the time-stamping service sends no end of bytes")
            return body
    except httpx.HTTPError as error:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        outside = Outside("The time-stamping service", parts.hostname or "", port, "ARCHIVE_TIMESTAMP_URL", proxy=proxy)
        raise NoStampError(explain(error, outside)[0]) from None
    except (httpx.InvalidURL, ValueError):
        raise NoStampError("ARCHIVE_TIMESTAMP_URL is no web address") from None
