"""Every kind of bad listing: the run ends, says unlisted, failed or fatal, and is never green for what it did not see.

The fixture `world` checks I1 to I7 after each test, among them that the key is in no text.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.responses import Response

from diploma_archive.errors import Kind, SourceError
from diploma_archive.frontcore import clients, transport
from diploma_archive.listing.selection import Scope
from diploma_archive.sandbox import Sandbox
from diploma_archive.sandbox import answer_faults as faults
from diploma_archive.sandbox.fault_script import Exchange, Reworked
from tests.support.world import World

small = pytest.mark.parametrize("sandbox", [2], indirect=True, ids=["small"])
JSON = {"Content-Type": "application/json"}
PARTICIPANTS = (900001, 900002, 900003, 900004, 900005, 900006, 900007)  # and 987654, which stays right


@dataclass(frozen=True)
class Bad:
    """One bad answer to a listing: its name, what is served, and a part of the sentence that the operator gets."""

    name: str
    fault: faults.Fault
    says: str


def body(content: bytes | str) -> faults.Status:
    """Return a status 200 with this JSON, or what goes for it."""
    return faults.Status(200, content, JSON)


@dataclass(frozen=True)
class Edited(Reworked):
    """The right answer, whose list is edited."""

    edit: Callable[[list[Any]], object]

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        listing = json.loads(bytes(exchange.right.body))
        items = listing["items"] if isinstance(listing, dict) else listing
        return faults.json_response(self.edit(items))


@dataclass(frozen=True)
class Raw(Reworked):
    """The right answer, whose bytes are edited."""

    edit: Callable[[bytes], bytes]

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        return Response(self.edit(bytes(exchange.right.body)), 200, media_type="application/json")


@dataclass(frozen=True)
class NextPage(Reworked):
    """The right list in a wrapped form, with a `next_page` of its own for each page asked for."""

    next_page: Callable[[int], object]

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        listing = json.loads(bytes(exchange.right.body))
        items = listing["items"] if isinstance(listing, dict) else listing
        page = int(exchange.params.get("page", 1))
        pagination = {"next_page": self.next_page(page)}
        return faults.json_response({"success": "ok", "items": items, "pagination": pagination})


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A school of eight persons with a diploma each; fewer where a test says so: each test ends with full runs."""
    size = getattr(request, "param", 8)
    with Sandbox(participants=size, persons=size, seed=7, requests_per_second=None) as server:
        yield server


