"""Hosts that resolve to private addresses: a listener there sees no connection, or at least not a byte."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from diploma_archive.errors import LinkForbiddenError
from diploma_archive.frontcore.addresses import AddressGuard
from diploma_archive.frontcore.link_policy import LinkPolicy
from diploma_archive.frontcore.source import FrontCore, Listing
from diploma_archive.frontcore.transport import open_transport
from diploma_archive.model.source_items import read_diploma
from diploma_archive.settings.frontcore import FrontCoreSettings
from tests.unit.conftest import EXAMPLE


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listener on this machine, which is a private address to a source elsewhere."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        yield server


def download_from(listener: socket.socket, guard: AddressGuard) -> None:
    """Follow a link to `localhost`, an allowed host, as a source would that is not on this machine."""
    port = listener.getsockname()[1]
    link = f"http://localhost:{port}/d?token=canary"
    diploma = read_diploma({**EXAMPLE, "links": {"download": link}})

    async def follow() -> None:
        settings = FrontCoreSettings(api_key="k", base_url="https://good.example/v2", requests_per_second=50)
        async with open_transport(settings, 1, guard) as transport:
            policy = LinkPolicy(frozenset({("localhost", port)}), allow_http=True)
            source = FrontCore("https://good.example/v2", 900, 1_000_000, policy, transport)
            await source.download(diploma, Listing([diploma], None, float("inf")))  # type: ignore[arg-type]

    asyncio.run(follow())


def test_an_allowed_host_with_a_private_address_sees_no_connection(listener: socket.socket) -> None:
    """The name is on the allow-list, its address is not public: nothing is even connected."""
    with pytest.raises(LinkForbiddenError, match="private network"):
        download_from(listener, AddressGuard(allow_loopback=False))
    with pytest.raises(TimeoutError):
        listener.accept()


def test_a_name_that_resolves_anew_sees_not_a_byte(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is public at the look and private at the connection gets neither path nor token."""
    guard = AddressGuard(allow_loopback=False)

    async def looks_good(*_: object) -> None:
        return

    monkeypatch.setattr(guard, "check_host", looks_good)
    with pytest.raises(LinkForbiddenError, match="private network"):
        download_from(listener, guard)
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(2)
        assert connection.recv(100) == b""
