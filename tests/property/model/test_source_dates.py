"""Dates in spellings that nobody wrote down: a date, none, or odd; a zero date is never a deletion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from diploma_archive.model.source_items import Diploma
from diploma_archive.model.source_time import NO_DATE, SOURCE_ZONE, read_source_date

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2800, 1, 1))  # noqa: DTZ001


@given(st.text("0", min_size=1, max_size=8), st.lists(st.tuples(st.sampled_from("-:. T/"), st.text("0", max_size=4))))
def test_nothing_but_zeros_is_none(first, rest):
    """However many zeros, with whatever stands between them."""
    assert read_source_date(first + "".join(mark + zeros for mark, zeros in rest)) == NO_DATE


@given(ZONES, st.sampled_from([UTC, SOURCE_ZONE]), st.sampled_from([" ", "T"]))
def test_the_epoch_is_none_in_every_zone(zone, of, separator):
    """The epoch of UTC and of Oslo, written in any zone."""
    assert read_source_date(datetime(1970, 1, 1, tzinfo=of).astimezone(zone).isoformat(sep=separator)) == NO_DATE


@given(MOMENTS, ZONES | st.none(), st.sampled_from([" ", "T"]), st.sampled_from(["seconds", "microseconds"]))
def test_every_real_date_is_a_date(moment, zone, separator, precision):
    """A moment with or without zone and fractions is read, as Oslo's time, and deletes."""
    text = moment.replace(tzinfo=zone).isoformat(sep=separator, timespec=precision)
    read = read_source_date(text)
    expected = moment if zone is None else moment.replace(tzinfo=zone).astimezone(SOURCE_ZONE).replace(tzinfo=None)
    assert read.moment == expected.replace(microsecond=0)
    assert Diploma(id=1, deleted_at=text).is_withdrawn


@given(st.text(max_size=30))
def test_no_text_is_a_crash(text):
    """Whatever text comes, it is a date, none, or odd; only a date deletes."""
    read = read_source_date(text)
    assert Diploma(id=1, deleted_at=text).is_withdrawn is (read.moment is not None)
    assert not (read.is_odd and read.moment)
