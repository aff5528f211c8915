"""Reads JSON answers of the API within limits, and tells lists from error messages (FRONTCORE.md).

Rule: an answer that is not the list that was asked for is an error, never "nothing there".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx

from diploma_archive.errors import KeyRefusedError, Kind, ListingError, SourceError
from diploma_archive.frontcore.next_page import NOTHING_SAID, Following, read_following
from diploma_archive.frontcore.paging import refusal

MAX_ANSWER_BYTES = 8_000_000  # 250 participants are some 500 kB, a person's diplomas some 2 kB each
MAX_VALUES = 300_000  # in one answer, roughly; 250 participants have some 15,000. Empty ones take memory, not bytes.
_SPEAKS_OF_THE_KEY = re.compile(r"(?i)api[\s_-]*key|unauthori[sz]ed|forbidden")


class ErrorAnswer(SourceError):  # noqa: N818  the answer is an error message; not every caller takes it for an error
    """FrontCore answered `{"error": ...}`; whether that is fatal depends on what was asked."""


class NoPageError(ListingError):
    """There is no such page, or it has no body; whether that is the end of a list, `Paging` decides."""

    def __init__(self, status: int) -> None:
        error = refusal(status)
        super().__init__(error.what, fix=error.fix)
        self.status = status


@dataclass(frozen=True)
class ListAnswer:
    """A list as it came, and what the answer says of the pages after it."""

    items: list[Any]
    following: Following = NOTHING_SAID


async def read_json(response: httpx.Response) -> Any:
    """Return the body of an answer of the API.

    Raises:
        KeyRefusedError: status 401 or 403, or an error message that speaks of the key.
        NoPageError: another status that refuses the request, or no body.
        ErrorAnswer: another error message.
        ListingError: another status than 200, too large, or no JSON.
    """
    if response.status_code in (401, 403):
        refuse_key()
    if response.status_code in (301, 302, 303, 307, 308, 405):
        raise ListingError(
            f"FrontCore does not know this address (status {response.status_code})", fix="Check FRONTCORE_BASE_URL"
        )
    body = await _read_body(response)
    is_refused = response.status_code == 204 or 400 <= response.status_code < 500
    if not body.strip() and (is_refused or response.status_code == 200):
        raise NoPageError(response.status_code)
    try:
        answer = _parse(body, response.status_code)
    except ListingError:
        if is_refused:
            raise NoPageError(response.status_code) from None
        raise
    if isinstance(answer, dict) and answer.get("error"):
        if _SPEAKS_OF_THE_KEY.search(str(answer["error"])[:1000]):
            refuse_key()
        if is_refused:
            raise NoPageError(response.status_code)
        # The message itself is not passed on: nobody knows whose name is in it.
        raise ErrorAnswer("FrontCore answered with an error message instead of a list")
    if is_refused:
        raise NoPageError(response.status_code)
    if response.status_code != 200:
        raise refusal(response.status_code)
    return answer


async def _read_body(response: httpx.Response) -> bytes:
    if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        raise ListingError("FrontCore answered in a compressed form that was not asked for")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise ListingError(f"FrontCore's answer is larger than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


async def read_page(response: httpx.Response, page: int) -> ListAnswer:
    """Return the list in an answer of the API, and what it says of the pages after this one.

    Raises:
        KeyRefusedError, NoPageError, ErrorAnswer, ListingError: as `read_json` and `read_list`.
    """
    answer = await read_json(response)
    targets = {rel: link["url"] for rel, link in response.links.items() if rel and "url" in link}
    return read_list(answer, page, links=targets, url=str(response.request.url))


def read_list(answer: Any, page: int = 1, *, links: Mapping[str, str] | None = None, url: str = "") -> ListAnswer:
    """Return the list in an answer: a bare array, or `{"items": [...], "pagination": {...}}`.

    Args:
        page, links, url: as `read_following` takes them.

    Raises:
        ListingError: there is no list in it, or nobody can tell what comes after it.
    """
    if isinstance(answer, list):
        return ListAnswer(answer, read_following(answer, page, links=links, url=url))
    if isinstance(answer, dict) and isinstance(answer.get("items"), list):
        if str(answer.get("success", "ok")).lower() not in ("ok", "true", "1"):
            raise ListingError("FrontCore says that the request did not succeed")
        return ListAnswer(answer["items"], read_following(answer, page, links=links, url=url))
    raise ListingError("FrontCore answered without a list")


def refuse_key() -> NoReturn:
    """Raise the error for a key that is not accepted."""
    raise KeyRefusedError(
        "FrontCore does not accept the API key",
        fix="Set FRONTCORE_API_KEY to a valid key of this account (and check FRONTCORE_BASE_URL)",
    )


def fatal(error: SourceError, what: str) -> SourceError:
    """Return an error that stops the run, for what cannot be done without."""
    return type(error)(f"{what}: {error.what}", fix=error.fix, kind=Kind.FATAL)


def _parse(body: bytes, status: int) -> Any:
    if sum(map(body.count, (b",", b"{", b"["))) > MAX_VALUES:
        raise ListingError(f"FrontCore's answer has more than {MAX_VALUES} values")
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        suffix = "" if status == 200 else f" (status {status})"
        raise ListingError(f"FrontCore's answer is not valid JSON{suffix}") from None


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")
