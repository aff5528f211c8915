"""The JSON documents in the bucket: how they are written and read, and the format and tool that they name."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from diploma_archive import __version__
from diploma_archive.errors import StoreError

FORMAT = 1
TOOL = f"diploma-archive {__version__}"

Document = dict[str, Any]


def to_json(document: Document) -> bytes:
    """Return a document as the bucket keeps it: readable, ASCII, with a final line break."""
    return (json.dumps(document, indent=2, ensure_ascii=True) + "\n").encode("ascii")


def from_json(body: bytes, what: str) -> Document:
    """Return a document from the bucket.

    Raises:
        StoreError: it is not the JSON object that it must be; `what` names it in the text.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise StoreError(f"{what} in the bucket is damaged", fix="Run diploma-archive verify to see what is wrong")
    return document


def readable_or_empty(body: bytes) -> Document:
    """Return a document from the bucket, or an empty one where it is damaged."""
    try:
        return from_json(body, "")
    except StoreError:
        return {}


def utc_text(moment: datetime) -> str:
    """Return a moment as text that sorts by time: `2026-03-01T02:15:00.123456Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
