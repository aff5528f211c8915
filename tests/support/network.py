"""A network as providers have it: servers that only a proxy can reach, and boxes that put their own certificate on.

Rule: what passes is kept as it came over the wire, so that a test can look for keys and tokens in it.
"""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import trustme

PIECE = 65_536
HOST = "127.0.0.1"


class _Listener:
    """Accepts connections on 127.0.0.1, each in a thread of its own; a context manager."""

    def __init__(self) -> None:
        self._server = socket.create_server((HOST, 0))
        self.port = int(self._server.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def serve(self, client: socket.socket) -> None:
        """Serve one connection."""
        raise NotImplementedError

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            self.serve(client)


class TlsFront(_Listener):
    """Speaks TLS with a certificate for `name`, and hands on to a plain server on this machine."""

    def __init__(self, authority: trustme.CA, name: str, port: int) -> None:
        super().__init__()
        self._behind = (HOST, port)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self._context)

    def serve(self, client: socket.socket) -> None:
        """Relay the plain text."""
        with (
            self._context.wrap_socket(client, server_side=True) as plain,
            socket.create_connection(self._behind) as server,
        ):
            relay(plain, server)


class ConnectProxy(_Listener):
    """A proxy that knows CONNECT alone: who speaks anything else to it is refused.

    Args:
        ways: where it leads for each `host:port` that it lets through.
        login: `user:password` that it wants.
        status: what it answers instead, for every host.
    """

    def __init__(self, ways: dict[str, int], *, login: str = "", status: str = "") -> None:
        super().__init__()
        self._ways = ways
        self._status = status
        self._wanted = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
        self.asked: list[str] = []  # the first line of each request
        self.seen = bytearray()  # all that clients sent

    def url(self, login: str = "") -> str:
        """Return its address."""
        return f"http://{login + '@' if login else ''}{HOST}:{self.port}"

    def serve(self, client: socket.socket) -> None:
        """Serve CONNECT, and relay."""
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(PIECE)
            if not piece:
                return
            head += piece
        self.seen += head
        first, *lines = head.decode("latin-1").split("\r\n")
        self.asked.append(first)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, place, _ = first.split(" ")
        if self._status or method != "CONNECT" or place not in self._ways:
            client.sendall(f"HTTP/1.1 {self._status or '403 Forbidden'}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        if self._wanted and headers.get("proxy-authorization") != self._wanted:
            client.sendall(
                b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n"
                b"Content-Length: 0\r\n\r\n"
            )
            return
        with socket.create_connection((HOST, self._ways[place])) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            relay(client, server, self.seen.extend)


class Silent(_Listener):
    """Takes connections and never says a word."""

    def serve(self, client: socket.socket) -> None:
        """Read until the other side gives up."""
        while client.recv(PIECE):
            pass


def relay(client: socket.socket, server: socket.socket, note: Callable[[bytes], None] = lambda _: None) -> None:
    """Carry bytes both ways until one side ends; `note` hears what the client sends."""

    def back() -> None:
        with suppress(OSError):
            while piece := server.recv(PIECE):
                client.sendall(piece)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    answering = threading.Thread(target=back, daemon=True)
    answering.start()
    with suppress(OSError):
        while piece := client.recv(PIECE):
            note(piece)
            server.sendall(piece)
    with suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)
    answering.join()
