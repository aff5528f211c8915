"""Next pages in spellings that nobody wrote down: a page ahead, nothing, or an error; never a quiet end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from diploma_archive.errors import ListingError
from diploma_archive.frontcore.next_page import read_following

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.integers(0, 9).map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["next_page", "nextPage", "next-page", "NEXT_PAGE", "next", "next_page_url", "nextPageUrl"])
PLACES = st.sampled_from([(), ("pagination",), ("meta",), ("links",), ("meta", "pagination"), ("_links",)])


def placed(place, name, value):
    answer = {name: value}
    for folder in reversed(place):
        answer = {folder: answer}
    return {"items": [1], **answer}


@given(PLACES, NAMES, JSON, st.integers(1, 9))
def test_a_field_for_the_next_page_is_never_ignored(place, name, value, page):
    """It names a page that is ahead, or says that there is none, or the listing fails."""
    try:
        read = read_following(placed(place, name, value), page)
    except ListingError:
        return
    if read.page is None:
        assert read.is_end
        assert (
            not value
            or (isinstance(value, str) and not value.strip(" 0.+\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0"))
            or not str(value).strip()
        )
    else:
        assert read.page > page


@given(JSON)
def test_no_answer_is_a_crash(answer):
    """Whatever JSON comes, it is read or refused in words."""
    try:
        read_following(answer, 1)
    except ListingError:
        return
