"""Sends single requests within the rate, with total deadlines, byte caps and retries (DESIGN.md sections 4 and 8).

Rule: no httpx error leaves this room, and none of ours carries a URL.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpcore
import httpx

from diploma_archive.errors import Kind, LinkForbiddenError, LinkRefusedError, SourceError
from diploma_archive.frontcore.addresses import AddressGuard
from diploma_archive.frontcore.backoff import MAX_REFUSALS, MAX_TRIES, backoff_seconds, retry_after_seconds
from diploma_archive.frontcore.clients import CONNECT_SECONDS, Clients, open_clients
from diploma_archive.frontcore.rate_limiter import RateLimiter
from diploma_archive.network.causes import Cause, cause_of, explain
from diploma_archive.network.proxies import Proxy
from diploma_archive.settings.frontcore import FrontCoreSettings

T = TypeVar("T")

ANSWER_DEADLINE_SECONDS = 60.0  # a whole JSON answer, from when the request went out
DOWNLOAD_DEADLINE_SECONDS = 120.0  # a whole PDF, from when the request went out
FIRST_ANSWER_SECONDS = 8.0  # until FrontCore has answered once, a wrong address must show within ten seconds
FINAL = (Cause.UNTRUSTED, Cause.NO_TLS, Cause.PROXY_LOGIN, Cause.PROXY_REFUSES)  # what no waiting puts right

# Extensions of a request, both monotonic: when it went out, and from when on it would be of no use.
SENT_AT, USELESS_FROM = "diploma_archive.sent_at", "diploma_archive.useless_from"

log = logging.getLogger("diploma_archive.frontcore")


class TryAgainError(Exception):
    """A status that is worth another try: 429 or 5xx."""

    def __init__(self, status: int, retry_after: str | None) -> None:
        super().__init__(str(status))
        self.status = status
        self.retry_after = retry_after


class Transport:
    """The two clients behind one limiter."""

    def __init__(self, limiter: RateLimiter, clients: Clients, guard: AddressGuard) -> None:
        self.limiter = limiter
        self._api = clients.api
        self._links = clients.links
        self._ways = clients.ways
        self._guard = guard
        self._answered = False
        self._started = asyncio.get_running_loop().time()

    @property
    def proxy(self) -> Proxy | None:
        """Return the proxy by which the API is asked, or None."""
        return self._ways.proxy_of(self._api.base_url)

    async def ask_api(self, path: str, parameters: Mapping[str, str | int], read: Callable[..., Awaitable[T]]) -> T:
        """Send one request to the API until `read` has made something of the answer.

        Raises:
            SourceError: it did not succeed within the tries and deadlines; see `send`.
        """
        self._api.cookies.clear()
        request = self._api.build_request("GET", path, params=dict(parameters))
        return await self._send(self._api, request, read, ANSWER_DEADLINE_SECONDS)

    async def follow_link(self, url: httpx.URL, dies_at: float, read: Callable[..., Awaitable[T]]) -> T:
        """Send one request to a download link, without key and cookies, until `read` has made something of it.

        Args:
            dies_at: when the link expires (monotonic); it is not tried after that.

        Raises:
            LinkRefusedError: the link expired before its turn came.
            LinkForbiddenError: its host has an address of a private network.
            SourceError: it did not succeed within the tries and deadlines; see `send`.
        """
        if self._ways.proxy_of(url) is None:  # a proxy looks names up itself: only the list of hosts holds there
            await self._guard.check_host(url.host, url.port or (443 if url.scheme == "https" else 80))
        self._links.cookies.clear()
        request = self._links.build_request("GET", url, extensions={USELESS_FROM: dies_at})
        return await self._send(self._links, request, read, DOWNLOAD_DEADLINE_SECONDS)

    async def _send(
        self,
        client: httpx.AsyncClient,
        request: httpx.Request,
        read: Callable[[httpx.Response], Awaitable[T]],
        deadline_seconds: float,
    ) -> T:
        failures = refusals = 0
        while True:
            try:
                result = await self._send_once(client, request, read, deadline_seconds)
            except TryAgainError as error:
                self._answered = True
                if error.status == 429:
                    refusals += 1
                    wait_seconds = retry_after_seconds(error.retry_after, datetime.now(UTC))
                    self.limiter.refused(wait_seconds)
                    log.info("FrontCore says 429 (too many requests): waiting %.0f s, then slower", wait_seconds)
                    if refusals >= MAX_REFUSALS:
                        raise SourceError(
                            "FrontCore refuses requests as too many (429), again and again",
                            fix="Another integration uses up the account's limit; lower FRONTCORE_REQUESTS_PER_SECOND "
                            "or run later",
                            kind=Kind.RETRIABLE,
                        ) from None
                    continue
                failures += 1
                if failures >= MAX_TRIES:
                    raise SourceError(
                        f"FrontCore fails with status {error.status} after {failures} tries",
                        fix="The next run tries again",
                        kind=Kind.RETRIABLE,
                    ) from None
            except TimeoutError:
                # The total deadline is long: a server that drips for so long would do so again.
                raise SourceError(
                    "FrontCore took too long to send its answer", fix="The next run tries again", kind=Kind.RETRIABLE
                ) from None
            except (httpx.HTTPError, httpx.StreamError, OSError) as error:
                failures += 1
                if failures >= MAX_TRIES or self._is_unreachable(error):
                    raise await self._transport_error(error, request) from None
            else:
                self._answered = True
                return result
            await asyncio.sleep(backoff_seconds(failures))

    async def _send_once(
        self,
        client: httpx.AsyncClient,
        request: httpx.Request,
        read: Callable[[httpx.Response], Awaitable[T]],
        deadline_seconds: float,
    ) -> T:
        loop = asyncio.get_running_loop()
        is_direct = self._ways.proxy_of(request.url) is None
        request.extensions.pop(SENT_AT, None)
        # Waiting for a slot is no fault of the server's: the clock starts when the request may go out.
        async with asyncio.timeout(None) as deadline:

            async def pace(event: str, info: dict[str, Any]) -> None:
                if event == "connection.connect_tcp.complete" and client is self._links and is_direct:
                    await self._check_peer(info["return_value"])
                # The slot is taken on a connected socket: pacing the coroutine would let a request on a cold
                # connection arrive late, and the next one too close behind it.
                if event == "http11.send_request_headers.started":
                    if not await self.limiter.slot(request.extensions.get(USELESS_FROM, math.inf)):
                        raise LinkRefusedError("the download link expired while it waited for its turn")
                    request.extensions[SENT_AT] = time.monotonic()
                    deadline.reschedule(loop.time() + deadline_seconds)
                elif event == "http11.send_request_headers.complete":
                    self.limiter.went_out()

            request.extensions["trace"] = pace
            response = await client.send(request, stream=True)
            try:
                if response.status_code == 429 or response.status_code >= 500:
                    raise TryAgainError(response.status_code, response.headers.get("Retry-After"))
                return await read(response)
            finally:
                await response.aclose()

    async def _check_peer(self, stream: httpcore.AsyncNetworkStream) -> None:
        """Look at the address that a download is connected to, before anything is sent there."""
        try:
            self._guard.check_address(str(stream.get_extra_info("server_addr")[0]))
        except LinkForbiddenError:
            await stream.aclose()
            raise

    def _is_unreachable(self, error: Exception) -> bool:
        """Return whether to give up at once: a host that never answered is a wrong address, not a passing fault."""
        passed_seconds = asyncio.get_running_loop().time() - self._started
        next_try_seconds = CONNECT_SECONDS if isinstance(error, httpx.TimeoutException) else 1.0
        if cause_of(error)[0] in FINAL:
            return True
        return not self._answered and (
            isinstance(error, (httpx.ConnectError, httpx.ProxyError, httpx.TimeoutException, httpx.UnsupportedProtocol))
            and passed_seconds + next_try_seconds > FIRST_ANSWER_SECONDS - 2
        )

    async def _transport_error(self, error: Exception, request: httpx.Request) -> SourceError:
        if self._answered and SENT_AT in request.extensions:
            return SourceError(
                f"the connection to FrontCore failed ({type(error).__name__})",
                fix="The next run tries again",
                kind=Kind.RETRIABLE,
            )
        what, fix = await asyncio.to_thread(explain, error, self._ways.outside(request.url))
        # A password that has expired is refused for every diploma that follows, and some proxies then lock the account.
        is_fatal = not self._answered or cause_of(error)[0] is Cause.PROXY_LOGIN
        return SourceError(what, fix=fix, kind=Kind.FATAL if is_fatal else Kind.RETRIABLE)


@asynccontextmanager
async def open_transport(source: FrontCoreSettings, concurrency: int, guard: AddressGuard) -> AsyncIterator[Transport]:
    """Open the two clients for one run.

    Raises:
        SettingsError: a file of authorities cannot be read.
    """
    async with open_clients(source, concurrency) as clients:
        yield Transport(RateLimiter(source.requests_per_second), clients, guard)
