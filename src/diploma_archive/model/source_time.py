"""FrontCore's three ways to write a time (FRONTCORE.md), as naive Europe/Oslo."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

SOURCE_ZONE = ZoneInfo("Europe/Oslo")
FILTER_FORMAT = "%Y-%m-%d %H:%M:%S"


def to_source_time(raw: str | None) -> datetime | None:
    """Return a time as naive Europe/Oslo, or None where it says nothing that can be read."""
    try:
        moment = datetime.fromisoformat((raw or "").strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        return moment.replace(microsecond=0)
    try:
        return source_time(moment)
    except (OverflowError, ValueError):
        return None


def source_time(moment: datetime) -> datetime:
    """Return a moment as naive Europe/Oslo."""
    return moment.astimezone(SOURCE_ZONE).replace(tzinfo=None, microsecond=0)


def read_filter_time(text: str) -> str | None:
    """Return what a person gave as `yyyy-mm-dd[ hh:mm:ss]` in just that form, or None where it is no such time."""
    for form in ("%Y-%m-%d", FILTER_FORMAT):
        try:
            moment = datetime.strptime(text.strip(), form)  # noqa: DTZ007  the API's filters are naive
            return moment.isoformat(sep=" ", timespec="seconds")[: 10 if form == "%Y-%m-%d" else 19]
        except ValueError:
            continue
    return None
