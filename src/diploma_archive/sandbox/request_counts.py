"""Counts what reached the server and says when it is too much; the rule: an arrival is noted before it is judged."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from typing import NamedTuple


class Seen(NamedTuple):
    """One request as it arrived; `kind` is what it was counted as, `path` has no query (tokens stay out)."""

    at: float
    kind: str
    path: str
    api_key_present: bool
    headers: dict[str, str]


def busiest_second(times: Iterable[float]) -> int:
    """Return the most arrivals that lie within any window [t, t+1)."""
    ordered = sorted(times)
    most = first = 0
    for last, at in enumerate(ordered):
        # A window that holds the most can always be moved right until it begins at an arrival.
        while at - ordered[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def rate_over_run(times: Iterable[float]) -> float:
    """Return arrivals per second between the first and the last one, 0.0 for fewer than two moments."""
    ordered = sorted(times)
    if len(ordered) < 2 or ordered[-1] == ordered[0]:
        return 0.0
    return (len(ordered) - 1) / (ordered[-1] - ordered[0])


class SlidingWindow:
    """The account's rate limit: what it refuses does not fill the window, so that a client always gets in again."""

    def __init__(self) -> None:
        self._admitted: deque[float] = deque()

    def admits(self, now: float, requests_per_second: float) -> bool:
        """Return whether one more request at `now` (monotonic seconds) stays within the rate, and note it if so."""
        # A rate that is no whole number becomes a whole number of requests in a window that is not one second.
        capacity = max(1, math.floor(requests_per_second))
        window_seconds = capacity / requests_per_second
        while self._admitted and now - self._admitted[0] >= window_seconds:
            self._admitted.popleft()
        if len(self._admitted) >= capacity:
            return False
        self._admitted.append(now)
        return True


class Counts:
    """All arrivals since the last reset."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.seen: list[Seen] = []
        self.keys_on_downloads = 0

    def note(self, seen: Seen) -> None:
        """Count one request."""
        self.requests[seen.kind] += 1
        self.seen.append(seen)

    def reset(self) -> None:
        """Forget everything; the containers stay the same objects, so that a test may hold on to them."""
        self.requests.clear()
        self.seen.clear()
        self.keys_on_downloads = 0

    def times(self) -> list[float]:
        """Return the arrival times in monotonic seconds."""
        return [seen.at for seen in list(self.seen)]
