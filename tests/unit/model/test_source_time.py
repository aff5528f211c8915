"""FrontCore's three ways to write a time, as naive Europe/Oslo."""

from __future__ import annotations

from datetime import datetime

import pytest

from diploma_archive.model.source_time import NO_DATE, ODD_DATE, read_filter_time, read_source_date, to_source_time


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2024-03-15 14:20:00", "2024-03-15 14:20:00"),  # naive: Oslo already
        ("2025-11-20", "2025-11-20 00:00:00"),
        ("2025-11-11T10:29:12+01:00", "2025-11-11 10:29:12"),
        ("2025-11-11T10:29:12Z", "2025-11-11 11:29:12"),  # winter
        ("2025-07-01T10:00:00+00:00", "2025-07-01 12:00:00"),  # summer
        ("2025-07-01T10:00:00-05:00", "2025-07-01 17:00:00"),
        ("2025-12-31T23:30:00+00:00", "2026-01-01 00:30:00"),
        ("2025-10-26T00:30:00+00:00", "2025-10-26 02:30:00"),  # the hour that comes twice, first time
        ("2025-10-26T01:30:00+00:00", "2025-10-26 02:30:00"),  # and second time
        ("2025-11-11T10:29:12.987654+01:00", "2025-11-11 10:29:12"),
        (" 2024-03-15 14:20:00 ", "2024-03-15 14:20:00"),
    ],
)
def test_all_three_forms_become_oslo_time(raw, expected):
    """Whatever form the source uses, the cursor compares like with like, in whole seconds."""
    moment = to_source_time(raw)
    assert moment is not None
    assert moment.tzinfo is None
    assert moment == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        "  ",
        "0000-00-00 00:00:00",
        "2024-02-30",
        "15.03.2024",
        "yesterday",
        "2024-03-15 25:00:00",
        "0001-01-01T00:00:00+14:00",
        "\ud800",
    ],
)
def test_what_says_nothing_is_none(raw):
    """A time that cannot be read is no time, never an error and never now."""
    assert to_source_time(raw) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01", "2026-03-01"),
        ("2026-03-01 12:00:00", "2026-03-01 12:00:00"),
        (" 2026-03-01\n", "2026-03-01"),
        ("2024-02-29", "2024-02-29"),
        ("", None),
        ("2026-02-29", None),
        ("2026-13-01", None),
        ("2026-03-01T12:00:00", None),
        ("2026-03-01 12:00", None),
        ("2026-03-01 24:00:00", None),
        ("2026-03-01 12:00:00+01:00", None),
        ("01.03.2026", None),
        ("last week", None),
        ("2026-03-01; DROP", None),
    ],
)
def test_only_the_two_forms_of_the_filter_pass(text, expected):
    """What a person gave reaches the API in just the documented form, or not at all."""
    assert read_filter_time(text) == expected


def test_a_filter_time_has_four_digits_of_a_year():
    """What passes is in the documented form yyyy-mm-dd."""
    assert read_filter_time("0999-01-01") in (None, "0999-01-01")


ZERO_DATES = [
    *("0000-00-00", "0000-00-00 00:00:00", "0000-00-00T00:00:00+00:00", "0000-00-00 00:00:00.000000", "0", "00:00:00"),
    *("0000-00-00T00:00:00Z", "-0001-11-30 00:00:00", "-0001-11-30T00:00:00+00:43", "0000-01-01 00:00:00"),
    *("0001-01-01", "0001-01-01 00:00:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", " 0000-00-00 "),
    *("1970-01-01", "1970-01-01 00:00:00", "1970-01-01 01:00:00", "1970-01-01T00:00:00Z", "1970-01-01T01:00:00+01:00"),
    *("1970-01-01T00:00:00+01:00", "1970-01-01 00:00:00.000000", "1969-12-31T19:00:00-05:00", "", None),
]
ODD_DATES = ["never", "null", "2024-02-30", "15.03.2024", "9999-12-31 23:59:59", "0001-02-03", "1234", "true", "\ud800"]


@pytest.mark.parametrize("raw", ZERO_DATES, ids=repr)
def test_a_zero_date_is_none(raw):
    """Databases and libraries write "no date" in many ways; none of them is a moment, and none is odd."""
    assert read_source_date(raw) == NO_DATE


@pytest.mark.parametrize("raw", ODD_DATES, ids=repr)
def test_an_odd_date_is_neither(raw):
    """What is no date and no "none" decides nothing."""
    assert read_source_date(raw) == ODD_DATE


@pytest.mark.parametrize(
    "raw",
    ["1970-01-01 00:00:01", "1970-01-02", "1970-01-01 02:00:00", "1970-01-01T03:00:00Z", "2029-01-01", "1900-01-01"],
)
def test_a_date_near_a_zero_date_is_a_date(raw):
    """Only the epoch itself is none."""
    assert read_source_date(raw).moment is not None
