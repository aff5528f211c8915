"""How far the scheduled run has read, and whom it must try again."""

from __future__ import annotations

from datetime import datetime

import pytest

from diploma_archive.errors import Kind, StoreError
from diploma_archive.model.cursor import (
    MAX_RETRY,
    Cursor,
    CursorObject,
    heads,
    merge,
    prunable,
    read_cursor,
)

EARLY, LATE = datetime(2026, 3, 1, 12, 0, 0), datetime(2026, 3, 2, 9, 30, 15)  # noqa: DTZ001  naive by definition


def test_the_next_run_reads_a_day_back():
    """The overlap of 24 hours is in the filter, in the documented form."""
    assert Cursor(LATE).read_from() == "2026-03-01 09:30:15"


def test_without_a_cursor_everything_is_read():
    """The first run has no filter."""
    assert Cursor().read_from() is None


@pytest.mark.parametrize(
    ("before", "seen", "after"),
    [(None, EARLY, EARLY), (EARLY, LATE, LATE), (LATE, EARLY, LATE), (EARLY, None, EARLY), (None, None, None)],
)
def test_an_incremental_run_never_moves_the_cursor_back(before, seen, after):
    """A run that saw nothing newer leaves the cursor where it was."""
    assert Cursor(before).advanced(seen, ()).newest == after


def test_failed_participants_are_tried_again():
    """The retry list is that of the last run: once each, sorted, and emptied by success."""
    moved = Cursor(EARLY, (1, 2)).advanced(LATE, [9, 7, 9])
    assert moved == Cursor(LATE, (7, 9))
    assert moved.advanced(LATE, ()).retry == ()


def test_with_too_many_failures_the_cursor_stays():
    """A retry list never grows for ever: beyond its limit everything is read again."""
    before = Cursor(EARLY, (1,))
    assert before.advanced(LATE, range(MAX_RETRY + 1)) == before
    assert len(before.advanced(LATE, range(MAX_RETRY)).retry) == MAX_RETRY


@pytest.mark.parametrize("swap", [False, True])
def test_two_runs_agree(swap):
    """What either of them would look at again is looked at again."""
    one = Cursor(EARLY, (1, 5), {7: "a", 8: "b", 9: "c"})
    other = Cursor(LATE, (2, 5), {7: "a", 8: "other", 2: "d"})
    assert merge([other, one] if swap else [one, other]) == Cursor(EARLY, (1, 2, 5), {7: "a"})


def test_nothing_and_everything():
    """No cursor reads everything, and so does one of several that has no date."""
    assert merge([]) == Cursor()
    assert merge([Cursor(LATE), Cursor()]) == Cursor()
    assert merge([Cursor(LATE, (3,), {1: "x"})]) == Cursor(LATE, (3,), {1: "x"})


def chain(*follows: str) -> list[CursorObject]:
    """Return cursors a, b, c ... of which each follows those named."""
    names = "abcdefghijkl"
    return [CursorObject(names[at], Cursor(EARLY, (at,)), frozenset(one)) for at, one in enumerate(follows)]


@pytest.mark.parametrize(
    ("follows", "expected"),
    [
        ([""], "a"),
        (["", "a", "b"], "c"),
        (["", "a", "a"], "bc"),
        (["", "", "ab"], "c"),
        (["", "a", "b", "a"], "cd"),
        (["b", "a"], "ab"),  # a circle: nobody's doing, and everything counts
        (["a"], "a"),
        ([], ""),
    ],
)
def test_what_no_other_follows_counts(follows, expected):
    """The number is for the order alone: a run that began first and ended last follows what it began with."""
    assert "".join(one.key for one in heads(chain(*follows))) == expected


@pytest.mark.parametrize(
    ("follows", "torn", "expected"),
    [
        (["", "a", "b"], "", ""),  # the newest few stay
        (["", "a", "b", "c", "d"], "", "ab"),
        (["", "a", "b", "b", "cd", "e"], "", "abc"),
        (["", "", "b", "c", "d"], "", "b"),  # nobody follows a
        (["", "a", "z", "c", "d", "e"], "", "ac"),  # nobody follows b, so it counts; what it followed may go
        (["", "a", "b", "c", "d"], "z", "ab"),
        (["", "a", "b", "c", "0d"], "0", "0ab"),
    ],
)
def test_only_what_a_newer_one_follows_goes(follows, torn, expected):
    """The oldest first, never one of the newest few."""
    assert "".join(prunable(chain(*follows), torn)) == expected


def test_what_would_count_again_stays():
    """Where an older one stays, what follows it stays too, or else the older one would count again."""
    later = [CursorObject(key, Cursor(), frozenset(follows)) for key, follows in (("b", "c"), ("c", ""), ("d", "b"))]
    rest = [CursorObject(key, Cursor(), frozenset(follows)) for key, follows in (("e", "d"), ("f", "e"), ("g", "f"))]
    assert prunable([*later, *rest]) == []


@pytest.mark.parametrize("cursor", [Cursor(), Cursor(LATE), Cursor(LATE, (3, 7))])
def test_a_cursor_can_be_read_back(cursor):
    """What the bucket keeps is the cursor, and says who wrote it."""
    document = cursor.to_document(account="acme", run_id="run-1", moved_at="2026-03-02T10:00:00.000000Z")
    assert read_cursor(document) == cursor
    assert document["format"] == 1
    assert (document["account"], document["run_id"]) == ("acme", "run-1")


def test_the_cursor_document_is_plain():
    """The cursor is readable for a person: source time as text, participants as a list."""
    document = Cursor(LATE, (7, 3)).to_document(account="acme", run_id="r", moved_at="m")
    assert (document["updated_at"], document["retry"]) == ("2026-03-02 09:30:15", [7, 3])


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"updated_at": None},
        {"retry": []},
        {"updated_at": "yesterday", "retry": []},
        {"updated_at": "2026-03-02", "retry": []},
        {"updated_at": 5, "retry": []},
        {"updated_at": None, "retry": None},
        {"updated_at": None, "retry": ["x"]},
        {"updated_at": None, "retry": [None]},
    ],
)
def test_a_damaged_cursor_stops_the_run(document):
    """Guessing would skip diplomas: a cursor that cannot be read is fatal, in words."""
    with pytest.raises(StoreError, match=r"state/cursor") as caught:
        read_cursor(document)
    assert caught.value.kind is Kind.FATAL


@pytest.mark.parametrize("retry", [[float("inf")], "123", {"7": 1}, [True], [1.7]])
def test_a_damaged_retry_list_stops_the_run(retry):
    """Guessing would skip diplomas: no crash and no guess."""
    with pytest.raises(StoreError):
        read_cursor({"updated_at": None, "retry": retry})


def test_a_cursor_of_another_format_is_refused():
    """A program never reads a layout that it does not know."""
    with pytest.raises(StoreError):
        read_cursor({"format": 2, "updated_at": None, "retry": []})


@pytest.mark.parametrize("year", [1, 999])
def test_an_early_cursor_can_be_used_and_read_back(year):
    """`0001-01-01 00:00:00` from the source neither crashes the next run nor damages the cursor."""
    cursor = Cursor(datetime(year, 1, 1))  # noqa: DTZ001  cursors are naive
    cursor.read_from()
    assert read_cursor(cursor.to_document(account="a", run_id="r", moved_at="m")) == cursor
