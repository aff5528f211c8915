"""GET /v2/diplomas and the links in it."""

from __future__ import annotations

import io
from urllib.parse import urlsplit

import pytest
from pypdf import PdfReader

from diploma_archive.sandbox import MISSING, Sandbox


def one(api, **params):
    (item,) = api.get("/diplomas", params=params or {"participant_id": 987654}).json()["items"]
    return item


def test_an_item_is_as_documented(api, sandbox):
    """The documented example comes with every documented field, in order, and both links."""
    response = api.get("/diplomas", params={"participant_id": 987654})
    assert list(response.json()) == ["success", "items"]
    item = one(api)
    # fmt: off
    assert list(item) == [
        "id", "participant_id", "user", "course", "coursedate", "passed_note", "is_participated", "is_completed",
        "is_passed", "is_assessment_completed", "is_diploma_printed", "is_sent", "random_certificate_number", "serial",
        "result_updated_at", "created_at", "updated_at", "deleted_at", "links",
    ]
    # fmt: on
    assert item["coursedate"]["location"]["address"] == "Example Street 123"
    path = "/public/course-users/289252/diplomas/12345/download"
    assert item["links"]["download"].startswith(f"{sandbox.base_url}{path}?token=eyJ")
    assert item["links"]["stream"] == f"{sandbox.base_url}/course-users/289252/diplomas/12345/download?stream=true"


def test_person_and_enrolment_select(api, sandbox):
    """user_id gives all of a person's, participant_id one enrolment's, both what fits both; unknown ids give none."""
    extra = sandbox.add_participant(289252)
    added = sandbox.add_diploma(extra["id"])
    found = api.get("/diplomas", params={"user_id": 289252}).json()["items"]
    assert [item["id"] for item in found] == [12345, added.id]
    assert one(api, user_id=289252, participant_id=extra["id"])["id"] == added.id
    for params in ({"user_id": 1}, {"participant_id": 1}, {"user_id": 700_001, "participant_id": 987654}):
        assert api.get("/diplomas", params=params).json()["items"] == []


@pytest.mark.parametrize("params", [{}, {"user_id": ""}, {"user_id": "x"}, {"user_id": 1, "ttl": "long"}])
def test_at_least_one_id_is_required(api, params):
    """Without a readable id or ttl the answer is 422."""
    assert api.get("/diplomas", params=params).status_code == 422


def test_plain_changes_show_at_once(api, sandbox):
    """What a test sets on a diploma is what the next listing says."""
    sandbox.diplomas[12345].updated_at = "2026-01-01 10:00:00"
    assert one(api)["updated_at"] == "2026-01-01 10:00:00"


def test_a_deleted_diploma_is_listed_unless_told_otherwise(api, sandbox):
    """deleted_at shows; lists_deleted = False hides it."""
    sandbox.diplomas[12345].deleted_at = "2026-01-01 10:00:00"
    assert one(api)["deleted_at"] == "2026-01-01 10:00:00"
    sandbox.lists_deleted = False
    assert api.get("/diplomas", params={"participant_id": 987654}).json()["items"] == []


def test_overrides_make_any_oddity(api, sandbox):
    """Raw values replace fields, MISSING removes one, and half a surrogate pair arrives."""
    sandbox.overrides[12345] = {"id": "12345", "is_passed": "1", "user": [], "serial": "A\ud800B", "links": MISSING}
    item = one(api)
    assert (item["id"], item["is_passed"], item["user"], item["serial"]) == ("12345", "1", [], "A\ud800B")
    assert "links" not in item


def test_a_link_gives_the_certificate_without_a_key(api, public, sandbox):
    """The token is the whole credential; the file is a PDF of the announced length that says whose it is."""
    response = public.get(one(api)["links"]["download"])
    assert (response.status_code, response.headers["content-type"]) == (200, "application/pdf")
    assert int(response.headers["content-length"]) == len(response.content)
    text = PdfReader(io.BytesIO(response.content), strict=True).pages[0].extract_text()
    assert all(part in text for part in ("John Doe", "Safety Training Course", "2024-SAFE-001", "ABC123456"))
    assert sandbox.keys_on_downloads == 0


def test_a_key_on_a_download_is_remembered(api, sandbox):
    """A client that shows its key to a public link is found out."""
    assert api.get(one(api)["links"]["download"]).status_code == 200
    assert sandbox.keys_on_downloads == 1


def test_each_listing_has_new_tokens_and_old_ones_live_on(api, public):
    """Two listings give two links, and both work."""
    first, second = one(api)["links"]["download"], one(api)["links"]["download"]
    assert first != second
    assert [public.get(link).status_code for link in (first, second, first)] == [200, 200, 200]


def test_a_link_dies_with_its_ttl(api, public, sandbox):
    """After the ttl, or when the test says so, a link is expired with the status that was set."""
    dead = one(api, participant_id=987654, ttl=0)["links"]["download"]
    assert public.get(dead).status_code == 410
    alive = one(api)["links"]["download"]
    sandbox.expire_links()
    sandbox.expired_status = 403
    assert public.get(alive).status_code == 403


def test_a_token_opens_nothing_else(api, public, sandbox):
    """An unknown token, none, or one of another diploma or person is 403."""
    link = one(api)["links"]["download"]
    token = urlsplit(link).query
    base = f"{sandbox.base_url}/public/course-users"
    for wrong in ("token=eyJ.x.y", ""):
        assert public.get(f"{base}/289252/diplomas/12345/download?{wrong}").status_code == 403
    assert public.get(f"{base}/289252/diplomas/500001/download?{token}").status_code == 403
    assert public.get(f"{base}/700001/diplomas/12345/download?{token}").status_code == 403


def test_single_use_tokens(api, public, sandbox):
    """A server whose links work once can be had."""
    sandbox.single_use_tokens = True
    link = one(api)["links"]["download"]
    assert [public.get(link).status_code for _ in range(2)] == [200, 403]


def test_a_given_pdf_is_sent_as_it_is(api, public, sandbox):
    """A test's own bytes go out in place of the drawn certificate."""
    sandbox.diplomas[12345].pdf = b"no pdf at all"
    assert public.get(one(api)["links"]["download"]).content == b"no pdf at all"


def test_rendering_anew_gives_other_bytes(api, public, sandbox):
    """By default two downloads are the same, with render_anew they are not."""
    link = one(api)["links"]["download"]
    assert public.get(link).content == public.get(link).content
    sandbox.render_anew = True
    assert public.get(link).content != public.get(link).content


def test_stamped_pdfs_are_whole():
    """A certificate rendered anew is still a PDF that a strict reader opens."""
    sandbox = Sandbox(participants=1, persons=1, render_anew=True)
    assert len(PdfReader(io.BytesIO(sandbox.pdf_of(12345)), strict=True).pages) == 1
