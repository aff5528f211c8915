"""The walk through the participants: complete, without doubles, and always at an end; against every kind of server."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diploma_archive.errors import ListingError
from diploma_archive.frontcore.paging import MAX_REPEATED_PAGES, PAGE_LIMIT, Paging


@dataclass
class Server:
    """A list of ids that is paged in one of the ways that FRONTCORE.md leaves open.

    New rows have greater ids: they come at the end of an ascending list and at the beginning of a descending one.
    """

    rows: list[int]
    page_cap: int
    descending: bool = False
    honours_since_id: bool = True
    honours_page: bool = True
    names_next_page: bool = False
    forgets_since_id_after: int = 10**9
    inserted: list[int] = field(default_factory=list)  # how many new rows before each request
    requests: int = 0

    def ask(self, parameters: dict[str, int]) -> tuple[list[int], int | None]:
        assert 1 <= parameters["limit"] <= 250
        if self.requests:
            for _ in range(self.inserted.pop(0) if self.inserted else 0):
                self.rows.append(max(self.rows, default=0) + 1)
        self.requests += 1
        rows = sorted(self.rows, reverse=self.descending)
        if "since_id" in parameters and self.honours_since_id and self.requests <= self.forgets_since_id_after:
            rows = [row for row in rows if row > parameters["since_id"]]
        page = parameters.get("page", 1) if self.honours_page else 1
        size = min(parameters["limit"], self.page_cap)
        has_more = len(rows) > page * size
        return rows[(page - 1) * size : page * size], page + 1 if self.names_next_page and has_more else None


def walk(server: Server, at_most: int) -> list[int]:
    """Return the ids in the order they were given, and insist that there is an end."""
    paging, given_ids = Paging(), []
    while not paging.done:
        assert server.requests < at_most, "the walk does not end"
        ids, next_page = server.ask(paging.next_parameters())
        given_ids += sorted(paging.take(ids, next_page))
    return given_ids


def bound(server: Server) -> int:
    """Pages of what is and what comes, once by since_id and once by number, and a few to notice."""
    return 2 * ((len(server.rows) + sum(server.inserted)) // server.page_cap + 1) + len(server.inserted) + 6


@st.composite
def servers(draw: st.DrawFn) -> Server:
    cap = draw(st.integers(2, 7))
    return Server(
        rows=sorted(draw(st.sets(st.integers(1, 500), max_size=40))),
        page_cap=cap,
        descending=draw(st.booleans()),
        honours_since_id=draw(st.booleans()),
        names_next_page=draw(st.booleans()),
        # Fewer new rows than a page holds: else nobody could ever read such a list by page number.
        inserted=draw(st.lists(st.integers(0, cap - 1), max_size=12)),
        forgets_since_id_after=draw(st.sampled_from([10**9, 10**9, 3, 5])),
    )


@settings(max_examples=500, deadline=None)
@given(servers())
def test_every_row_is_given_exactly_once(server):
    """Nothing that was there at the start is lost or given twice, though rows are inserted meanwhile."""
    at_start, at_most = set(server.rows), bound(server)
    given_ids = walk(server, at_most)
    assert len(given_ids) == len(set(given_ids))
    assert at_start <= set(given_ids) <= set(server.rows)


@settings(max_examples=200, deadline=None)
@given(servers())
def test_an_ascending_list_is_given_with_its_new_rows(server):
    """By since_id, rows that were inserted on the way are given too."""
    server.descending, server.honours_since_id, server.forgets_since_id_after = False, True, 10**9
    assert walk(server, bound(server)) == sorted(server.rows)


@settings(max_examples=200, deadline=None)
@given(servers())
def test_a_server_that_repeats_one_page_for_ever_ends(server):
    """A server that honours neither since_id nor page is noticed within a few requests."""
    server.honours_since_id = server.honours_page = False
    first_page = sorted(server.rows, reverse=server.descending)[: server.page_cap]
    try:
        given_ids = walk(server, 2 * len(server.inserted) + 6 + MAX_REPEATED_PAGES)
    except ListingError:
        return  # it names a next page that never comes: an error, and no quiet end
    assert len(given_ids) == len(set(given_ids))
    assert set(first_page) <= set(given_ids)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 30), max_size=6).filter(bool), st.booleans())
def test_any_page_repeated_for_ever_ends(page, names_next):
    """Even a page in no order, with doubles, ends; with a next page named for ever, it ends as an error."""
    paging, given_ids, refused = Paging(), [], False
    for number in range(MAX_REPEATED_PAGES + 10):
        if paging.done or refused:
            break
        paging.next_parameters()
        try:
            given_ids += paging.take(list(dict.fromkeys(page)), number + 2 if names_next else None)
        except ListingError:
            refused = True
    assert refused is names_next
    assert paging.done is not names_next
    assert sorted(given_ids) == sorted(set(page))


@pytest.mark.parametrize("rows", [0, 1, PAGE_LIMIT - 1, PAGE_LIMIT, PAGE_LIMIT + 1, 1000])
@pytest.mark.parametrize("descending", [False, True])
def test_full_pages_are_asked_for(rows, descending):
    """With the documented limit of 250, a list costs its pages and at most two requests more."""
    server = Server(list(range(1, rows + 1)), page_cap=PAGE_LIMIT, descending=descending)
    assert sorted(walk(server, rows // PAGE_LIMIT + 3)) == list(range(1, rows + 1))


def test_a_short_page_is_not_the_end():
    """A server that caps the limit below ours loses nobody."""
    assert walk(Server(list(range(1, 101)), page_cap=10), 20) == list(range(1, 101))
