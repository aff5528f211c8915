"""Reads JSON answers of the API within limits, and tells lists from error messages (FRONTCORE.md).

Rule: an answer that is not the list that was asked for is an error, never "nothing there".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx

from diploma_archive.errors import KeyRefusedError, Kind, ListingError, SourceError

MAX_ANSWER_BYTES = 8_000_000  # 250 participants are some 500 kB, a person's diplomas some 2 kB each
MAX_VALUES = 300_000  # in one answer, roughly; 250 participants have some 15,000. Empty ones take memory, not bytes.
_SPEAKS_OF_THE_KEY = re.compile(r"(?i)api[\s_-]*key|unauthori[sz]ed|forbidden")


class ErrorAnswer(SourceError):  # noqa: N818  the answer is an error message; not every caller takes it for an error
    """FrontCore answered `{"error": ...}`; whether that is fatal depends on what was asked."""


@dataclass(frozen=True)
class ListAnswer:
    """A list as it came, and the next page where the server names one."""

    items: list[Any]
    next_page: int | None = None


async def read_json(response: httpx.Response) -> Any:
    """Return the body of an answer of the API.

    Raises:
        KeyRefusedError: status 401 or 403, or an error message that speaks of the key.
        ErrorAnswer: another error message, whatever the status.
        ListingError: another status than 200, too large, or no JSON.
    """
    if response.status_code in (401, 403):
        refuse_key()
    if response.status_code in (301, 302, 303, 307, 308, 404, 405):
        raise ListingError(
            f"FrontCore does not know this address (status {response.status_code})", fix="Check FRONTCORE_BASE_URL"
        )
    if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        raise ListingError("FrontCore answered in a compressed form that was not asked for")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise ListingError(f"FrontCore's answer is larger than {MAX_ANSWER_BYTES} bytes")
    answer = _parse(bytes(body), response.status_code)
    if isinstance(answer, dict) and answer.get("error"):
        if _SPEAKS_OF_THE_KEY.search(str(answer["error"])[:1000]):
            refuse_key()
        # The message itself is not passed on: nobody knows whose name is in it.
        raise ErrorAnswer("FrontCore answered with an error message instead of a list")
    if response.status_code != 200:
        raise ListingError(f"FrontCore refuses the request (status {response.status_code})")
    return answer


def read_list(answer: Any) -> ListAnswer:
    """Return the list in an answer: a bare array, or `{"items": [...], "pagination": {...}}`.

    Raises:
        ListingError: there is no list in it.
    """
    if isinstance(answer, list):
        return ListAnswer(answer)
    if isinstance(answer, dict) and isinstance(answer.get("items"), list):
        if str(answer.get("success", "ok")).lower() not in ("ok", "true", "1"):
            raise ListingError("FrontCore says that the request did not succeed")
        return ListAnswer(answer["items"], _next_page(answer.get("pagination")))
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


def _next_page(pagination: Any) -> int | None:
    value = pagination.get("next_page") if isinstance(pagination, dict) else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


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
