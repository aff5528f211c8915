"""Connections that lead through a proxy's CONNECT, where the way out is by one (ADR 27).

Rule: whatever fails before the tunnel stands is a ProxyError, so that nobody blames FrontCore for it.

httpcore (1.0.9) has a tunnel of its own: its connections stay in the pool for ever where TLS fails inside, and its
CONNECT passes the trace of the request, which takes the slot of the rate.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import h11
import httpcore

from diploma_archive.network.causes import NO_ANSWER
from diploma_archive.network.proxies import Proxy

CONNECT_ANSWER_SECONDS = 8.0  # it looks the name up and connects meanwhile
_PIECE = 4096


class Tunnels(httpcore.AnyIOBackend):
    """Connects to each host by its way: through the proxy that `proxy_of` names for it, or directly."""

    def __init__(self, proxy_of: Callable[[str, int], Proxy | None], tls: ssl.SSLContext) -> None:
        self._proxy_of, self._tls = proxy_of, tls

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a stream to a host.

        Raises:
            httpcore.ProxyError: the proxy cannot be reached, or does not open the way.
            httpcore.ConnectError, httpcore.ConnectTimeout: without a proxy.
        """
        proxy = self._proxy_of(host, port)
        if proxy is None:
            return await super().connect_tcp(host, port, timeout, local_address, socket_options)
        try:
            stream = await super().connect_tcp(proxy.host, proxy.port, timeout, local_address, socket_options)
            if proxy.scheme == "https":
                stream = await stream.start_tls(self._tls, proxy.host, timeout)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise httpcore.ProxyError("not reached") from error
        try:
            async with asyncio.timeout(CONNECT_ANSWER_SECONDS):
                await _open(stream, host, port, proxy.secret_headers)
        except BaseException as error:
            await stream.aclose()
            if isinstance(error, TimeoutError):
                raise httpcore.ProxyError(NO_ANSWER) from error
            if isinstance(error, (httpcore.NetworkError, h11.ProtocolError)):
                raise httpcore.ProxyError("no answer of a proxy") from error
            raise
        return stream


async def _open(stream: httpcore.AsyncNetworkStream, host: str, port: int, headers: dict[str, str]) -> None:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    spoken = h11.Connection(h11.CLIENT)
    asked = h11.Request(method="CONNECT", target=place, headers=[("Host", place), *headers.items()])
    await stream.write(spoken.send(asked) + spoken.send(h11.EndOfMessage()))
    while True:
        event = spoken.next_event()
        if event is h11.NEED_DATA:
            spoken.receive_data(await stream.read(_PIECE))
        elif isinstance(event, h11.Response):
            if not 200 <= event.status_code < 300:
                raise httpcore.ProxyError(str(event.status_code))
            return
        elif not isinstance(event, h11.InformationalResponse):
            raise h11.RemoteProtocolError("no answer")
