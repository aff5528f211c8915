"""The end of a list is believed only where it is plain: a part of a list is never archived as the whole.

Rows 1, 5, 6 and 8 of the inputs that were once taken wrongly, at the level where an operator meets them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.responses import Response

from diploma_archive.frontcore import paging
from diploma_archive.listing.selection import Scope
from diploma_archive.sandbox import answer_faults as faults
from diploma_archive.sandbox.fault_script import Exchange, Reworked
from tests.support.world import World

PER_PAGE = 2


@dataclass(frozen=True)
class Paged(Reworked):
    """The right list of diplomas in pages of two, whose next page is spelled otherwise."""

    spell: Callable[[int, str], dict[str, Any]]
    base_url: str

    def rework(self, exchange: Exchange) -> Response:
        """Return a page."""
        items = json.loads(bytes(exchange.right.body))["items"]
        page = int(exchange.params.get("page", 1))
        shown = items[(page - 1) * PER_PAGE : page * PER_PAGE]
        url = f"{self.base_url}/diplomas?user_id=289252&page={page + 1}"
        more = self.spell(page + 1, url) if page * PER_PAGE < len(items) else {}
        return faults.json_response({"success": "ok", "items": shown, **more})


@dataclass(frozen=True)
class EndsWith(Reworked):
    """The right list of participants, but a page without rows is refused."""

    status: int
    body: bytes = b""

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        listing = json.loads(bytes(exchange.right.body))
        items = listing["items"] if isinstance(listing, dict) else listing
        return faults.json_response(listing) if items else Response(self.body, self.status)


@dataclass(frozen=True)
class Counted(Reworked):
    """The right list of participants with a total of its own."""

    total: int

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        items = json.loads(bytes(exchange.right.body))
        return faults.json_response({"items": items, "pagination": {"next_page": None, "total": self.total}})


def six_of_one_person(world: World) -> None:
    """Give the documented person six diplomas."""
    for number in range(5):
        enrolment = world.sandbox.add_participant(user_id=289252)["id"]
        world.sandbox.add_diploma(enrolment, random_certificate_number=f"PAGED-{number}")


SPELLINGS: dict[str, Callable[[int, str], dict[str, Any]]] = {
    "float": lambda page, _: {"pagination": {"next_page": float(page)}},
    "text-of-a-float": lambda page, _: {"pagination": {"next_page": f"{page}.0"}},
    "blanks": lambda page, _: {"pagination": {"next_page": f" {page} "}},
    "url": lambda _, url: {"pagination": {"next_page": url}},
    "relative-url": lambda page, _: {"pagination": {"next_page": f"/v2/diplomas?page={page}"}},
    "top-level": lambda page, _: {"next_page": page},
    "next-page-url": lambda _, url: {"pagination": {"next_page": None}, "next_page_url": url},
    "links-next": lambda _, url: {"links": {"next": url}},
}
NOT_UNDERSTOOD: dict[str, Callable[[int, str], dict[str, Any]]] = {
    "object": lambda page, _: {"pagination": {"next_page": {"page": page}}},
    "true": lambda _page, _: {"pagination": {"next_page": True}},
    "cursor": lambda _page, _: {"pagination": {"next_cursor": "eyJpZCI6N30"}},
    "elsewhere": lambda page, _: {"next_page_url": f"https://elsewhere.example/v2/diplomas?page={page}"},
    "total-alone": lambda _page, _: {"pagination": {"total": 6}},
    "last-page-alone": lambda _page, _: {"meta": {"last_page": 3}},
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_next_page_is_followed_however_it_is_spelled(world: World, spelling: str) -> None:
    """Row 1: all six diplomas of a person come, two a page, and the command ends with 0."""
    six_of_one_person(world)
    world.sandbox.fault("diplomas", Paged(SPELLINGS[spelling], world.sandbox.base_url), id=289252)
    done = world.command("sync", "--user", "289252", "--json")
    assert (done.returncode, json.loads(done.stdout.splitlines()[-1])["archived"]) == (0, 6)


@pytest.mark.parametrize("spelling", NOT_UNDERSTOOD)
def test_a_next_page_that_is_not_understood_fails_the_listing(world: World, spelling: str) -> None:
    """Row 1: nothing of that listing is taken for the whole; it is named, and the command ends with 1."""
    six_of_one_person(world)
    world.sandbox.fault("diplomas", Paged(NOT_UNDERSTOOD[spelling], world.sandbox.base_url), id=289252)
    done = world.command("sync", "--user", "289252", "--json")
    counts = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, counts["archived"], counts["unlisted"]) == (1, 0, 1)


def test_rows_that_move_while_they_are_paged_are_seen(world: World) -> None:
    """Row 5: by page number, rows deleted behind the reader move others past the next page; a second look has them."""
    sandbox = world.sandbox
    sandbox.honours_since_id, sandbox.page_cap = False, 3
    for _ in range(15):  # fewer than make a checkpoint
        sandbox.add_diploma(sandbox.add_participant()["id"])
    gone: dict[int, dict[str, Any]] = {}

    def delete_behind(kind: str, _: dict[str, Any]) -> None:
        if kind == "participants" and 1 <= sandbox.requests["participants"] <= 9:
            first = min(sandbox.participants)
            gone[first] = sandbox.participants.pop(first)

    sandbox.on_request = delete_behind
    run = world.run(Scope.INCREMENTAL)
    listed = {finding.participant_id for finding in world.observer.findings}
    assert gone
    assert set(sandbox.participants) <= listed
    assert run.tally.is_green
    (report,) = (world.bucket.document(key) for key in world.bucket.keys_below("runs/"))
    assert report["second_look"] > 0
    sandbox.participants.update(gone)


def test_rows_that_never_stop_moving_are_not_green(world: World) -> None:
    """Row 5: what nobody can see for sure is told; what was seen is archived, and the cursor stays."""
    sandbox = world.sandbox
    sandbox.honours_since_id, sandbox.page_cap = False, 2
    hidden = sorted(sandbox.participants)
    rows = {identifier: sandbox.participants[identifier] for identifier in hidden}

    def come_and_go(kind: str, _: dict[str, Any]) -> None:
        if kind == "participants":  # one row is away at each request, another one each time
            away = hidden[(sandbox.requests["participants"] // 3) % len(hidden)]
            sandbox.participants.clear()
            sandbox.participants.update({key: row for key, row in rows.items() if key != away})
            extra = 800_000 - sandbox.requests["participants"]
            sandbox.participants[extra] = {**rows[hidden[0]], "id": extra}

    sandbox.on_request = come_and_go
    run = world.run(Scope.INCREMENTAL)
    sandbox.on_request = None
    sandbox.participants.clear()
    sandbox.participants.update(rows)
    assert not run.tally.is_green
    assert run.tally.counts["archived"]
    assert "went on changing" in run.tally.failures[-1]["error"]
    assert world.bucket.keys_below("state/cursor") == []


@pytest.mark.parametrize("honours_since_id", [True, False], ids=["since-id", "page"])
@pytest.mark.parametrize("status", [200, 204, 400, 404, 416])
def test_a_refused_page_after_the_last_is_the_end(world: World, status: int, honours_since_id: bool) -> None:
    """Row 6: a server that refuses the page after the last one is read like any other, also on a night of one page."""
    world.sandbox.honours_since_id, world.sandbox.page_cap = honours_since_id, 4
    world.sandbox.fault("participants", EndsWith(status))
    assert world.counts() == {"archived": 6}
    world.sandbox.page_cap = 250
    assert world.counts(Scope.INCREMENTAL) == {"unchanged": 6} or world.counts(Scope.INCREMENTAL) == {}


def test_a_refusal_that_is_no_end_names_the_page(world: World) -> None:
    """Row 6: where rows are left behind the refused page, the run stops and says which page it was."""
    world.sandbox.honours_since_id, world.sandbox.page_cap = False, 2

    def refuse(exchange: Exchange) -> Response:
        page, limit = int(exchange.params.get("page", 1)), int(exchange.params["limit"])
        return Response(b"", 404) if page == 2 and limit > 1 else exchange.right

    world.sandbox.fault("participants", AsFunction(refuse))
    done = world.command("sync", "--all")
    assert done.returncode == 3
    assert "page 2" in done.stderr


@dataclass(frozen=True)
class AsFunction(Reworked):
    """The right answer, changed by a function."""

    change: Callable[[Exchange], Response]

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        return self.change(exchange)


@pytest.mark.parametrize("total", [7, 600])
def test_a_total_that_is_not_reached_is_not_green(world: World, total: int) -> None:
    """Fewer participants than the server counts: what was read is archived, the run is not green, the cursor stays."""
    world.sandbox.fault("participants", Counted(total))
    run = world.run(Scope.INCREMENTAL)
    assert run.tally.as_counts()["archived"] == 6
    assert f"there are {total}, and lists 6" in run.tally.failures[0]["error"]
    assert world.bucket.keys_below("state/cursor") == []


def test_pages_without_an_end_stop_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 8: a list that brings new ids for ever ends at the documented bound, as an error."""
    monkeypatch.setattr(paging, "MAX_PAGES", 30)

    def another_row(exchange: Exchange) -> Response:
        after = int(exchange.params.get("since_id", 0))
        return faults.json_response([{"id": after + 1, "updated_at": "2026-01-01T00:00:00+01:00"}])

    world.sandbox.fault("participants", AsFunction(another_row))
    with pytest.raises(paging.ListingError, match="has no end"):
        world.run()
    assert world.sandbox.requests["diplomas"] == 0
