"""The sandbox as a running server; the rule: it listens on 127.0.0.1 only, starts listening and stops for certain."""

from __future__ import annotations

import signal
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType
from typing import Any, Literal, Self

from diploma_archive.sandbox.app import build_app
from diploma_archive.sandbox.certificate import CertificateText, draw
from diploma_archive.sandbox.counting import Counts, Seen, SlidingWindow, busiest_second, rate_over_run
from diploma_archive.sandbox.exchange import Fault, FaultScript
from diploma_archive.sandbox.faults import Status
from diploma_archive.sandbox.school import School
from diploma_archive.sandbox.serving import Serving
from diploma_archive.sandbox.tokens import Tokens

_HOST = "127.0.0.1"
_START_SECONDS = 10.0


class Sandbox(School):
    """A FrontCore of our own; the attributes set in `__init__` are its switches, at any time and from any thread."""

    def __init__(
        self,
        participants: int = 40,
        persons: int = 25,
        seed: int = 1,
        *,
        api_key: str = "sandbox-key",
        requests_per_second: float | None = 5.0,
        port: int = 0,
        pdf_bytes: int | None = None,
        render_anew: bool = False,
    ) -> None:
        """Make the data; raise ValueError for numbers that cannot be."""
        super().__init__(participants, persons, seed)
        if requests_per_second is not None and requests_per_second <= 0:
            raise ValueError("requests_per_second is more than 0, or None for no limit")
        self.api_key = api_key
        self.requests_per_second = requests_per_second
        self.retry_after: str | None = "1"
        self.downloads_count = True
        self.pdf_bytes = pdf_bytes
        self.render_anew = render_anew
        self.overrides: dict[int, dict[str, Any]] = {}
        self.on_request: Callable[[str, dict[str, Any]], None] | None = None
        self.list_shape: Literal["bare", "wrapped"] = "bare"
        self.honours_since_id = True
        self.honours_page = True
        self.page_cap = 250
        self.descending = False
        self.with_user_ids: Literal["user.id", "user_id"] | None = "user.id"
        self.lists_deleted = True
        self.expired_status = 410
        self.single_use_tokens = False
        self.counts = Counts()
        self.window = SlidingWindow()
        self.faults = FaultScript()
        self.tokens = Tokens()
        self._port = port
        self._server: Serving | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT/v2`; with port 0 the port is known once started."""
        return f"http://{_HOST}:{self._port}/v2"

    def start(self) -> None:
        """Listen; raise OSError when the port is taken, RuntimeError when it runs already."""
        if self._thread is not None:
            raise RuntimeError("the sandbox runs already")
        # The protocol by name: asyncio sets TCP_NODELAY only where it stands, and each answer would wait 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((_HOST, self._port))
        except OSError:
            listener.close()
            raise
        # A sandbox that starts again keeps its address: links and clients stay good.
        self._port = listener.getsockname()[1]
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

    @property
    def requests(self) -> Counter[str]:
        """Requests by kind: participants, diplomas, download, refused, unauthorized, other."""
        return self.counts.requests

    @property
    def seen(self) -> list[Seen]:
        """Every request, refused ones included, in order of arrival."""
        return self.counts.seen

    @property
    def keys_on_downloads(self) -> int:
        """How many downloads came with an API key, which they should not."""
        return self.counts.keys_on_downloads

    def busiest_second(self) -> int:
        """Return the most requests, of all kinds, that arrived within any window [t, t+1)."""
        return busiest_second(self.counts.times())

    def rate_over_run(self) -> float:
        """Return requests per second between the first and the last arrival."""
        return rate_over_run(self.counts.times())

    def reset_counts(self) -> None:
        """Forget all arrivals; faults, links and the rate limit's window stay."""
        self.counts.reset()

    def expire_links(self) -> None:
        """Let all links given out so far be too old."""
        self.tokens.expire_all()

    def fail_next(
        self,
        kind: str,
        *,
        status: int = 500,
        times: int = 1,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        id: int | None = None,  # noqa: A002 - the word of the API
    ) -> None:
        """Answer the next `times` requests of a kind with a status; a body of str or bytes goes out as it is."""
        self.fault(kind, Status(status, body, headers or {}), id=id, times=times)

    def fault(
        self,
        kind: str,
        fault: Fault,
        *,
        id: int | None = None,  # noqa: A002 - the word of the API
        times: int | None = None,
    ) -> None:
        """Answer requests of a kind with a fault, always or `times` times.

        `id` is a participant's or person's id for "diplomas", a diploma's id for "download".
        """
        self.faults.plan(kind, fault, id, times)

    def clear_faults(self) -> None:
        """Answer rightly again."""
        self.faults.clear()

    def pdf_of(self, diploma_id: int) -> bytes:
        """Return the bytes that a download of this diploma gets."""
        diploma = self.diplomas[diploma_id]
        if diploma.pdf is not None:
            return diploma.pdf
        text = CertificateText.of(diploma)
        if self.render_anew:
            # Past the cache: every rendering is another one.
            return draw.__wrapped__(text, self.pdf_bytes, uuid.uuid4().hex)
        return draw(text, self.pdf_bytes)


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
