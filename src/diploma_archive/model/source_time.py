"""FrontCore's three ways to write a time (FRONTCORE.md), as naive Europe/Oslo."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

SOURCE_ZONE = ZoneInfo("Europe/Oslo")
FILTER_FORMAT = "%Y-%m-%d %H:%M:%S"
FIRST_YEAR, LAST_YEAR = 1900, 2899  # 2999 and 9999 are how some write "never"; nothing was issued before 1900

_ZEROS = re.compile(r"[-+0:./ TtZz]+")
_YEAR_ZERO_OR_ONE = re.compile(r"-[0-9]+-|0000-|0001-01-01(?![0-9])")
_EPOCH = frozenset({datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=SOURCE_ZONE).astimezone(UTC)})
_EPOCH_WITHOUT_ZONE = frozenset({datetime(1970, 1, 1), datetime(1970, 1, 1, 1)})  # noqa: DTZ001  as they come


@dataclass(frozen=True)
class SourceDate:
    """What FrontCore says with a date field: a moment (naive, Europe/Oslo), none, or something odd.

    An odd date is no moment and no "none": it never decides that something was deleted, issued or seen.
    """

    moment: datetime | None = None
    is_odd: bool = False


NO_DATE = SourceDate()
ODD_DATE = SourceDate(is_odd=True)


def read_source_date(raw: str | None) -> SourceDate:
    """Return what a date field says; the zero dates of databases and libraries, in any spelling, are none.

    Zero dates: nothing but zeros, a year before 1, 0001-01-01, and the Unix epoch in UTC or Oslo, with or without zone.
    A birth date is no moment: it is text, and 1970-01-01 is a good one.
    """
    text = (raw or "").strip()
    if not text or _ZEROS.fullmatch(text) or _YEAR_ZERO_OR_ONE.match(text):
        return NO_DATE
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            is_epoch = moment.replace(microsecond=0) in _EPOCH_WITHOUT_ZONE
        else:
            is_epoch = moment.astimezone(UTC).replace(microsecond=0) in _EPOCH
            moment = moment.astimezone(SOURCE_ZONE)
    except (OverflowError, ValueError):
        return ODD_DATE
    if is_epoch:
        return NO_DATE
    moment = moment.replace(tzinfo=None, microsecond=0)
    return SourceDate(moment) if FIRST_YEAR <= moment.year <= LAST_YEAR else ODD_DATE


def to_source_time(raw: str | None) -> datetime | None:
    """Return a time as naive Europe/Oslo, or None where it says none or cannot be read."""
    return read_source_date(raw).moment


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
