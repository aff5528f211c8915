"""FrontCore's times, as its filters take them: naive Europe/Oslo; reading them is `source_time`'s."""

from __future__ import annotations

from datetime import datetime

from diploma_archive.source_time import SOURCE_ZONE, source_time, to_source_time

__all__ = ["FILTER_FORMAT", "SOURCE_ZONE", "read_filter_time", "source_time", "to_source_time"]

FILTER_FORMAT = "%Y-%m-%d %H:%M:%S"


def read_filter_time(text: str) -> str | None:
    """Return what a person gave as `yyyy-mm-dd[ hh:mm:ss]` in just that form, or None where it is no such time."""
    for form in ("%Y-%m-%d", FILTER_FORMAT):
        try:
            moment = datetime.strptime(text.strip(), form)  # noqa: DTZ007  the API's filters are naive
            return moment.isoformat(sep=" ", timespec="seconds")[: 10 if form == "%Y-%m-%d" else 19]
        except ValueError:
            continue
    return None
