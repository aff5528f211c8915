"""One request under a fault: the right answer and the bare connection; the rule: what went out is never taken back."""

from __future__ import annotations

import socket
import struct
from abc import ABC, abstractmethod
from asyncio import Transport
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


@dataclass
class Exchange:
    """What a fault may use; `right_answer` is called once at most, and only by a fault that needs it."""

    kind: str
    params: Mapping[str, Any]
    right_answer: Callable[[], Response]
    pdf_of: Callable[[int], bytes]
    link_of: Callable[[int], str]
    scope: Scope
    receive: Receive
    send: Send

    @cached_property
    def right(self) -> Response:
        """The answer without the fault."""
        return self.right_answer()

    @property
    def transport(self) -> Transport:
        """The connection itself (see serving.py)."""
        transport: Transport = self.scope["state"]["transport"]
        return transport

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        return self.transport.is_closing()

    async def reply(self, response: Response) -> None:
        """Send a whole answer."""
        await response(self.scope, self.receive, self.send)

    async def start(self, *, content_length: int | None, headers: Mapping[str, str] | None = None) -> None:
        """Send status and headers of the right answer; without a length the body goes out in chunks."""
        raw = [pair for pair in self.right.raw_headers if pair[0] != b"content-length"]
        raw += [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        if content_length is not None:
            raw.append((b"content-length", str(content_length).encode()))
        await self.send({"type": "http.response.start", "status": self.right.status_code, "headers": raw})

    async def body(self, data: bytes, *, more: bool = True) -> None:
        """Send a part of the body."""
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    async def close(self, *, reset: bool = False) -> None:
        """Close the connection after what was sent, or with a TCP reset; returns when uvicorn knows it too."""
        if reset:
            raw: socket.socket = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()
        # Returning earlier would make uvicorn send its own 500 into the closing connection.
        while (await self.receive())["type"] != "http.disconnect":
            pass


class Fault(ABC):
    """A way to answer wrongly."""

    @abstractmethod
    async def answer(self, exchange: Exchange) -> None:
        """Answer this request."""


class Reworked(Fault):
    """A fault that is a complete HTTP answer, only not the right one."""

    async def answer(self, exchange: Exchange) -> None:
        """Send what `rework` makes."""
        await exchange.reply(self.rework(exchange))

    @abstractmethod
    def rework(self, exchange: Exchange) -> Response:
        """Return the answer to send."""


@dataclass
class _Planned:
    fault: Fault
    id: int | None
    times: int | None


class FaultScript:
    """Which requests get which fault: counted faults first and in their order, then the newest lasting one."""

    def __init__(self) -> None:
        self._planned: dict[str, list[_Planned]] = {}

    def plan(self, kind: str, fault: Fault, id_: int | None, times: int | None) -> None:
        """Add a fault for requests of `kind`, for one id only if given, `times` times or (None) for ever."""
        self._planned.setdefault(kind, []).append(_Planned(fault, id_, times))

    def take(self, kind: str, ids: frozenset[int]) -> Fault | None:
        """Return the fault for a request about these ids, and use up one time of it."""
        planned = self._planned.get(kind)
        if not planned:
            return None
        fitting = [plan for plan in planned if plan.times != 0 and (plan.id is None or plan.id in ids)]
        counted = next((plan for plan in fitting if plan.times is not None), None)
        if counted is not None and counted.times is not None:
            counted.times -= 1
            return counted.fault
        return fitting[-1].fault if fitting else None

    def clear(self) -> None:
        """Forget all faults."""
        self._planned.clear()
