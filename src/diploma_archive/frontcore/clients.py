"""The two HTTP clients of a run, and by which way each request leaves: directly, or by a proxy (DESIGN.md section 4).

Rule: neither believes `.netrc` or the environment by itself; plain http never goes by a proxy.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from diploma_archive.frontcore.tunnel import Tunnels
from diploma_archive.network.authorities import trusted
from diploma_archive.network.causes import Outside
from diploma_archive.network.proxies import Proxy, proxy_for
from diploma_archive.settings.frontcore import FrontCoreSettings

CONNECT_SECONDS = 4.0
READ_SECONDS = 30.0
IDLE_SECONDS = 5.0  # httpx's own; servers close what is idle for longer, and httpcore would keep it


class Ways:
    """By which proxy FrontCore and its download hosts are reached, decided once a host."""

    def __init__(self, own_proxy: str | None = None) -> None:
        self._own_proxy = own_proxy
        self._known: dict[tuple[str, int], Proxy | None] = {}

    def proxy_of(self, url: httpx.URL) -> Proxy | None:
        """Return the proxy by which a URL is asked for, or None.

        Raises:
            SettingsError: the environment names no proper proxy.
        """
        return self.proxy_to(url.host, url.port or 443) if url.scheme == "https" else None

    def proxy_to(self, host: str, port: int) -> Proxy | None:
        """Return the proxy by which https to a host goes, or None.

        Raises:
            SettingsError: the environment names no proper proxy.
        """
        if (host, port) not in self._known:
            self._known[host, port] = proxy_for(
                f"https://{f'[{host}]' if ':' in host else host}:{port}", self._own_proxy
            )
        return self._known[host, port]

    def outside(self, url: httpx.URL) -> Outside:
        """Return what a sentence about a failed connection has to name."""
        return Outside(
            "FrontCore",
            url.host,
            url.port or (443 if url.scheme == "https" else 80),
            "FRONTCORE_BASE_URL",
            "FRONTCORE_CA_BUNDLE or SSL_CERT_FILE",
            "FRONTCORE_PROXY or HTTPS_PROXY",
            self.proxy_of(url),
        )


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

    def transport(**options: Any) -> httpx.AsyncHTTPTransport:
        made = httpx.AsyncHTTPTransport(verify=tls, trust_env=False)
        # httpx lets nobody choose how connections are made; httpcore does.
        made._pool = httpcore.AsyncConnectionPool(
            tls,
            max_connections=concurrency + 2,
            max_keepalive_connections=concurrency + 2,
            keepalive_expiry=IDLE_SECONDS,
            **options,
        )
        return made

    def client(**options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=None),
            follow_redirects=False,
            trust_env=False,
            transport=transport(),
            mounts={"https://": transport(network_backend=Tunnels(ways.proxy_to, tls))},
            **options,
        )

    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    async with (
        client(base_url=source.base_url, headers={"X-API-Key": source.api_key.get_secret_value(), **headers}) as api,
        client(headers={**headers, "Accept": "application/pdf, application/octet-stream"}) as links,
    ):
        yield Clients(api, links, ways)
