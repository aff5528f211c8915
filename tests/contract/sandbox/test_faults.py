"""Each fault as a client sees it."""

from __future__ import annotations

import gzip
import json
import math
import time

import httpx
import pytest

from diploma_archive.sandbox import answer_faults as faults


@pytest.fixture
def link(api):
    return api.get("/diplomas", params={"user_id": 289252}).json()["items"][0]["links"]["download"]


def listing(api, participant_id=987654):
    return api.get("/diplomas", params={"participant_id": participant_id})


def test_fail_next_fails_so_often_and_no_longer(api, sandbox):
    """A simple fault is used up, in order, and can be for one id only."""
    sandbox.fail_next("diplomas", status=503, times=2, headers={"Retry-After": "7"}, id=987654)
    sandbox.fail_next("diplomas", status=404, body="gone")
    other = listing(api, 900_001)
    assert (other.status_code, other.text) == (404, "gone")
    answers = [listing(api) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert (answers[0].headers["retry-after"], list(answers[0].json())) == ("7", ["error"])


def test_a_download_fails_for_one_diploma(api, public, sandbox, link):
    """For downloads the id is the diploma's."""
    sandbox.fail_next("download", status=500, id=500_001)
    assert public.get(link).status_code == 200
    sandbox.fail_next("download", status=500, id=12345, body={"x": 1})
    assert public.get(link).json() == {"x": 1}


def test_a_lasting_fault_lasts_until_cleared(api, sandbox):
    """Without a number of times a fault stays; a counted one goes first; clear_faults ends both."""
    sandbox.fault("participants", faults.ErrorUnder200("Invalid API key"))
    sandbox.fail_next("participants", status=500)
    statuses = [api.get("/participants").status_code for _ in range(3)]
    assert statuses == [500, 200, 200]
    assert api.get("/participants").json() == {"error": "Invalid API key"}
    sandbox.clear_faults()
    assert isinstance(api.get("/participants").json(), list)


@pytest.mark.parametrize("content_type", ["text/html", "application/pdf"])
def test_a_login_page_comes_with_200(public, sandbox, link, content_type):
    """HTML under 200, whatever the header says."""
    sandbox.fault("download", faults.HtmlLogin(content_type))
    response = public.get(link)
    assert (response.status_code, response.headers["content-type"].split(";")[0]) == (200, content_type)
    assert response.text.startswith("<!doctype html>")


def test_a_redirect_points_anywhere(public, sandbox, link):
    """302 with the location as given."""
    sandbox.fault("download", faults.Redirect("http://169.254.169.254/latest"))
    response = public.get(link)
    assert (response.status_code, response.headers["location"]) == (302, "http://169.254.169.254/latest")


def test_broken_listings(api, sandbox):
    """No items, empty items, half a JSON, NaN, an id of thousands of digits and a deep nest."""
    sandbox.fault("diplomas", faults.MissingItems(), times=1)
    assert listing(api).json() == {"success": "ok"}
    sandbox.fault("diplomas", faults.EmptyItems(), times=1)
    assert listing(api).json() == {"success": "ok", "items": []}
    sandbox.fault("diplomas", faults.TruncatedJson(), times=1)
    with pytest.raises(json.JSONDecodeError):
        listing(api).json()
    sandbox.fault("diplomas", faults.NaNJson(), times=1)
    assert math.isnan(listing(api).json()["items"][0]["id"])
    sandbox.fault("participants", faults.NaNJson(), times=1)
    assert math.isnan(api.get("/participants").json()[0]["id"])
    sandbox.fault("diplomas", faults.HugeId(5_000), times=1)
    assert '"id": ' + "9" * 5_000 + "," in listing(api).text
    sandbox.fault("diplomas", faults.DeepJson(100_000), times=1)
    assert listing(api).text.count("[") == 100_000


def test_same_pdf_everywhere(api, public, sandbox, link):
    """All links give one file."""
    sandbox.fault("download", faults.SamePdf(b"%PDF-same"))
    assert public.get(link).content == b"%PDF-same"
    assert public.get(link + "x").status_code == 403


@pytest.mark.parametrize("kind", ["diplomas", "download"])
def test_swapped_links_give_the_others_file(api, public, sandbox, kind):
    """Under either kind, following diploma A's link ends with diploma B's file, and others stay right."""
    diploma = sandbox.diplomas[500_001]
    sandbox.fault(kind, faults.SwappedLinks(12345, diploma.id))
    for participant_id, expected in ((987654, diploma.id), (diploma.participant_id, 12345), (900_002, 500_002)):
        (item,) = listing(api, participant_id).json()["items"]
        assert public.get(item["links"]["download"]).content == sandbox.pdf_of(expected)


def test_gzip_though_not_asked_for(public, sandbox, link):
    """The right body compressed, and said so."""
    sandbox.fault("download", faults.Gzip())
    with public.stream("GET", link, headers={"Accept-Encoding": "identity"}) as response:
        raw = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == sandbox.pdf_of(12345)


def test_a_gzip_bomb_is_small_until_opened(public, sandbox, link):
    """Twenty mebibytes come as a few thousand bytes."""
    sandbox.fault("download", faults.GzipBomb(20))
    with public.stream("GET", link) as response:
        raw = b"".join(response.iter_raw())
    assert len(raw) < 50_000
    assert len(gzip.decompress(raw)) == 20 * 1024 * 1024


def test_a_truncated_body_with_a_length_is_noticed(public, sandbox, link):
    """The client gets less than announced and the transport says so."""
    sandbox.fault("download", faults.Truncated(with_content_length=True))
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        public.get(link)


def test_a_truncated_body_without_a_length_looks_whole(public, sandbox, link):
    """Close-delimited: half a file with status 200, and no error."""
    sandbox.fault("download", faults.Truncated(with_content_length=False, keep=0.5))
    response = public.get(link)
    pdf = sandbox.pdf_of(12345)
    assert response.status_code == 200
    assert "content-length" not in response.headers
    assert "transfer-encoding" not in response.headers
    assert response.content == pdf[: len(pdf) // 2]


def test_a_chunked_body_without_its_end_is_noticed(public, sandbox, link):
    """The last chunk never comes."""
    sandbox.fault("download", faults.CutChunked())
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        public.get(link)


def test_a_drip_comes_byte_by_byte(public, sandbox, link):
    """At 20 bytes per second a quarter of a second brings a handful."""
    sandbox.fault("download", faults.Drip(bytes_per_second=20))
    got = b""
    with public.stream("GET", link) as response:
        started = time.monotonic()
        for part in response.iter_raw():
            got += part
            if time.monotonic() - started > 0.25:
                break
    assert 2 <= len(got) <= 12
    assert sandbox.pdf_of(12345).startswith(got)


def test_an_endless_body_never_ends(public, sandbox, link):
    """Megabytes after the right body there is still more, and other clients are served meanwhile."""
    sandbox.fault("download", faults.Endless(), times=1)
    got = 0
    with public.stream("GET", link) as response:
        for part in response.iter_raw():
            got += len(part)
            if got > 5_000_000:
                break
        with httpx.Client() as other:
            assert other.get(link).status_code == 200


@pytest.mark.parametrize("with_length", [True, False])
def test_a_huge_body_is_still_right(api, sandbox, with_length):
    """Two mebibytes of blanks behind the JSON."""
    sandbox.fault("diplomas", faults.HugeBody(2, with_length))
    response = listing(api)
    assert len(response.content) > 2 * 1024 * 1024
    assert ("content-length" in response.headers) is with_length
    assert response.json()["items"][0]["id"] == 12345


def test_a_huge_string_is_one_item(api, sandbox):
    """Two mebibytes of letters are one string in a list."""
    sandbox.fault("participants", faults.HugeString(2))
    (text,) = api.get("/participants").json()
    assert text == "x" * 2 * 1024 * 1024


def test_a_stall_is_silence(api, sandbox):
    """The connection stands and nothing comes in time; a short stall ends with the right answer."""
    sandbox.fault("participants", faults.Stall(30), times=1)
    with pytest.raises(httpx.ReadTimeout):
        api.get("/participants", timeout=0.2)
    sandbox.fault("participants", faults.Stall(0.2), times=1)
    started = time.monotonic()
    assert api.get("/participants").status_code == 200
    assert time.monotonic() - started >= 0.2


def test_a_reset_is_no_answer(api, sandbox):
    """The connection closes without a byte, softly or with a TCP reset, and the server goes on."""
    sandbox.fault("participants", faults.Reset(), times=1)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        api.get("/participants")
    sandbox.fault("participants", faults.Reset(hard=True), times=1)
    with pytest.raises(httpx.ReadError):
        api.get("/participants")
    assert api.get("/participants").status_code == 200


def test_faults_make_no_noise(public, sandbox, link, caplog, capfd):
    """No log line and no traceback comes from a scripted fault."""
    for fault in (faults.Reset(), faults.Truncated(True), faults.Truncated(False), faults.CutChunked()):
        sandbox.fault("download", fault, times=1)
        try:
            public.get(link)
        except httpx.TransportError:
            continue
    # httpx and httpcore speak for themselves.
    assert [record for record in caplog.records if not record.name.startswith("http")] == []
    assert capfd.readouterr() == ("", "")
