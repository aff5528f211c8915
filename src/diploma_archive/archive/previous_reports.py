"""Run reports form a chain: each names the reports before it, with their SHA-256 (DESIGN.md section 5).

Rule: a report that was edited or taken away shows in the ones after it. Runs that end at the same moment may name the
same report; the next one names both.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime

from diploma_archive.model.json_document import Document
from diploma_archive.model.keys import RUNS
from diploma_archive.model.size_limits import REPORT_HEAD_BYTES
from diploma_archive.store.objects import Listed
from diploma_archive.store.reader import Reader

LATEST_LOOKED_AT = 10  # as many runs may end at the same moment without a gap in the chain
FULL, FINISHED = "full", "finished"  # `scope` and `status` of such a report
_OUTCOMES = b'"outcomes": ['


def previous_reports(reader: Reader) -> list[dict[str, str]]:
    """Return the reports that no other report names yet, as `key` and `sha256`; usually one, none at first.

    Raises:
        StoreError: S3 refused or failed.
    """
    latest = sorted(reader.list(RUNS), key=lambda row: (row.modified, row.key))[-LATEST_LOOKED_AT:]
    named = {link["key"] for row in latest for link in previous_of(_head(reader, row))}
    ends = [(row.key, reader.digest(row.key, listed=row)) for row in latest if row.key not in named]
    return [{"key": key, "sha256": digest.sha256} for key, digest in ends if digest is not None]


def last_full_pass(reader: Reader) -> datetime | None:
    """Return when the last full pass that finished began, by its run report, or None where there was none.

    Raises:
        StoreError: S3 refused or failed.
    """
    for row in sorted(reader.list(RUNS), key=lambda row: row.key, reverse=True):
        head = _head(reader, row)
        if (head.get("scope"), head.get("status")) == (FULL, FINISHED):
            with suppress(TypeError, ValueError):
                return datetime.fromisoformat(head["started_at"])
    return None


def _head(reader: Reader, row: Listed) -> Document:
    return read_head(reader.get_start(row, REPORT_HEAD_BYTES) or b"")


def read_head(start: bytes) -> Document:
    """Return what a report says before its outcomes; an empty document where it is damaged."""
    head, found, _ = start.partition(_OUTCOMES)
    try:
        document = json.loads(head + _OUTCOMES + b"]}" if found else start)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def previous_of(report: Document) -> list[dict[str, str]]:
    """Return the links of a report to those before it, without what is no link."""
    links = report.get("previous")
    return [
        {"key": link["key"], "sha256": link["sha256"]}
        for link in (links if isinstance(links, list) else [])
        if isinstance(link, dict) and isinstance(link.get("key"), str) and isinstance(link.get("sha256"), str)
    ]
