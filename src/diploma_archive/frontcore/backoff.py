"""How long to wait before a request is sent again: pure decisions.

Product with the other levels: at most `MAX_TRIES` requests a listing or download here, times two in the pipeline
(one new listing for a refused link).
"""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_TRIES = 5  # 5xx and transport errors: 4 waits of about 0.5, 1, 2 and 4 s
MAX_REFUSALS = 10  # 429: the limit is shared with other integrations, so patience is due
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
LONGEST_RETRY_AFTER_SECONDS = 120.0


def backoff_seconds(failures: int) -> float:
    """Return the wait after the n-th failure (from 1): doubled each time, capped, with jitter of a half."""
    longest = min(FIRST_WAIT_SECONDS * 2.0 ** (failures - 1), LONGEST_WAIT_SECONDS)
    return float(longest * (0.75 + 0.5 * random.random()))  # noqa: S311  jitter needs no secrecy


def retry_after_seconds(header: str | None, now: datetime) -> float:
    """Return the wait that a `Retry-After` header asks for, as seconds or as a date (RFC 9110, section 10.2.3).

    Without a header, or with one that says nothing, it is one second: the limit is one of requests a second.
    """
    text = (header or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        seconds = _until(text, now)
    if not math.isfinite(seconds):
        seconds = 1.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def _until(text: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return 1.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - now).total_seconds()
