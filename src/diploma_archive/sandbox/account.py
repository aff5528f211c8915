"""The account that the sandbox plays: its data, its switches, its faults, and what was asked of it."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal

from diploma_archive.sandbox.answer_faults import Status
from diploma_archive.sandbox.certificate import CertificateText, draw
from diploma_archive.sandbox.fault_script import Fault, FaultScript
from diploma_archive.sandbox.request_counts import Counts, Seen, SlidingWindow, busiest_second, rate_over_run
from diploma_archive.sandbox.school_data import School
from diploma_archive.sandbox.tokens import Tokens

HOST = "127.0.0.1"


class Account(School):
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
        self.port = port

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT/v2`; with port 0 the port is known once started."""
        return f"http://{HOST}:{self.port}/v2"

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
