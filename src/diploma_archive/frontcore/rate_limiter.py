"""Never more than the allowed requests in any sliding second (DESIGN.md section 8).

Rule: requests are evenly spaced, and the space is measured from when the last one really went out.
"""

from __future__ import annotations

import asyncio
import math
import time

MARGIN = 1.0125  # the interval is this much longer than 1/rate: room for jitter on the way to the server
SLOWEST = 4.0  # after refusals the interval grows to at most this many times its length
SLOW_DOWN = 1.5  # how much longer the interval gets with each refusal
RECOVER_AFTER = 20  # requests without a refusal until the interval shrinks by one step again


class RateLimiter:
    """Hands out slots, one after the other, to the requests of one account.

    Args:
        requests_per_second: above 0; for a whole number n no sliding second sees more than n requests.
    """

    def __init__(self, requests_per_second: float) -> None:
        self.requests_per_second = requests_per_second
        self._interval_seconds = MARGIN / requests_per_second
        self._stretch = 1.0
        self._not_before = 0.0
        self._sent = 0
        self._sent_since_refusal = 0
        self._turn = asyncio.Lock()

    @property
    def sent(self) -> int:
        """Return how many requests went out, retries included."""
        return self._sent

    async def slot(self, useless_from: float = math.inf) -> bool:
        """Wait for the next slot and take it. Waiting requests are served in the order they came.

        Args:
            useless_from: the moment (monotonic) from which the request would be of no use any more.

        Returns:
            False where the slot came too late; it was not taken then.
        """
        async with self._turn:
            while (wait_seconds := self._not_before - time.monotonic()) > 0:
                await asyncio.sleep(wait_seconds)
            if time.monotonic() >= useless_from:
                return False
            self._sent += 1
            self._recover()
            self._push_back()
            return True

    def went_out(self) -> None:
        """Note that the request that took the last slot left this machine only now."""
        self._push_back()

    def refused(self, wait_seconds: float) -> None:
        """After a 429: let nothing out for so long, and space the requests wider from now on."""
        self._not_before = max(self._not_before, time.monotonic() + wait_seconds)
        self._stretch = min(self._stretch * SLOW_DOWN, SLOWEST)
        self._sent_since_refusal = 0

    def _push_back(self) -> None:
        earliest = time.monotonic() + self._interval_seconds * self._stretch
        self._not_before = max(self._not_before, earliest)

    def _recover(self) -> None:
        self._sent_since_refusal += 1
        if self._stretch > 1.0 and self._sent_since_refusal % RECOVER_AFTER == 0:
            self._stretch = max(1.0, self._stretch / SLOW_DOWN)
