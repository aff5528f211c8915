"""A bounded number of pieces of work at once, until all are done or the run must stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from diploma_archive.errors import unexpected
from diploma_archive.sync.stopping import Halt, cancel


class Window:
    """Takes work while there is room; at its end it waits for what is under way, as `Halt.finish` does.

    Whatever goes wrong, in the work or in the body of the `async with`, halts the run and is not raised here.
    """

    def __init__(self, places: int, halt: Halt) -> None:
        self._places = asyncio.Semaphore(places)
        self._halt = halt
        self._tasks: list[asyncio.Task[None]] = []

    async def take(self, work: Callable[[], Awaitable[object]]) -> bool:
        """Begin a piece of work once there is room, and return True; False where nothing new may begin."""
        await self._places.acquire()
        if self._halt.is_set:
            return False
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(asyncio.create_task(self._done(work)))
        return True

    async def _done(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  whatever it is, it stops the run; `unexpected` names it
            self._halt.fail(unexpected(error))
        finally:
            self._places.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, asyncio.CancelledError):
            cancel(self._tasks)
        elif isinstance(error, Exception):
            self._halt.fail(unexpected(error))
        await self._halt.finish(self._tasks)
        return isinstance(error, Exception)
