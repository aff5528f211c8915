"""How a run stops early: because a person asks, or because of a fatal error.

Rule: nothing new is begun; what is under way may finish within the grace time, and is cancelled after it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from diploma_archive.errors import DiplomaArchiveError

GRACE_SECONDS = 15.0  # one diploma takes a few seconds; a wait for FrontCore's limit may take minutes
_LOOK_EVERY_SECONDS = 0.5


def cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks; whoever waits for them sees them end."""
    for task in tasks:
        task.cancel()


class Halt:
    """Whether and why a run stops."""

    def __init__(self) -> None:
        self.error: DiplomaArchiveError | None = None
        self._since: float | None = None

    @property
    def is_set(self) -> bool:
        """Return whether nothing new may begin."""
        return self._since is not None

    def request(self) -> None:
        """Stop, because somebody asks for it."""
        self._since = self._since or time.monotonic()

    def fail(self, error: DiplomaArchiveError) -> None:
        """Stop, because of a fatal error; the first one counts."""
        self.error = self.error or error
        self.request()

    async def finish(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        """Wait until the tasks have ended; after a stop for the grace time at most, then cancel them."""
        pending = set(tasks)
        try:
            while pending:
                _, pending = await asyncio.wait(pending, timeout=_LOOK_EVERY_SECONDS)
                if self._since is not None and time.monotonic() - self._since > GRACE_SECONDS:
                    break
        finally:
            cancel(pending)
            await asyncio.gather(*pending, return_exceptions=True)
