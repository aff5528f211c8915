"""What a person typed is checked in full, before the first request."""

from __future__ import annotations

import pytest

from diploma_archive.errors import SettingsError
from diploma_archive.listing.selection import Ids, Scope, Selection, read_ids


def ids(*texts: str) -> list[int]:
    return list(read_ids(texts, "participants"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("987654", [987654]),
        ("5-8", [5, 6, 7, 8]),
        ("5 - 8", [5, 6, 7, 8]),
        ("5- 8", [5, 6, 7, 8]),
        ("5-5", [5]),
        ("9, 5", [5, 9]),
        ("9;5", [5, 9]),
        ("9 5", [5, 9]),
        ("9\n5\r\n7\t6", [5, 6, 7, 9]),
        ("  9 ,, 5 ,\n", [5, 9]),
        ("5-7, 6-9", [5, 6, 7, 8, 9]),
        ("5-9, 6-7", [5, 6, 7, 8, 9]),
        ("5-6, 7-8", [5, 6, 7, 8]),
        ("5, 5, 5", [5]),
        ("1, 3", [1, 3]),
        ("0007", [7]),
        ("900 - 902, 950\n960", [900, 901, 902, 950, 960]),
        (str(2**63 - 1), [2**63 - 1]),
    ],
)
def test_ids_and_ranges(text, expected):
    """Ids and ranges come back sorted, each id once, however they are separated."""
    assert ids(text) == expected
    assert len(read_ids([text], "participants")) == len(expected)


@pytest.mark.parametrize(
    "text",
    [
        "8-5",
        "0",
        "0-5",
        "-5",
        "5-",
        "-",
        "5--8",
        "5-6-7",
        "abc",
        "12a",
        "1.5",
        "1e3",
        "+5",
        "0x10",
        "5\u20138",
        "\u0661",
        "\uff15",
        "#5",
        "5, x, 7",
        str(2**63),
        "9" * 30,
        "1-" + "9" * 30,
        f"1-{2**63}",
        "DROP TABLE",
    ],
)
def test_what_is_no_id_is_refused(text):
    """One wrong part refuses the whole text, and the field is named."""
    with pytest.raises(SettingsError, match=r"^participants "):
        ids(text)


@pytest.mark.parametrize("text", ["1-1000001", "1-9223372036854775807", "1-600000, 700000-1200000"])
def test_a_huge_range_is_refused_at_once(text):
    """A mistyped range does not start a run of days, and is not counted out in memory."""
    with pytest.raises(SettingsError, match="more than 1000000"):
        ids(text)


def test_a_million_is_still_a_choice():
    """The limit itself is allowed, and overlaps do not count twice."""
    assert len(read_ids(["1-1000000", "5-900000"], "participants")) == 1_000_000


def test_a_hundred_thousand_pasted_ids():
    """A column pasted from a spreadsheet is read, whatever its order."""
    pasted = "\n".join(str(900_000 + 2 * number) for number in reversed(range(100_000)))
    chosen = read_ids([pasted], "participants")
    assert len(chosen) == 100_000
    assert list(chosen) == list(range(900_000, 1_100_000, 2))


@pytest.mark.parametrize("texts", [[], [""], ["  "], ["\n\n", ", ;"]])
def test_nothing_is_nobody(texts):
    """An empty choice is nobody, never everything."""
    assert len(read_ids(texts, "participants")) == 0


def test_several_texts_are_one_choice():
    """A repeated option adds up."""
    assert ids("5-7", "6", "100") == [5, 6, 7, 100]


def test_a_refusal_quotes_little_and_harmlessly():
    """What was typed is quoted short and without control characters."""
    with pytest.raises(SettingsError) as caught:
        ids("\x1b[31m" + "x" * 5000)
    assert "\x1b" not in caught.value.diagnostics()
    assert len(caught.value.diagnostics()) < 200


@pytest.mark.parametrize(
    ("selection", "moves", "total"),
    [
        (Selection(), True, None),
        (Selection(Scope.FULL), True, None),
        (Selection(Scope.BACKFILL, filters=(("updated_at_min", "2026-03-01"),)), False, None),
        (Selection(Scope.BACKFILL, participants=Ids(((1, 10),)), users=Ids(((5, 5),))), False, 11),
        (Selection(Scope.BACKFILL), False, 0),
    ],
)
def test_only_a_backfill_leaves_the_cursor_alone(selection, moves, total):
    """The cursor belongs to the scheduled runs; how many listings there will be is said where it is known."""
    assert selection.moves_cursor is moves
    assert selection.known_total == total


@pytest.mark.parametrize("text", ["5\n-7"])
def test_a_negative_id_after_a_line_break_is_no_range(text):
    """A line break ends a part: a negative id on the next line is refused, not read as a range 5-7."""
    with pytest.raises(SettingsError):
        read_ids([text], "participants")
