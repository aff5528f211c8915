"""The walk through the participants: complete, without doubles, and always at an end; against every kind of server."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diploma_archive.errors import ListingError
from diploma_archive.frontcore.list_sweep import Page
from diploma_archive.frontcore.next_page import Following
from diploma_archive.frontcore.paging import MAX_PAGES, MAX_REPEATED_PAGES, PAGE_LIMIT, Paging


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
    deleted: list[int] = field(default_factory=list)  # how many rows of the page just given go after each request
    refuses_with: int | None = None  # the status of a page beyond the end; None: it is an empty list
    says_total: bool = False
    shortfall: str = ""  # what the paging said in the end
    gone: set[int] = field(default_factory=set)
    requests: int = 0

    def ask(self, parameters: dict[str, int]) -> Page | None:
        """Return a page, or None where it is refused."""
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
        given = rows[(page - 1) * size : page * size]
        going = set(given[: self.deleted.pop(0) if self.deleted else 0])
        self.gone |= going
        self.rows = [row for row in self.rows if row not in going]
        if self.refuses_with and not given and self.requests > 1:
            return None
        following = Following(
            page=page + 1 if self.names_next_page and has_more else None,
            is_end=self.names_next_page and not has_more,
            total=len(rows) if self.says_total else None,
        )
        return Page(given, following)


def walk(server: Server, at_most: int) -> list[int]:
    """Return the ids in the order they were given, and insist that there is an end."""
    paging, given_ids = Paging(), []
    while not paging.done:
        assert server.requests < at_most, "the walk does not end"
        page = server.ask(paging.next_parameters())
        if page is None:
            paging.refused(server.refuses_with or 0)
        else:
            given_ids += sorted(paging.take(page))
    server.shortfall = paging.shortfall
    return given_ids


def bound(server: Server) -> int:
    """Pages of what is and what comes, once by since_id and five times by number, and a few to notice."""
    return 6 * ((len(server.rows) + sum(server.inserted)) // server.page_cap + 6) + len(server.inserted) + 12


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
        refuses_with=draw(st.sampled_from([None, None, 204, 400, 404, 416])),
    )


@settings(max_examples=500)
@given(servers())
def test_every_row_is_given_exactly_once(server):
    """Nothing that was there at the start is lost or given twice, though rows are inserted meanwhile."""
    at_start, at_most = set(server.rows), bound(server)
    try:
        given_ids = walk(server, at_most)
    except ListingError:
        # Rows that come just while a refusal is looked into look like rows that no page gives: an error, no quiet end.
        assert server.refuses_with
        return
    assert len(given_ids) == len(set(given_ids))
    assert set(given_ids) <= set(server.rows)
    assert at_start <= set(given_ids) or server.shortfall


@settings(max_examples=500)
@given(servers(), st.lists(st.integers(0, 3), max_size=30))
def test_rows_that_move_are_seen_or_the_walk_says_so(server, deleted):
    """Rows deleted behind the reader move the others forward, past the next page: the next sweep brings them."""
    server.deleted = deleted[: len(server.rows) // server.page_cap]  # while the first sweep is made
    server.inserted, server.forgets_since_id_after = [], 10**9
    try:
        given_ids = walk(server, bound(server) + 200)
    except ListingError:
        return  # a refused page that nothing else explains: an error, and no quiet end
    assert set(server.rows) <= set(given_ids) or server.shortfall
    assert len(given_ids) == len(set(given_ids))


@settings(max_examples=300)
@given(servers(), st.integers(1, 5))
def test_a_total_that_is_not_reached_is_told(server, more):
    """Fewer rows than the server itself counts are never the whole, whichever way it counts."""
    server.inserted, server.forgets_since_id_after, server.says_total, server.refuses_with = [], 10**9, True, None
    whole = list(server.rows)
    assert set(walk(server, bound(server))) == set(whole)
    assert not server.shortfall
    hidden = [row for row in whole if row > (max(whole, default=0) - more)]
    lying = Server(whole, server.page_cap, server.descending, server.honours_since_id, says_total=True)
    ask = lying.ask

    def without_hidden(parameters):
        page = ask(parameters)
        return Page([row for row in page.ids if row not in hidden], page.following)

    lying.ask = without_hidden
    walk(lying, bound(lying))
    assert bool(lying.shortfall) is bool(hidden)


@settings(max_examples=200)
@given(servers())
def test_an_ascending_list_is_given_with_its_new_rows(server):
    """By since_id, rows that were inserted on the way are given too."""
    server.descending, server.honours_since_id, server.forgets_since_id_after = False, True, 10**9
    assert walk(server, bound(server)) == sorted(server.rows)


@settings(max_examples=200)
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


@settings(max_examples=200)
@given(st.lists(st.integers(1, 30), max_size=6).filter(bool), st.booleans())
def test_any_page_repeated_for_ever_ends(page, names_next):
    """Even a page in no order, with doubles, ends; with a next page named for ever, it ends as an error."""
    paging, given_ids, refused = Paging(), [], False
    for number in range(2 * MAX_REPEATED_PAGES):
        if paging.done or refused:
            break
        paging.next_parameters()
        try:
            given_ids += paging.take(Page(list(dict.fromkeys(page)), Following(number + 2 if names_next else None)))
        except ListingError:
            refused = True
    assert refused is names_next
    assert paging.done is not names_next
    assert sorted(given_ids) == sorted(set(page))


@pytest.mark.parametrize("rows", [0, 1, PAGE_LIMIT - 1, PAGE_LIMIT, PAGE_LIMIT + 1, 1000])
@pytest.mark.parametrize("descending", [False, True])
def test_full_pages_are_asked_for(rows, descending):
    """With the documented limit of 250, a list costs its pages and two requests more; by page number, twice that."""
    server = Server(list(range(1, rows + 1)), page_cap=PAGE_LIMIT, descending=descending)
    assert sorted(walk(server, (1 + descending) * (rows // PAGE_LIMIT + 3))) == list(range(1, rows + 1))


@pytest.mark.parametrize("status", [204, 400, 404, 410, 416])
@pytest.mark.parametrize("rows", [1, 6, 7])
@pytest.mark.parametrize("honours_since_id", [True, False])
def test_a_refused_page_after_the_last_is_the_end(status, rows, honours_since_id):
    """A server that has no empty page to give ends the list with a refusal, and nothing is lost or in doubt."""
    server = Server(list(range(1, rows + 1)), 3, honours_since_id=honours_since_id, refuses_with=status)
    assert sorted(walk(server, 40)) == list(range(1, rows + 1))
    assert not server.shortfall


def test_a_refused_page_in_the_middle_is_no_end():
    """Where the last row is asked for again and more comes after it, the walk goes on."""
    paging = Paging()
    paging.next_parameters()
    paging.take(Page([1, 2, 3]))
    paging.refused(404)
    paging.refused(404)
    assert paging.next_parameters() == {"limit": PAGE_LIMIT, "since_id": 2}
    assert paging.take(Page([3, 4, 5])) == {4, 5}
    assert paging.next_parameters() == {"limit": PAGE_LIMIT, "since_id": 5}


def test_a_refused_page_that_nothing_explains_is_an_error():
    """By page number, a row behind the refused page says that it was not the end: the error names the page."""
    paging = Paging()
    paging.take(Page([9, 8, 7]))
    paging.take(Page([6, 5, 4]))
    for status in (400, 400):
        paging.refused(status)
    assert paging.next_parameters() == {"limit": 1, "page": 6}
    paging.take(Page([4]))
    assert paging.next_parameters() == {"limit": 1, "page": 7}
    with pytest.raises(ListingError, match="page 3"):
        paging.take(Page([3]))


def test_a_refusal_counts_only_if_it_is_said_twice():
    """404 also means other things: a page that comes at the second try is a page."""
    paging = Paging()
    paging.take(Page([1, 2, 3]))
    paging.refused(404)
    assert paging.take(Page([4])) == {4}
    assert not paging.done


@pytest.mark.parametrize("status", [200, 204, 400, 404, 416])
def test_a_refused_first_page_is_an_error(status):
    """A list of which nothing was read has no end yet."""
    with pytest.raises(ListingError, match=str(status)):
        Paging().refused(status)


def test_a_walk_without_an_end_is_an_error():
    """Pages with new ids for ever stop at the documented bound."""
    paging = Paging()
    with pytest.raises(ListingError, match="40000"):
        for number in range(MAX_PAGES + 2):
            paging.next_parameters()
            paging.take(Page([number + 1]))


def test_a_short_page_is_not_the_end():
    """A server that caps the limit below ours loses nobody."""
    assert walk(Server(list(range(1, 101)), page_cap=10), 20) == list(range(1, 101))
