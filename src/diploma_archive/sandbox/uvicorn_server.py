"""uvicorn as the sandbox needs it; the rule: it says nothing, and nobody who is connected keeps it from stopping."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol


class _Protocol(H11Protocol):
    """uvicorn's HTTP with the connection in the request's state: some faults are below HTTP."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class Serving(uvicorn.Server):
    """A uvicorn that drops its clients when it stops: an endless answer would never let them go."""

    def __init__(self, app: Any) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="critical",
            access_log=False,
            # Longer than any pause a slow client makes: a closing connection is a fault, and faults are scripted.
            timeout_keep_alive=75,
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close everything now."""
        self.force_exit = True
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for task in list(self.server_state.tasks):
            task.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        # Aborted connections report their end in the loop's next rounds.
        await asyncio.sleep(0.01)
