"""Every way to write down a set of ids means that set."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from diploma_archive.errors import SettingsError
from diploma_archive.listing.selection import read_ids

SEPARATORS = st.sampled_from([",", ", ", " ", "\n", "\r\n", ";", "\t", " ,\n ", ",,"])
DASHES = st.sampled_from(["-", " - ", "- ", " -"])


@st.composite
def typed(draw: st.DrawFn) -> tuple[str, set[int]]:
    text, meant = draw(st.sampled_from(["", " ", "\n"])), set()
    for first, length in draw(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 20)), max_size=15)):
        meant |= set(range(first, first + length + 1))
        text += f"{first}{draw(DASHES)}{first + length}" if length else str(first)
        text += draw(SEPARATORS)
    return text, meant


@settings(max_examples=300)
@given(typed())
def test_what_was_typed_is_what_is_meant(case):
    """Ids come back sorted, each once, as many as `len` says, in ranges that do not touch."""
    text, meant = case
    ids = read_ids([text], "participants")
    assert list(ids) == sorted(meant)
    assert len(ids) == len(meant)
    assert all(end + 1 < start for (_, end), (start, _) in zip(ids.ranges, ids.ranges[1:], strict=False))


@settings(max_examples=200)
@given(typed())
def test_ranges_round_trip(case):
    """What was read, written down again, is read as the same."""
    ids = read_ids([case[0]], "participants")
    again = read_ids([f"{first}-{last}" for first, last in reversed(ids.ranges)], "participants")
    assert again == ids


@settings(max_examples=300)
@given(st.text(max_size=40) | st.text("0123456789-, \n", max_size=40))
def test_any_text_is_read_or_refused(text):
    """Whatever is typed: ids above 0, or one plain sentence on one line."""
    try:
        ids = read_ids([text], "participants")
    except SettingsError as error:
        assert "\n" not in error.diagnostics()
    else:
        assert all(first >= 1 for first, _ in ids.ranges)
