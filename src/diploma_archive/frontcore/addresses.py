"""Where a download may connect to: never into the private network that this program happens to run in.

Rule: the addresses of an allowed host are looked at before a connection is made, and the address that was in fact
connected to once more, before anything is sent: a name may resolve to something else the second time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time

from diploma_archive.errors import LinkForbiddenError

GOOD_FOR_SECONDS = 60.0  # a kept connection needs no new look, a new one is checked again when it is made


class AddressGuard:
    """Refuses addresses that are not public; loopback passes where the source itself is on this machine."""

    def __init__(self, *, allow_loopback: bool) -> None:
        self._allow_loopback = allow_loopback
        self._good_until: dict[tuple[str, int], float] = {}

    async def check_host(self, host: str, port: int) -> None:
        """Look a host up; one that cannot be found is left to the connection, which says so.

        Raises:
            LinkForbiddenError: one of its addresses is not public.
        """
        if self._good_until.get((host, port), 0.0) > time.monotonic():
            return
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        for *_, address in found:
            self.check_address(str(address[0]))
        self._good_until[host, port] = time.monotonic() + GOOD_FOR_SECONDS

    def check_address(self, address: str) -> None:
        """Look at one IP address.

        Raises:
            LinkForbiddenError: it is not public.
        """
        ip = ipaddress.ip_address(address.partition("%")[0])
        ip = getattr(ip, "ipv4_mapped", None) or ip
        if self._allow_loopback and ip.is_loopback:
            return
        if not ip.is_global or ip.is_multicast:
            raise LinkForbiddenError(
                "the host of the download link resolves to an address of a private network",
                fix="Check FRONTCORE_DOWNLOAD_HOSTS and the DNS of this machine",
            )