@pytest.fixture
def impatient(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Deadlines of a second in place of minutes, for the test only: the checks after it are patient."""
    with monkeypatch.context() as patch:
        patch.setattr(clients, "READ_SECONDS", 0.4)
        patch.setattr(transport, "ANSWER_DEADLINE_SECONDS", 1.0)
        yield


def named(group: Sequence[Bad]) -> str:
    """Return the id of a group of cases that share a world: each case can be found by its name."""
    return "+".join(case.name for case in group)


def fatal_run(world: World, says: str) -> None:
    """Run over everything, which must end as fatal within seconds and leave the bucket empty."""
    started = time.monotonic()
    with pytest.raises(SourceError) as caught:
        world.run()
    assert time.monotonic() - started < 120
    assert caught.value.kind is Kind.FATAL
    assert says in caught.value.diagnostics()
    assert world.bucket.keys_below() == [], "a run that could read nothing wrote something"


NO_LIST = "FrontCore answered without a list"
NO_JSON = "is not valid JSON"

SHAPES = (
    Bad("missing-items", faults.MissingItems(), NO_LIST),
    Bad("items-null", body('{"success": "ok", "items": null}'), NO_LIST),
    Bad("items-object", body('{"items": {"1": {"id": 1}}}'), NO_LIST),
    Bad("items-text", body('{"items": "none"}'), NO_LIST),
    Bad("no-success", body('{"success": "error", "items": []}'), "did not succeed"),
    Bad("null", body("null"), NO_LIST),
    Bad("bare-number", body("42"), NO_LIST),
    Bad("bare-text", body('"ok"'), NO_LIST),
    Bad("bare-true", body("true"), NO_LIST),
)
SYNTAX = (
    Bad("truncated-json", faults.TruncatedJson(), NO_JSON),
    Bad("nan", faults.NaNJson(), NO_JSON),
    Bad("infinity", body("[Infinity]"), NO_JSON),
    Bad("deep-100000", faults.DeepJson(100_000), NO_JSON),
    Bad("id-of-5000-digits", faults.HugeId(5_000), NO_JSON),
    Bad("invalid-utf8", Raw(lambda right: right.replace(b'"', b'"\xff\xfe', 1)), NO_JSON),
    Bad("two-documents", Raw(lambda right: right + right), NO_JSON),
    Bad("empty-body", body(""), "without a list (status 200, no body)"),
    Bad("status-204", faults.Status(204, b""), "without a list (status 204, no body)"),
)
SIZES = (
    Bad("200-mb-body", faults.HugeBody(200), "larger than"),
    Bad("200-mb-announced", faults.HugeBody(200, with_content_length=True), "larger than"),
    Bad("200-mb-string", faults.HugeString(200), "larger than"),
    Bad("endless-body", faults.Endless(), "larger than"),
    Bad("gzip", faults.Gzip(), "compressed form"),
    Bad("gzip-bomb", faults.GzipBomb(200), "compressed form"),
    Bad("cut-chunked", faults.CutChunked(), "FrontCore"),
)
ANSWERS = (
    Bad("html-login-200", faults.HtmlLogin(), NO_JSON),
    Bad("html-labelled-json", faults.HtmlLogin("application/json"), NO_JSON),
    Bad("status-404", faults.Status(404), "does not know this address"),
    Bad("status-422", faults.Status(422), "refuses the request (status 422)"),
    Bad("status-500-for-ever", faults.Status(500), "status 500 after 5 tries"),
    Bad("status-429-for-ever", faults.Status(429, headers={"Retry-After": "0"}), "too many"),
    Bad("error-under-200", faults.ErrorUnder200("Canaryfirst Canarylast is locked"), "error message instead of a list"),
)
SLOW = (
    Bad("drip", faults.Drip(20), "took too long"),
    Bad("stall", faults.Stall(60), "FrontCore"),
    Bad("reset", faults.Reset(hard=True), "FrontCore"),
)


@small
@pytest.mark.parametrize("group", [SHAPES + SYNTAX, SIZES + ANSWERS], ids=named)
def test_bad_participants_stop_the_run(world: World, group: Sequence[Bad]) -> None:
    """Nobody could say what is missing: each bad list of participants is fatal, with a sentence, and writes nothing."""
    for case in group:
        world.sandbox.fault("participants", case.fault)
        fatal_run(world, case.says)
        world.sandbox.clear_faults()


@small
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("group", [SLOW], ids=named)
def test_slow_participants_stop_the_run(world: World, group: Sequence[Bad]) -> None:
    """A list of participants that does not come is given up within the deadline."""
    for case in group:
        world.sandbox.fault("participants", case.fault)
        fatal_run(world, case.says)
        world.sandbox.clear_faults()


@pytest.mark.parametrize("group", [SHAPES + SYNTAX, SIZES + ANSWERS], ids=named)
def test_bad_diplomas_fail_their_own_listing(world: World, group: Sequence[Bad]) -> None:
    """Each bad list of diplomas is `unlisted` for its participant, whose neighbours are archived; never green."""
    unlisted(world, group)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("group", [SLOW], ids=named)
def test_slow_diplomas_fail_their_own_listing(world: World, group: Sequence[Bad]) -> None:
    """A list of diplomas that does not come keeps nobody else from being archived."""
    unlisted(world, group)


def unlisted(world: World, group: Sequence[Bad]) -> None:
    """Run with a fault for one participant each, seven at once, and check who is unlisted, and why."""
    for first in range(0, len(group), len(PARTICIPANTS)):
        cases = dict(zip(PARTICIPANTS, group[first:], strict=False))
        for participant_id, case in cases.items():
            world.sandbox.fault("diplomas", case.fault, id=participant_id)
        started = time.monotonic()
        run = world.run(participants=", ".join(map(str, [*cases, 987654])))
        assert time.monotonic() - started < 120
        world.sandbox.clear_faults()
        counts = run.tally.as_counts()
        assert (counts["unlisted"], counts["listed"]) == (len(cases), 1), run.tally.failures
        assert not run.tally.is_green
        said = {failure["participant_id"]: failure["error"] for failure in run.tally.failures}
        assert set(said) == set(cases)
        for participant_id, case in cases.items():
            assert case.says in said[participant_id], case.name
        assert all(failure["diploma_id"] is None for failure in run.tally.failures)
    assert {record["diploma_id"] for record in world.bucket.records()} == {12345}


@small
@pytest.mark.usefixtures("impatient")
def test_redirect_to_another_host_gets_no_key(world: World) -> None:
    """A redirected listing is not followed: the other host sees no connection, so no key."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        for kind in ("participants", "diplomas"):
            location = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/v2/{kind}"
            for code in (301, 302, 307, 308):
                world.sandbox.fault(kind, faults.Redirect(location, code))
                if kind == "participants":
                    fatal_run(world, "FRONTCORE_BASE_URL")
                else:
                    assert world.counts(participants="900001") == {"unlisted": 1}
            world.sandbox.clear_faults()
        elsewhere.settimeout(0.1)
        with pytest.raises(TimeoutError):
            elsewhere.accept()


BAD_IDS = {
    "id-negative": -5,
    "id-zero": 0,
    "id-float": 1.5,
    "id-boolean": True,
    "id-of-200-digits": int("9" * 200),
    "id-list": [1],
    "id-null": None,
}


@pytest.mark.parametrize("names", ["+".join(BAD_IDS)], ids=str)
def test_participants_with_bad_ids_are_unlisted(world: World, names: str) -> None:
    """A row whose id is no id is counted and named once, its neighbours are archived, and the run is not green."""
    wrong = dict(zip(PARTICIPANTS, (BAD_IDS[name] for name in names.split("+")), strict=True))
    world.sandbox.fault(
        "participants", Edited(lambda items: [{**item, "id": wrong.get(item["id"], item["id"])} for item in items])
    )
    run = world.run(Scope.INCREMENTAL)
    counts = run.tally.as_counts()
    assert (counts["archived"], counts["unlisted"]) == (1, 7)
    assert not run.tally.is_green
    assert world.bucket.keys_below("state/") == []


@pytest.mark.parametrize("names", ["+".join(BAD_IDS)], ids=str)
def test_diplomas_with_bad_ids_fail(world: World, names: str) -> None:
    """A diploma whose id is no id fails by field name, without the value, and its neighbours are archived.

    Of one whose id is a fraction the bytes are kept: the number is none, the row may be a good one.
    """
    for participant_id, name in zip(PARTICIPANTS, names.split("+"), strict=True):
        value = BAD_IDS[name]
        edited = Edited(lambda items, value=value: {"items": [{**item, "id": value} for item in items]})
        world.sandbox.fault("diplomas", edited, id=participant_id)
    run = world.run(Scope.INCREMENTAL)
    counts = run.tally.as_counts()
    assert (counts["archived"], counts["failed"], counts["quarantined"]) == (1, 6, 1)
    assert set((world.bucket.cursor() or {})["retry"]) == set(PARTICIPANTS)
    assert {failure["participant_id"] for failure in run.tally.failures} == set(PARTICIPANTS)
    errors = [failure["error"] for failure in run.tally.failures]
    assert sum(error.startswith("FrontCore sent an item in which id is") for error in errors) == 6
    assert sum(error.startswith("id came as no number") for error in errors) == 1


@small
def test_items_that_are_no_objects_are_counted(world: World) -> None:
    """Rows of any other JSON type are named, and what stands between them is archived."""
    strangers = [None, 7, "x", [], [[]], True]
    edited = Edited(lambda items: [*strangers[:3], *items, *strangers[3:]])
    world.sandbox.fault("participants", edited)
    assert world.counts() == {"archived": 2, "unlisted": 6}
    world.sandbox.clear_faults()
    world.sandbox.fault("diplomas", edited, id=987654)
    assert world.counts() == {"unchanged": 2, "failed": 6}


@small
def test_a_byte_order_mark_is_no_fault(world: World) -> None:
    """A BOM before the JSON, of which some PHP servers are fond, loses nothing."""
    for kind in ("participants", "diplomas"):
        world.sandbox.fault(kind, Raw(lambda right: b"\xef\xbb\xbf" + right))
    assert world.counts() == {"archived": 2}


@small
def test_duplicate_ids_in_one_page_count_once(world: World) -> None:
    """A row that is listed many times, in either list, is archived once and has one outcome."""
    for kind in ("participants", "diplomas"):
        world.sandbox.fault(kind, Edited(lambda items: [*items, *items, *reversed(items)]))
    assert world.counts() == {"archived": 2}
    assert (world.sandbox.requests["diplomas"], world.sandbox.requests["download"]) == (2, 2)


@small
def test_two_states_of_one_diploma_in_one_page_are_both_archived(world: World) -> None:
    """The same id with another `updated_at` is another revision: nothing is lost, nothing overwritten."""
    newer = Edited(lambda items: [*items, *({**item, "updated_at": "2026-07-07 07:07:07"} for item in items)])
    world.sandbox.fault("diplomas", newer, id=987654)
    assert world.counts(participants="987654") == {"archived": 2}
    assert len({record["revision"] for record in world.bucket.records(12345)}) == 2


@small
def test_a_source_suddenly_empty_is_fatal(world: World) -> None:
    """An empty list, once the archive holds diplomas, is an error and no "nothing to do"; the cursor stays."""
    world.run()
    cursor = world.bucket.cursor()
    for kind, says in (("participants", "lists no participant at all"), ("diplomas", "lists no diploma at all")):
        for empty in (Edited(lambda _: []), faults.EmptyItems()):
            world.sandbox.fault(kind, empty)
            with pytest.raises(SourceError, match=says) as caught:
                world.run()
            assert caught.value.kind is Kind.FATAL
        world.sandbox.clear_faults()
    assert world.bucket.cursor() == cursor


@small
def test_a_page_repeated_for_ever_ends(world: World) -> None:
    """A server that gives the same page whatever is asked: the run ends after a few requests."""
    sandbox = world.sandbox
    sandbox.honours_page = sandbox.honours_since_id = False
    sandbox.page_cap = 2
    for sandbox.list_shape, outcome in (("bare", "archived"), ("wrapped", "unchanged")):
        assert world.counts() == {outcome: 2}
    assert sandbox.requests["participants"] <= 10
    sandbox.honours_page = sandbox.honours_since_id = True


def test_a_page_repeated_although_more_is_promised_is_never_green(world: World) -> None:
    """Where the server names a next page and then repeats itself, five of eight are missing: it is not done."""
    sandbox = world.sandbox
    sandbox.honours_page = sandbox.honours_since_id = False
    sandbox.page_cap, sandbox.list_shape = 3, "wrapped"
    try:
        try:
            run = world.run()
        except SourceError:
            return
        assert sandbox.requests["participants"] < 50
        assert not run.tally.is_green, "three of eight participants were read, more was promised, and the run is green"
    finally:
        sandbox.honours_page = sandbox.honours_since_id = True
        sandbox.page_cap = 250


LOOPS: dict[str, Callable[[int], object]] = {
    "next-page-is-itself": lambda page: page,
    "next-page-is-the-first": lambda _: 1,
    "next-page-is-always-two": lambda _: 2,
    "next-page-is-negative": lambda _: -1,
    "next-page-goes-back-and-forth": lambda page: 3 - page,
    "next-page-for-ever": lambda page: page + 1,
}


@pytest.mark.parametrize("names", ["+".join(LOOPS)], ids=str)
def test_next_page_loops_of_diplomas_are_unlisted(world: World, names: str) -> None:
    """A listing whose pages have no end is given up: unlisted, never archived in part, and never green."""
    for participant_id, loop in zip(PARTICIPANTS, names.split("+"), strict=False):
        world.sandbox.fault("diplomas", NextPage(LOOPS[loop]), id=participant_id)
    world.settings["requests_per_second"] = 2000.0
    run = world.run(participants="900001-900006, 987654")
    counts = run.tally.as_counts()
    assert (counts["unlisted"], counts["archived"]) == (6, 1)
    assert world.sandbox.requests["diplomas"] < 250
    says = ("has no end", "which page comes after page")
    assert all(any(part in failure["error"] for part in says) for failure in run.tally.failures)


@pytest.mark.parametrize("names", ["+".join(LOOPS)], ids=str)
def test_next_page_loops_of_participants_stop_the_run(world: World, names: str) -> None:
    """A list of participants that names pages which are not there is not the whole list: the run stops and says so."""
    world.sandbox.page_cap = 3
    world.run()
    for world.sandbox.honours_since_id in (True, False):
        for loop in names.split("+"):
            world.sandbox.fault("participants", NextPage(LOOPS[loop]), times=None)
            before = world.sandbox.requests["participants"]
            with pytest.raises(SourceError, match="participants cannot be listed"):
                world.run(dry_run=True)
            assert world.sandbox.requests["participants"] - before < 20
            world.sandbox.clear_faults()


@pytest.mark.parametrize("orders", ["ascending-by-since-id+ascending-by-page+descending-by-page"])
def test_rows_inserted_while_paging(world: World, orders: str) -> None:
    """Rows that come while pages are read cost nobody a place: all that were there are archived, each once."""
    sandbox = world.sandbox
    sandbox.page_cap = 3
    inserted: list[int] = []

    def insert(kind: str, _: dict[str, Any]) -> None:
        if kind == "participants" and len(inserted) < 3:
            item = sandbox.add_participant()
            sandbox.add_diploma(item["id"])
            inserted.append(item["id"])

    for order in orders.split("+"):
        sandbox.honours_since_id, sandbox.descending = order.endswith("since-id"), order.startswith("descending")
        from_the_start = set(sandbox.diplomas)
        inserted.clear()
        sandbox.on_request = insert
        run = world.run()
        seen = [finding.diploma_id for finding in world.observer.findings]
        assert run.tally.is_green
        assert len(seen) == len(set(seen))
        assert from_the_start <= set(seen)
        assert len(inserted) == 3


@small
def test_a_list_error_names_neither_key_nor_message(world: World) -> None:
    """What FrontCore says of a key is fatal as a wrong key; its words are not passed on."""
    for message in ("Invalid API key canary-key-5f1d2c", "Forbidden: Canaryfirst Canarylast"):
        world.sandbox.fault("participants", faults.ErrorUnder200(message))
        fatal_run(world, "FRONTCORE_API_KEY")
