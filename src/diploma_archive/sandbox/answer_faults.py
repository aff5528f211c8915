"""The wrong answers a real server gives; the rule: each is one dataclass that names what the client gets to see."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from diploma_archive.sandbox.fault_script import Exchange, Fault, Reworked
from diploma_archive.sandbox.transfer_faults import (
    CutChunked,
    Drip,
    Endless,
    Gzip,
    GzipBomb,
    HugeBody,
    HugeString,
    Reset,
    Stall,
    Truncated,
)

__all__ = [
    "CutChunked",
    "DeepJson",
    "Drip",
    "EmptyItems",
    "Endless",
    "ErrorUnder200",
    "Fault",
    "Gzip",
    "GzipBomb",
    "HtmlLogin",
    "HugeBody",
    "HugeId",
    "HugeString",
    "MissingItems",
    "NaNJson",
    "Redirect",
    "Reset",
    "SamePdf",
    "Stall",
    "Status",
    "SwappedLinks",
    "Truncated",
    "TruncatedJson",
]

_LOGIN_PAGE = "<!doctype html><html><title>Log in</title><form method=post><input name=password></form></html>"


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer in ASCII, so that even half a surrogate pair arrives; an infinite number as 1e999."""
    text = json.dumps(content).replace(": Infinity", ": 1e999").replace(": -Infinity", ": -1e999")
    return Response(text, status, dict(headers or {}), "application/json")


@dataclass(frozen=True)
class Status(Reworked):
    """Another status code; without a body, an error in JSON."""

    code: int = 500
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        if isinstance(self.body, bytes | str):
            return Response(self.body, self.code, dict(self.headers), "text/plain")
        content = {"error": f"Scripted status {self.code}"} if self.body is None else self.body
        return json_response(content, self.code, self.headers)


@dataclass(frozen=True)
class HtmlLogin(Reworked):
    """A login page with status 200, under any media type."""

    content_type: str = "text/html"

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        return Response(_LOGIN_PAGE, 200, media_type=self.content_type)


@dataclass(frozen=True)
class Redirect(Reworked):
    """A redirect to anywhere."""

    location: str
    code: int = 302

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        return Response(b"", self.code, {"Location": self.location})


@dataclass(frozen=True)
class MissingItems(Reworked):
    """`{"success": "ok"}` and nothing else."""

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        return json_response({"success": "ok"})


@dataclass(frozen=True)
class EmptyItems(Reworked):
    """`{"success": "ok", "items": []}`."""

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        return json_response({"success": "ok", "items": []})


@dataclass(frozen=True)
class ErrorUnder200(Reworked):
    """An error message with status 200, as integrators report."""

    message: str = "Wrong API Key"

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        return json_response({"error": self.message})


@dataclass(frozen=True)
class TruncatedJson(Reworked):
    """The first part of the right body, with the Content-Length of that part."""

    keep: float = 0.5

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        body = bytes(exchange.right.body)
        return Response(body[: int(len(body) * self.keep)], 200, media_type="application/json")


@dataclass(frozen=True)
class NaNJson(Reworked):
    """The right list, but the first item's `id` is NaN, which is no JSON."""

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        return json_response(_with_first_id(exchange.right, math.nan))


@dataclass(frozen=True)
class HugeId(Reworked):
    """The right list, but the first item's `id` has thousands of digits."""

    digits: int = 5_000

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        # Python itself refuses to write such a number, so it goes in as text.
        text = json.dumps(_with_first_id(exchange.right, "the id")).replace('"the id"', "9" * self.digits, 1)
        return Response(text, 200, media_type="application/json")


@dataclass(frozen=True)
class DeepJson(Reworked):
    """Items nested so deep that a recursive reader gives up."""

    depth: int = 100_000

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        nested = "[" * self.depth + "]" * self.depth
        return Response(f'{{"success": "ok", "items": {nested}}}', 200, media_type="application/json")


@dataclass(frozen=True)
class SamePdf(Reworked):
    """Every working link gives one and the same file."""

    pdf: bytes

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        if exchange.right.status_code != 200:
            return exchange.right
        return Response(self.pdf, 200, media_type="application/pdf")


@dataclass(frozen=True)
class SwappedLinks(Reworked):
    """Two diplomas mixed up: a "diplomas" item has the other's link, a "download" the other's file."""

    id_a: int
    id_b: int

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        other = {self.id_a: self.id_b, self.id_b: self.id_a}
        right = exchange.right
        if right.status_code != 200:
            return right
        if exchange.kind == "download":
            asked = exchange.params["diploma_id"]
            return Response(exchange.pdf_of(other[asked]), media_type="application/pdf") if asked in other else right
        listing = json.loads(bytes(right.body))
        for item in listing["items"]:
            if item.get("id") in other and isinstance(item.get("links"), dict):
                item["links"]["download"] = exchange.link_of(other[item["id"]])
        return json_response(listing)


def _with_first_id(right: Response, value: object) -> Any:
    """Return the right list with another id in its first item."""
    listing = json.loads(bytes(right.body))
    items = listing["items"] if isinstance(listing, dict) and "items" in listing else listing
    if isinstance(items, list) and items:
        items[0]["id"] = value
    return listing
