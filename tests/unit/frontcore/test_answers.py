"""An answer that is not the list that was asked for is an error, never "nothing there"."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from diploma_archive.errors import KeyRefusedError, Kind, ListingError, SourceError
from diploma_archive.frontcore.answers import (
    MAX_ANSWER_BYTES,
    ErrorAnswer,
    NoPageError,
    fatal,
    read_json,
    read_list,
)

pytestmark = pytest.mark.anyio
CANARY = "canary-Kari-Nordmann"


def response(body: object, status: int = 200, **headers: str) -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(raw), 65_536):
            yield raw[start : start + 65_536]

    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=names, content=chunks())


@pytest.mark.parametrize("body", [[], [1], {"items": []}, {"items": [{"id": 1}], "success": "ok"}, {"error": None}])
async def test_an_answer_is_given_back_as_it_came(body):
    """A good answer passes unchanged."""
    assert await read_json(response(body)) == body


async def test_lone_surrogates_and_a_byte_order_mark_are_read():
    """PHP's odd encodings do not cost a listing."""
    assert await read_json(response(b'\xef\xbb\xbf["\\ud800"]')) == ["\ud800"]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("body", [b"", b"<html>", {"error": "whatever"}, []])
async def test_a_refused_key_is_fatal(status, body):
    """401 and 403 stop the run at once, whatever the body says."""
    with pytest.raises(KeyRefusedError, match="API key") as caught:
        await read_json(response(body, status))
    assert caught.value.kind is Kind.FATAL


@pytest.mark.parametrize("message", ["Wrong API Key", "Invalid API key", "invalid api-key", "Unauthorized"])
@pytest.mark.parametrize("status", [200, 400])
async def test_an_error_that_speaks_of_the_key_is_fatal(message, status):
    """A refused key is seen under status 200 too."""
    with pytest.raises(KeyRefusedError):
        await read_json(response({"error": message}, status))


@pytest.mark.parametrize("error", [CANARY, {"message": CANARY}, [CANARY], True, 7])
async def test_another_error_message_is_an_error_under_200_too(error):
    """`{"error": ...}` is never taken for an empty list, and its text is not passed on."""
    with pytest.raises(ErrorAnswer) as caught:
        await read_json(response({"error": error, "items": []}))
    assert CANARY not in caught.value.diagnostics()
    assert caught.value.kind is Kind.ITEM


@pytest.mark.parametrize("status", [201, 204, 206, 301, 302, 308, 400, 404, 405, 418, 422])
async def test_every_other_status_is_an_error(status):
    """Only 200 is an answer, even if a list comes with another status."""
    with pytest.raises(ListingError, match=str(status)):
        await read_json(response([], status))


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[1,",
        b'{"items": [}',
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b"\xff\xff",
        b"[" * 100_000,
        b"[] []",
        b"[" + b"9" * 5000 + b"]",
        CANARY.encode(),
    ],
    ids=range(11),
)
async def test_what_is_no_json_is_an_error(body):
    """Half an answer is no answer, and nothing of it is quoted."""
    with pytest.raises(ListingError, match="not valid JSON") as caught:
        await read_json(response(body))
    assert CANARY not in caught.value.diagnostics()
    assert caught.value.__cause__ is None


async def test_an_endless_answer_is_cut_off():
    """Memory stays flat whatever the server sends."""
    with pytest.raises(ListingError, match="larger than"):
        await read_json(response(b" " * (MAX_ANSWER_BYTES + 1)))


@pytest.mark.parametrize("status", [200, 204, 400, 404, 410, 416, 422])
@pytest.mark.parametrize("body", [b"", b" ", b"<html>", b"[]", b'{"error": "no such page"}'], ids=range(5))
async def test_a_page_that_is_not_there_is_told_from_a_list(status, body):
    """Whether a refusal or an empty body is the end of a list is for the paging to say: it is an error of its own."""
    if status == 200 and body.strip():
        return
    with pytest.raises(NoPageError) as caught:
        await read_json(response(body, status))
    assert caught.value.status == status


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate"])
async def test_a_compressed_answer_is_refused(encoding):
    """Nothing compressed was asked for: it could be a bomb."""
    with pytest.raises(ListingError, match="compressed"):
        await read_json(response(b"x", Content_Encoding=encoding))


@pytest.mark.parametrize(
    ("answer", "items", "next_page"),
    [
        ([], [], None),
        ([{"id": 1}], [{"id": 1}], None),
        ({"items": []}, [], None),
        ({"items": [1], "success": "ok"}, [1], None),
        ({"items": [1], "success": True}, [1], None),
        ({"items": [1], "success": 1}, [1], None),
        ({"items": [1], "pagination": {"next_page": 2}}, [1], 2),
        ({"items": [1], "pagination": {"next_page": "2"}}, [1], 2),
        ({"items": [1], "pagination": {"next_page": None}}, [1], None),
        ({"items": [1], "pagination": []}, [1], None),
    ],
    ids=range(10),
)
def test_both_shapes_of_a_list_are_read(answer, items, next_page):
    """A bare array and an object with items are the same list."""
    read = read_list(answer)
    assert (read.items, read.following.page) == (items, next_page)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        "text",
        5,
        True,
        {"items": None},
        {"items": {}},
        {"items": "x"},
        {"data": []},
        {"items": [], "success": "error"},
        {"items": [], "success": False},
        {"items": [], "success": 0},
    ],
)
def test_what_holds_no_list_is_an_error(answer):
    """No list is an error, never an empty list."""
    with pytest.raises(ListingError):
        read_list(answer)


def test_a_fatal_error_keeps_its_words():
    """What cannot be done without stops the run, and still says why."""
    error = fatal(SourceError("status 500", fix="Try later"), "the participants cannot be listed")
    assert (error.kind, error.diagnostics()) == (
        Kind.FATAL,
        "the participants cannot be listed: status 500. Try later.",
    )
