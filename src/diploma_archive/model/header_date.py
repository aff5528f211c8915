"""The `Date` header of an answer (RFC 9110): what time it is where the answer comes from."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def header_date(value: str | None) -> datetime | None:
    """Return the moment, with its zone, or None where there is none that can be read."""
    try:
        moment = parsedate_to_datetime(value or "")
    except (TypeError, ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
