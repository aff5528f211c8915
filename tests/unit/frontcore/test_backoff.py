"""How long to wait before a request is sent again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from diploma_archive.frontcore.backoff import MAX_TRIES, backoff_seconds, retry_after_seconds

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_waiting_between_tries():
    """Nothing waits here, so the shortened waits of the other tests are put aside: the real ones are examined."""


@pytest.mark.parametrize("failures", range(1, MAX_TRIES))
def test_waits_double_with_jitter(failures):
    """About 0.5, 1, 2 and 4 seconds, a quarter less or more."""
    middle = [0.5, 1, 2, 4][failures - 1]
    waits = [backoff_seconds(failures) for _ in range(200)]
    assert min(waits) >= 0.75 * middle
    assert max(waits) <= 1.25 * middle


def test_waits_differ():
    """Several programs that failed together do not come back together."""
    assert len({backoff_seconds(3) for _ in range(50)}) > 10


@pytest.mark.parametrize("failures", [7, 8, 20, 100, 1000])
def test_waits_are_capped(failures):
    """However often it failed, nobody waits for ever."""
    assert backoff_seconds(failures) <= 30 * 1.25


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("1", 1),
        ("2.5", 2.5),
        (" 7 ", 7),
        ("120", 120),
        ("121", 120),
        ("86400", 120),
        ("-5", 0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 13:00:10 +0100", 10),
        ("Sun, 01 Mar 2026 12:00:20", 20),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 120),
        ("Mon, 01 Jan 0001 00:00:00 +1200", 0),
        (None, 1),
        ("", 1),
        ("soon", 1),
        ("nan", 1),
        ("inf", 1),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999", 1),
        ("Mon, 99 Foo 2024", 1),
        ("\u0001", 1),
    ],
)
def test_retry_after_is_heeded_within_a_cap(header, seconds):
    """Seconds and dates are heeded, up to two minutes; what says nothing is one second."""
    assert retry_after_seconds(header, NOW) == seconds
