"""When it is proven, without reading all of them, which index entry of a diploma is the last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from diploma_archive.archive.index_entries import CLOCK_SKEW, is_last
from diploma_archive.model.json_document import utc_text
from diploma_archive.store.objects import Listed

MOMENT = datetime(2026, 3, 1, 2, 15, tzinfo=UTC)


def stored(modified: datetime) -> Listed:
    return Listed("certificates/c-ABC123456/12345.0123456789abcdef.json", 300, "etag", modified, "STANDARD")


@pytest.mark.parametrize(
    ("others", "proven"),
    [
        ([], True),
        ([timedelta(hours=-1)], True),
        ([timedelta(hours=-1), timedelta(days=-400)], True),
        ([timedelta(seconds=0)], False),
        ([timedelta(hours=1)], False),  # a copy of an older one, or a newer one: not told apart without reading
        ([timedelta(hours=-1), timedelta(hours=1)], False),
        ([-CLOCK_SKEW], False),  # the clocks of S3 and of the archiver may differ by as much
        ([-CLOCK_SKEW - timedelta(seconds=1)], True),
    ],
    ids=str,
)
def test_what_was_stored_before_was_archived_before(others: list[timedelta], proven: bool) -> None:
    """An unread object counts as older only where it was in the bucket before: a restored copy proves nothing."""
    assert is_last(utc_text(MOMENT), [stored(MOMENT + step) for step in others]) is proven


def test_a_date_that_does_not_exist_proves_nothing() -> None:
    """An edited `archived_at` never beats what was not read."""
    assert not is_last("2026-99-99T02:15:00.000000Z", [stored(MOMENT - timedelta(days=9))])
