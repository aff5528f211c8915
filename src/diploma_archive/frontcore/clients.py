"""The two HTTP clients of a run, and by which way each request leaves: directly, or by a proxy (DESIGN.md section 4).

Rule: neither believes `.netrc` or the environment by itself; plain http never goes by a proxy.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from diploma_archive.network.authorities import trusted
from diploma_archive.network.causes import Outside
from diploma_archive.network.proxies import Proxy, proxy_for
from diploma_archive.settings.frontcore import FrontCoreSettings

CONNECT_SECONDS = 4.0
READ_SECONDS = 30.0


class Ways:
    """By which proxy FrontCore and its download hosts are reached, decided once a host."""

    def __init__(self, own_proxy: str | None = None) -> None:
        self._own_proxy = own_proxy
        self._known: dict[tuple[str, str, int | None], Proxy | None] = {}

    def proxy_of(self, url: httpx.URL) -> Proxy | None:
        """Return the proxy by which a URL is asked for, or None.

        Raises:
            SettingsError: the environment names no proper proxy.
        """
        place = (url.scheme, url.host, url.port)
        if place not in self._known:
            host = f"[{url.host}]" if ":" in url.host else url.host
            self._known[place] = proxy_for(f"{url.scheme}://{host}:{url.port or 443}", self._own_proxy)
        return self._known[place]

    def outside(self, url: httpx.URL) -> Outside:
        """Return what a sentence about a failed connection has to name."""
        return Outside(
            "FrontCore",
            url.host,
            url.port or 443,
            "FRONTCORE_BASE_URL",
            "FRONTCORE_CA_BUNDLE or SSL_CERT_FILE",
            "FRONTCORE_PROXY or HTTPS_PROXY",
            self.proxy_of(url),
        )


class _WayOut(httpx.AsyncBaseTransport):
    """Sends each request by its way; the connections of each way are kept apart."""

    def __init__(self, ways: Ways, tls: ssl.SSLContext, limits: httpx.Limits) -> None:
        self._ways, self._tls, self._limits = ways, tls, limits
        self._open: dict[Proxy | None, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        proxy = self._ways.proxy_of(request.url)
        if proxy not in self._open:
            by = httpx.Proxy(proxy.url, ssl_context=self._tls, headers=proxy.secret_headers) if proxy else None
            if proxy and proxy.scheme == "http":
                by = httpx.Proxy(proxy.url, headers=proxy.secret_headers)
            self._open[proxy] = httpx.AsyncHTTPTransport(
                verify=self._tls, trust_env=False, limits=self._limits, proxy=by
            )
        return await self._open[proxy].handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections of all ways."""
        for transport in self._open.values():
            await transport.aclose()


@dataclass(frozen=True)
class Clients:
    """One client for the API, which has the key, one for links, which must not, and their ways out."""

    api: httpx.AsyncClient
    links: httpx.AsyncClient
    ways: Ways


@asynccontextmanager
async def open_clients(source: FrontCoreSettings, concurrency: int) -> AsyncIterator[Clients]:
    """Open the two clients for one run.

    Raises:
        SettingsError: a file of authorities cannot be read.
    """
    ways = Ways(source.proxy.get_secret_value() if source.proxy else None)
    tls = trusted(source.ca_bundle)
    limits = httpx.Limits(max_connections=concurrency + 2, max_keepalive_connections=concurrency + 2)

    def client(**options: object) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=None),
            follow_redirects=False,
            trust_env=False,
            transport=_WayOut(ways, tls, limits),
            **options,  # type: ignore[arg-type]
        )

    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    async with (
        client(base_url=source.base_url, headers={"X-API-Key": source.api_key.get_secret_value(), **headers}) as api,
        client(headers={**headers, "Accept": "application/pdf, application/octet-stream"}) as links,
    ):
        yield Clients(api, links, ways)
