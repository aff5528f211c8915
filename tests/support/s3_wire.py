"""HTTP/1.1 as the S3 proxy needs it: whole requests in, whole answers out, and connections that can be broken.

Rule: knows nothing of S3 but how its errors look.
"""

from __future__ import annotations

import http.client
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import escape

from tests.support.s3_faults import Answer, Page, S3Request

# They belong to one connection, not to the message (RFC 9110 section 7.6.1); `Expect` was answered here.
_OF_THE_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "expect"})


@dataclass(frozen=True)
class Incoming:
    """A request: the target as it came, quoted and with its query."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class Outgoing:
    """An answer, half of one, or a TCP reset in its place."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes
    reset: bool = False
    half: bool = False
    chunked: bool = False  # its length is not announced


def error_answer(answer: Answer, request: S3Request) -> Outgoing:
    """Return an error as S3 words it."""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(answer.code)}</Code><Message>{escape(answer.message or answer.code)}</Message>"
        "<RequestId>0000000000000000</RequestId></Error>"
    )
    body = b"" if request.method == "HEAD" else text.encode()
    headers = [("Content-Type", "application/xml"), ("x-amz-request-id", "0" * 16)]
    if answer.status == 301:
        # Without it botocore asks for the bucket's region by a HEAD, meets the next 301 and recurses for ever.
        headers.append(("x-amz-bucket-region", "eu-north-1"))
    return Outgoing(answer.status, http.client.responses.get(answer.status, ""), headers, body)


def page_answer(page: Page) -> Outgoing:
    """Return a page of HTML."""
    return Outgoing(page.status, "OK", [("Content-Type", "text/html; charset=utf-8")], page.text.encode())


def forward(address: tuple[str, int], incoming: Incoming) -> Outgoing:
    """Carry a request out and return the answer; raise OSError or HTTPException where there is none."""
    connection = http.client.HTTPConnection(*address, timeout=120)
    try:
        connection.putrequest(incoming.method, incoming.target, skip_host=True, skip_accept_encoding=True)
        for name, value in incoming.headers:
            if name.lower() not in _OF_THE_CONNECTION and name.lower() != "content-length":
                connection.putheader(name, value)
        if incoming.body or incoming.method in ("PUT", "POST"):
            connection.putheader("Content-Length", str(len(incoming.body)))
        connection.endheaders(incoming.body or None)
        response = connection.getresponse()
        body = response.read()
        return Outgoing(response.status, response.reason, response.getheaders(), body)
    finally:
        connection.close()


class WireServer:
    """Listens on a free port of 127.0.0.1 and hands whole requests to `handle`, one thread a connection.

    Where `handle` returns None or raises, the connection is closed without an answer; `broken` gets what it raised.
    """

    def __init__(self, handle: Callable[[Incoming], Outgoing | None], broken: Callable[[BaseException], None]) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.handle = handle
        self._server.broken = broken
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and close the connections that clients keep open."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.drop_connections()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    handle: Callable[[Incoming], Outgoing | None]
    broken: Callable[[BaseException], None]

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        # Without `shutdown`, which would send a FIN before the RST that a lingering time of 0 asks for.
        with self._guard:
            self._open.discard(request)
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass on what broke, but not that a client went away."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.broken(error)

    def drop_connections(self) -> None:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with self._guard:
                still_open = list(self._open)
            if not still_open:
                return
            for one in still_open:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
            time.sleep(0.005)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle_any(self) -> None:
        body = self._body()
        if body is None:
            self.close_connection = True
            return
        # Not `self.path`, in which a leading `//` has become one slash.
        target = self.requestline.split(" ")[1]
        outgoing = self.server.handle(Incoming(self.command, target, self.headers.items(), body))
        if outgoing is None or outgoing.reset:
            self.close_connection = True
            if outgoing is not None:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        answer = self._answer(outgoing)
        if outgoing.half:
            self.close_connection = True
            answer = answer[: len(answer) - (len(outgoing.body) + 1) // 2]
        self.wfile.write(answer)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - the names of http.server

    def log_message(self, *_: Any) -> None:
        """Say nothing on standard error."""

    def _answer(self, outgoing: Outgoing) -> bytes:
        lines = [f"HTTP/1.1 {outgoing.status} {outgoing.reason}"]
        has_length = False
        for name, value in outgoing.headers:
            if name.lower() == "content-length":
                if self.command != "HEAD":
                    continue
                has_length = True
            if name.lower() not in _OF_THE_CONNECTION:
                lines.append(f"{name}: {value}")
        body = outgoing.body
        if outgoing.chunked:
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        elif not has_length and outgoing.status not in (204, 304):
            lines.append(f"Content-Length: {len(outgoing.body)}")
        if self.close_connection:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head if self.command == "HEAD" else head + body

    def _body(self) -> bytes | None:
        """Return the body, or None where the client went away before its end."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunked_body()
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        return body if len(body) == length else None

    def _chunked_body(self) -> bytes | None:
        parts = []
        while True:
            line = self.rfile.readline()
            if not line.endswith(b"\n"):
                return None
            length = int(line.split(b";")[0], 16)
            if length == 0:
                break
            part = self.rfile.read(length + 2)
            if len(part) != length + 2:
                return None
            parts.append(part[:-2])
        while self.rfile.readline() not in (b"\r\n", b"\n", b""):  # trailers
            pass
        return b"".join(parts)
