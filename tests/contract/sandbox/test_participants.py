"""GET /v2/participants as a client sees it."""

from __future__ import annotations

import pytest


def ids(response):
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json()]


def test_a_wrong_key_is_refused(api, sandbox):
    """Without the right key there is 401 and FrontCore's words for it."""
    for headers in ({"X-API-Key": "wrong"}, {"X-API-Key": ""}):
        response = api.get("/participants", headers=headers)
        assert (response.status_code, response.json()) == (401, {"error": "Wrong API Key"})
    assert sandbox.requests == {"unauthorized": 2}


def test_a_participant_has_the_documented_fields(api):
    """An item has the fields that were seen, timestamps with an offset."""
    (item,) = api.get("/participants", params={"since_id": 900_039}).json()
    assert item["id"] == 987654
    # fmt: off
    assert set(item) == {
        "id", "archived_at", "certificate_issued_at", "completed", "course", "coursedate", "created_at", "updated_at",
        "user",
    }
    # fmt: on
    assert item["updated_at"] == "2024-02-16T10:00:00+01:00"


def test_limit_and_page_walk_through_the_list(api, sandbox):
    """75 is the default, 250 the most, and pages of 15 together are the list."""
    while len(sandbox.participants) < 300:
        sandbox.add_participant()
    assert len(ids(api.get("/participants"))) == 75
    assert len(ids(api.get("/participants", params={"limit": 1000}))) == 250
    pages = [ids(api.get("/participants", params={"limit": 15, "page": page})) for page in range(1, 22)]
    assert [found for page in pages for found in page] == sorted(sandbox.participants)


def test_since_id_gives_what_comes_after(api, sandbox):
    """since_id leaves out the id itself and works for ids that do not exist."""
    assert ids(api.get("/participants", params={"since_id": 900_037})) == [900_038, 900_039, 987_654]
    del sandbox.participants[900_038]
    assert ids(api.get("/participants", params={"since_id": 900_038})) == [900_039, 987_654]


def test_the_wrapped_shape_names_the_next_page(api, sandbox):
    """The other list shape has items and a next page, null on the last one."""
    sandbox.list_shape = "wrapped"
    first = api.get("/participants", params={"limit": 20}).json()
    last = api.get("/participants", params={"limit": 20, "page": 2}).json()
    assert (len(first["items"]), first["pagination"]) == (20, {"next_page": 2})
    assert (len(last["items"]), last["pagination"]) == (20, {"next_page": None})


def test_quirks_are_switches(api, sandbox):
    """A server that ignores since_id or page, caps pages or sorts the other way round can be had."""
    sandbox.honours_since_id = False
    assert ids(api.get("/participants", params={"since_id": 900_039, "limit": 1})) == [900_001]
    sandbox.honours_page = False
    assert ids(api.get("/participants", params={"page": 9, "limit": 1})) == [900_001]
    sandbox.page_cap = 3
    assert len(ids(api.get("/participants", params={"limit": 250}))) == 3
    sandbox.descending = True
    assert ids(api.get("/participants")) == [987_654, 900_039, 900_038]


@pytest.mark.parametrize(("place", "expected"), [("user.id", {"user"}), ("user_id", {"user_id"}), (None, set())])
def test_the_persons_id_is_where_it_is_told_to_be(api, sandbox, place, expected):
    """The person's id stands in `user`, in `user_id` or nowhere."""
    sandbox.with_user_ids = place
    (item,) = api.get("/participants", params={"since_id": 900_039}).json()
    assert {"user", "user_id"} & set(item) == expected


def test_filters_by_id(api, sandbox):
    """course_id, coursedate_id and user_id leave what matches; nobody has a customer."""
    for name, value in (("course_id", 44724), ("coursedate_id", 12654406), ("user_id", 289252)):
        assert ids(api.get("/participants", params={name: value})) == [987_654]
    assert ids(api.get("/participants", params={"customer_id": 1})) == []


def test_time_filters_are_oslo_time(api, sandbox):
    """Naive bounds are Oslo's wall clock, inclusive, in winter and in summer, whatever the item's offset."""
    sandbox.touch_participant(900_001, "2030-01-10T10:00:00+01:00")
    sandbox.touch_participant(900_002, "2030-07-10T08:00:00+00:00")
    assert ids(api.get("/participants", params={"updated_at_min": "2030-01-10 10:00:00"})) == [900_001, 900_002]
    assert ids(api.get("/participants", params={"updated_at_min": "2030-01-10 10:00:01"})) == [900_002]
    assert ids(api.get("/participants", params={"updated_at_min": "2030-07-10 10:00:00"})) == [900_002]
    assert ids(api.get("/participants", params={"updated_at_min": "2030-07-10 10:00:01"})) == []
    between = {"updated_at_min": "2030-01-10", "updated_at_max": "2030-01-11"}
    assert ids(api.get("/participants", params=between)) == [900_001]
    assert 987_654 in ids(api.get("/participants", params={"created_at_max": "2024-02-01 09:00:00"}))
    assert 987_654 not in ids(api.get("/participants", params={"created_at_max": "2024-02-01"}))


@pytest.mark.parametrize("params", [{"limit": "many"}, {"page": -1}, {"updated_at_min": "2026-01-01T00:00:00"}])
def test_what_it_cannot_read_it_refuses(api, params):
    """A parameter in no documented form is 422 with an error."""
    response = api.get("/participants", params=params)
    assert (response.status_code, list(response.json())) == (422, ["error"])


def test_rows_can_appear_while_paging(api, sandbox):
    """The hook runs before the answer and may change the school."""
    calls = []

    def insert(kind, params):
        calls.append((kind, params))
        sandbox.add_participant()

    sandbox.on_request = insert
    assert ids(api.get("/participants", params={"since_id": 987_654})) == [987_655]
    assert calls == [("participants", {"since_id": "987654"})]
