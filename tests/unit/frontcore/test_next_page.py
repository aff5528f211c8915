"""What a paged answer says of what comes next: read where it is plain, an error where it is not, never a quiet end."""

from __future__ import annotations

import pytest

from diploma_archive.errors import ListingError
from diploma_archive.frontcore.next_page import Following, read_following

URL = "https://api.example/v2/diplomas?user_id=7"


def following(answer, page=1, **links):
    return read_following(answer, page, links=links, url=URL)


PLAIN = [2, 2.0, "2", "2.0", " 2 ", "02", f"{URL}&page=2", "/v2/diplomas?page=2", "?page=2"]
NOT_UNDERSTOOD = [
    *(True, {"page": 2}, [2], "x", "true", "2 of 3", "abc123", 1, "1", 0.5, 1.5, -1, "-2", "9" * 400, 10**400),
    *(float("inf"), "https://elsewhere.example/v2/diplomas?page=2", "?page=2&page=3", "?cursor=abc", "http://[x"),
]


@pytest.mark.parametrize("value", PLAIN, ids=str)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: {"pagination": {"next_page": value}},
        lambda value: {"next_page": value},
        lambda value: {"next_page_url": value},
        lambda value: {"nextPage": value, "pagination": {"next_page": None}},
        lambda value: {"links": {"next": value}},
        lambda value: {"meta": {"pagination": {"links": {"next": value}}}},
        lambda value: {"pagination": {"next_page": value, "has_more": True}},
        lambda value: {"pagination": {"next_page": value}, "links": {"next": "?page=2"}},
    ],
    ids=range(8),
)
def test_a_plain_number_is_followed(value, wrap):
    """Whatever field and spelling, page 2 is page 2."""
    assert following({"items": [1], **wrap(value)}).page == 2


@pytest.mark.parametrize("value", [None, "", "0", 0, 0.0, False, " "], ids=repr)
@pytest.mark.parametrize("name", ["next_page", "next_page_url", "next", "nextPage", "has_more"])
def test_nothing_is_the_end_only_where_the_field_says_so(name, value):
    """Null, nothing, zero and false say that no page follows."""
    assert following({"items": [1], "pagination": {name: value}}) == Following(is_end=True)


@pytest.mark.parametrize(
    "answer", [[], [1], {"items": []}, {"items": [{"next": 2}]}, {"items": [], "links": []}], ids=str
)
def test_an_answer_may_say_nothing(answer):
    """Where no field is there, nothing is said, in either direction; what stands in an item is no field."""
    assert following(answer) == Following()


@pytest.mark.parametrize("value", NOT_UNDERSTOOD, ids=lambda value: repr(value)[:40])
@pytest.mark.parametrize("name", ["next_page", "next_page_url", "next", "next_cursor"])
def test_what_is_not_understood_fails_the_listing(name, value):
    """An object, true, text, a page that is not ahead, another host: never taken for the end."""
    with pytest.raises(ListingError, match="after page 1"):
        following({"items": [1], "pagination": {name: value}})


def test_two_fields_must_agree():
    """Two different next pages are none; more pages without a number are not the end."""
    with pytest.raises(ListingError, match="several"):
        following({"items": [1], "next_page": 2, "pagination": {"next_page": 3}})
    with pytest.raises(ListingError):
        following({"items": [1], "pagination": {"has_more": True}})


def test_the_page_must_be_ahead_of_this_one():
    """Page 3 after page 2; page 2 or 1 after it would never end."""
    assert following({"items": [1], "next_page": 3}, page=2).page == 3
    for page in (1, 2):
        with pytest.raises(ListingError):
            following({"items": [1], "next_page": page}, page=2)


def test_the_link_header_counts_too():
    """RFC 8288's `rel=next`, as a bare array needs it."""
    assert following([1], next="https://api.example/v2/diplomas?page=2").page == 2
    with pytest.raises(ListingError):
        following([1], next="https://api.example/v2/diplomas?after=abc")


@pytest.mark.parametrize(
    ("fields", "total", "last_page"),
    [
        ({"total": 6}, 6, None),
        ({"total": "6"}, 6, None),
        ({"meta": {"total": 6.0, "last_page": 3}}, 6, 3),
        ({"pagination": {"total_count": 6, "total_pages": 3}}, 6, 3),
        ({"count": 2}, None, None),  # the page's own length
        ({"count": 6}, 6, None),
        ({"total": None}, None, None),
        ({"total": "many"}, None, None),
    ],
    ids=str,
)
def test_what_it_says_of_how_many_there_are(fields, total, last_page):
    """`total` and `last_page`; a `count` only where it is not the length of the page."""
    read = following({"items": [1, 2], **fields})
    assert (read.total, read.last_page) == (total, last_page)
