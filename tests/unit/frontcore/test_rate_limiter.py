"""Never more than the allowed requests in any sliding second; time is a clock that jumps, so nothing waits here."""

from __future__ import annotations

import asyncio
import itertools
import selectors
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from diploma_archive.frontcore.rate_limiter import RateLimiter

Play = Callable[[Coroutine[Any, Any, Any]], Any]


class JumpingSelector(selectors.SelectSelector):
    """Instead of waiting for a timer, move the clock to it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "everybody waits for ever"
        self.now += max(timeout, 0.0)
        return super().select(0)


@pytest.fixture
def play(monkeypatch) -> Play:
    """Run a coroutine on a clock that jumps from timer to timer."""
    selector = JumpingSelector()
    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", lambda: selector.now)
        loop = asyncio.SelectorEventLoop(selector)
        try:
            yield loop.run_until_complete
        finally:
            loop.close()


async def times_of(
    limiter: RateLimiter, requests: int, send: Callable[[], Awaitable[None]] | None = None
) -> list[float]:
    sent: list[float] = []

    async def request() -> None:
        await limiter.slot()
        if send:
            await send()
        sent.append(time.monotonic())
        limiter.went_out()

    await asyncio.gather(*(request() for _ in range(requests)))
    return sent


def most_in_a_second(sent: list[float]) -> int:
    return max(sum(start <= moment < start + 1 for moment in sent) for start in sent)


@pytest.mark.parametrize("rate", [1, 2, 4, 5, 10])
def test_no_second_holds_more_than_the_rate(play, rate):
    """Many requests at once go out evenly: no burst, and no sliding second above the rate."""
    sent = play(times_of(RateLimiter(rate), 10 * rate))
    assert most_in_a_second(sent) == rate
    gaps = [later - earlier for earlier, later in itertools.pairwise(sent)]
    assert min(gaps) >= 1.01 / rate - 1e-9
    assert max(gaps) <= 1.015 / rate + 1e-9


def test_slow_rates_are_spaced(play):
    """At half a request a second, two requests are at least two seconds apart."""
    sent = play(times_of(RateLimiter(0.5), 4))
    assert all(later - earlier >= 2.0 for earlier, later in itertools.pairwise(sent))


def test_a_pause_earns_no_burst(play):
    """Requests that were not made are not made up for."""

    async def scene() -> list[float]:
        limiter = RateLimiter(5)
        await limiter.slot()
        await asyncio.sleep(100)
        return await times_of(limiter, 10)

    assert most_in_a_second(play(scene())) == 5


def test_a_request_that_leaves_late_pushes_the_next_one_back(play):
    """The space is measured from when a request really went out, so a cold connection causes no pair."""

    async def scene() -> list[float]:
        limiter = RateLimiter(5)
        await limiter.slot()
        await asyncio.sleep(0.19)  # a full buffer held the request up
        limiter.went_out()
        left = time.monotonic()
        await limiter.slot()
        return [left, time.monotonic()]

    left, next_one = play(scene())
    assert next_one - left >= 0.2


def test_first_come_first_served(play):
    """Nobody starves: slots are handed out in the order of asking."""

    async def scene() -> list[int]:
        limiter, served = RateLimiter(100), []

        async def ask(number: int) -> None:
            await limiter.slot()
            served.append(number)

        await asyncio.gather(*(ask(number) for number in range(50)))
        return served

    assert play(scene()) == list(range(50))


def test_a_refusal_holds_everybody_back(play):
    """After a 429 nothing goes out before Retry-After has passed, also for those who wait already."""

    async def scene() -> list[float]:
        limiter = RateLimiter(5)
        await limiter.slot()
        waiting = asyncio.create_task(times_of(limiter, 3))
        await asyncio.sleep(0.01)
        refused_at = time.monotonic()
        limiter.refused(7.0)
        return [moment - refused_at for moment in await waiting]

    assert min(play(scene())) >= 7.0


def test_a_shorter_refusal_does_not_shorten_a_longer_one(play):
    """The longest wait that was asked for counts."""

    async def scene() -> float:
        limiter, start = RateLimiter(5), time.monotonic()
        limiter.refused(7.0)
        limiter.refused(0.0)
        await limiter.slot()
        return time.monotonic() - start

    assert play(scene()) >= 7.0


def test_refusals_slow_down_and_success_recovers(play):
    """After a 429 requests are spaced wider, never without end, and at last as before."""

    async def scene() -> tuple[list[float], list[float]]:
        limiter = RateLimiter(5)
        for _ in range(50):
            limiter.refused(0.0)
        slow = await times_of(limiter, 3)
        await times_of(limiter, 300)
        return slow, await times_of(limiter, 3)

    slow, recovered = play(scene())
    assert 0.3 < slow[2] - slow[1] < 1.0
    assert recovered[2] - recovered[1] == pytest.approx(0.2025, abs=1e-6)


def test_recovery_takes_twenty_requests(play):
    """One refusal spaces the next twenty requests wider, and no more than these."""

    async def scene() -> list[float]:
        limiter = RateLimiter(5)
        await limiter.slot()
        limiter.refused(0.0)
        return await times_of(limiter, 30)

    gaps = [later - earlier for earlier, later in itertools.pairwise(play(scene()))]
    assert gaps[:19] == pytest.approx([0.30375] * 19, abs=1e-6)
    assert gaps[20:] == pytest.approx([0.2025] * 9, abs=1e-6)


def test_every_slot_is_counted(play):
    """The number of requests in the report is the number of slots."""

    async def scene() -> int:
        limiter = RateLimiter(1000)
        await times_of(limiter, 37)
        return limiter.sent

    assert play(scene()) == 37


def test_who_gives_up_takes_no_slot(play):
    """A request that is cancelled while it waits costs nobody a place and is not counted."""

    async def scene() -> tuple[int, float]:
        limiter = RateLimiter(1)
        await limiter.slot()
        start = time.monotonic()
        given_up = asyncio.create_task(limiter.slot())
        patient = asyncio.create_task(limiter.slot())
        await asyncio.sleep(0.5)
        given_up.cancel()
        await patient
        return limiter.sent, time.monotonic() - start

    sent, waited = play(scene())
    assert sent == 2
    assert waited < 1.1


def test_a_slot_that_comes_too_late_is_not_taken(play):
    """A link that dies while it waits for its turn is not tried, and takes no place."""

    async def scene() -> tuple[bool, bool, int]:
        limiter = RateLimiter(1)
        await limiter.slot()
        late = await limiter.slot(time.monotonic() + 0.5)
        in_time = await limiter.slot(time.monotonic() + 0.5)
        return late, in_time, limiter.sent

    assert play(scene()) == (False, True, 2)
