"""The sandbox as a running server; the rule: it listens on 127.0.0.1 only, starts listening and stops for certain."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from diploma_archive.sandbox.account import HOST, Account
from diploma_archive.sandbox.routes import build_app
from diploma_archive.sandbox.uvicorn_server import Serving

_START_SECONDS = 10.0


class Sandbox(Account):
    """A FrontCore of our own that listens; what `Account` has are its switches, at any time and from any thread."""

    _server: Serving | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen; raise OSError when the port is taken, RuntimeError when it runs already."""
        if self._thread is not None:
            raise RuntimeError("the sandbox runs already")
        # The protocol by name: asyncio sets TCP_NODELAY only where it stands, and each answer would wait 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self.port))
        except OSError:
            listener.close()
            raise
        # A sandbox that starts again keeps its address: links and clients stay good.
        self.port = listener.getsockname()[1]
        server = Serving(build_app(self))
        self._server = server
        self._thread = threading.Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop within two seconds, whatever clients are connected; does nothing when it is not running."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def run_forever(sandbox: Sandbox, announce: Callable[[str], None]) -> None:
    """Start, call `announce(base_url)` once listening, and stop at SIGINT or SIGTERM; for the main thread only."""
    asked_to_stop = False

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked_to_stop
        asked_to_stop = True

    # Before the start: a signal that comes early must stop it too.
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with sandbox:
            announce(sandbox.base_url)
            while not asked_to_stop:
                time.sleep(0.1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
