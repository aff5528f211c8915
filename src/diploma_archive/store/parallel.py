"""Does one thing to many items in several threads, in order and with flat memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

WAITING_PER_WORKER = 4  # enough that no thread waits for the slowest item, few enough that memory stays flat


def in_parallel(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Yield `work(item)` for each item, in the order of the items; a bounded number of them is under way.

    Raises:
        Exception: whatever `work` raised, when its turn comes; nothing new is begun after that.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="s3") as pool:
        under_way: deque[Future[R]] = deque()
        try:
            for item in items:
                under_way.append(pool.submit(work, item))
                if len(under_way) >= workers * WAITING_PER_WORKER:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
