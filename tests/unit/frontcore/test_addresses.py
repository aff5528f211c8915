"""A download never goes into the private network that the program runs in, whatever a name resolves to."""

from __future__ import annotations

import asyncio
import socket

import pytest

from diploma_archive.errors import LinkForbiddenError
from diploma_archive.frontcore.addresses import AddressGuard

PRIVATE = [
    *("10.0.0.1", "172.16.5.4", "192.168.1.1", "100.64.0.1", "169.254.169.254", "255.255.255.255"),
    *("224.0.0.1", "192.0.2.1", "198.18.0.1", "fe80::1%eth0", "fc00::1", "::", "::ffff:10.0.0.1", "ff02::1", "0.1.2.3"),
]


@pytest.mark.parametrize("address", PRIVATE)
@pytest.mark.parametrize("allow_loopback", [False, True])
def test_private_addresses_are_refused(address: str, allow_loopback: bool) -> None:
    """Neither the cloud's metadata service nor a neighbour's machine is ever asked for a diploma."""
    with pytest.raises(LinkForbiddenError, match="private network") as caught:
        AddressGuard(allow_loopback=allow_loopback).check_address(address)
    assert address not in caught.value.diagnostics()


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_for_a_source_on_this_machine(address: str) -> None:
    """This machine is a private network too, unless the source itself is on it."""
    AddressGuard(allow_loopback=True).check_address(address)
    with pytest.raises(LinkForbiddenError):
        AddressGuard(allow_loopback=False).check_address(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "1.1.1.1"])
def test_public_addresses_pass(address: str) -> None:
    """FrontCore's own addresses are fine."""
    AddressGuard(allow_loopback=False).check_address(address)


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Let every name resolve to these addresses; return the list of names that were looked up."""
    asked: list[str] = []

    async def getaddrinfo(_: object, host: str, port: int, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        if not addresses:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(asyncio.SelectorEventLoop, "getaddrinfo", getaddrinfo)
    return asked


def test_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows which of its addresses a connection will take."""
    resolving_to(monkeypatch, "93.184.215.14", "10.1.2.3")
    with pytest.raises(LinkForbiddenError):
        asyncio.run(AddressGuard(allow_loopback=False).check_host("files.example", 443))


def test_a_good_host_is_looked_up_once_for_many_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check costs no lookup for each diploma; a bad host is asked again each time."""
    asked = resolving_to(monkeypatch, "93.184.215.14")
    guard = AddressGuard(allow_loopback=False)

    async def check_twice() -> None:
        await guard.check_host("files.example", 443)
        await guard.check_host("files.example", 443)

    asyncio.run(check_twice())
    assert asked == ["files.example"]


def test_a_name_that_is_not_found_is_left_to_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A passing fault of the name server is a transport error with its retries, not a forbidden link."""
    resolving_to(monkeypatch)
    asyncio.run(AddressGuard(allow_loopback=False).check_host("files.example", 443))
