"""Run reports form a chain: each names the reports before it, with their SHA-256 (DESIGN.md section 5).

Rule: a report that was edited or taken away shows in the ones after it. Runs that end at the same moment may name the
same report; the next one names both. What the last ones saw of the rest of the archive is held against what is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from diploma_archive.model.commitments import Commitments, read_commitments
from diploma_archive.model.json_document import Document
from diploma_archive.model.keys import RUNS
from diploma_archive.model.size_limits import REPORT_HEAD_BYTES, USUAL_HEAD_BYTES
from diploma_archive.store.objects import Listed
from diploma_archive.store.reader import Reader

LATEST_LOOKED_AT = 10  # as many runs may end at the same moment without a gap in the chain
FULL, FINISHED = "full", "finished"  # `scope` and `status` of such a report
_OUTCOMES = b'"outcomes": ['


@dataclass(frozen=True)
class LatestReports:
    """The heads of the reports that were stored last."""

    heads: tuple[tuple[Listed, Document], ...] = ()

    @property
    def commitments(self) -> tuple[Commitments, ...]:
        """Return what they say of the rest of the archive, as far as they say it."""
        return tuple(commitments_in(head for _, head in self.heads))

    @property
    def ends(self) -> list[Listed]:
        """Return those that no other of them names; usually one."""
        named = {link["key"] for _, head in self.heads for link in previous_of(head)}
        return [row for row, _ in self.heads if row.key not in named]


def latest_reports(reader: Reader, known: LatestReports | None = None) -> LatestReports:
    """Return the reports that were stored last.

    Args:
        known: what was read before: a report that is there still is not read again.

    Raises:
        StoreError: S3 refused or failed.
    """
    before = dict(known.heads) if known else {}
    rows = sorted(reader.list(RUNS), key=lambda row: (row.modified, row.key))[-LATEST_LOOKED_AT:]
    return LatestReports(tuple((row, before[row] if row in before else _head(reader, row)) for row in rows))


def previous_reports(reader: Reader, known: LatestReports | None = None) -> list[dict[str, str]]:
    """Return the reports that no other report names yet, as `key` and `sha256`; usually one, none at first.

    Raises:
        StoreError: S3 refused or failed.
    """
    ends = [(row.key, reader.digest(row.key, listed=row)) for row in latest_reports(reader, known).ends]
    return [{"key": key, "sha256": digest.sha256} for key, digest in ends if digest is not None]


def cursor_named_in(reader: Reader, report: str, known: LatestReports | None = None) -> tuple[str, str] | None:
    """Return key and SHA-256 of the cursor that a report names, or None where it names none or is not there.

    Args:
        known: what was read before.

    Raises:
        StoreError: S3 refused or failed.
    """
    if not report:
        return None
    heads = [head for row, head in (known.heads if known else ()) if row.key == report]
    heads = heads or [_head(reader, row) for row in reader.list(report, at_most=1) if row.key == report]
    said = list(commitments_in(heads))
    return said[0].cursor if said else None


def names_a_cursor(reader: Reader) -> bool:
    """Return whether a report names a cursor: the newest first, back to the first one of an earlier version.

    Raises:
        StoreError: S3 refused or failed.
    """
    for row in sorted(reader.list(RUNS), key=lambda row: row.key, reverse=True):
        said = list(commitments_in([_head(reader, row)]))
        if not said or said[0].cursor:
            return bool(said)
    return False


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


def commitments_in(heads: Iterable[Document]) -> Iterator[Commitments]:
    """Yield what heads of reports say of the rest of the archive; damaged ones say nothing here."""
    for head in heads:
        with suppress(ValueError):
            said = read_commitments(head)
            if said is not None:
                yield said


def _head(reader: Reader, row: Listed) -> Document:
    start = reader.get_start(row, USUAL_HEAD_BYTES) or b""
    if row.size > USUAL_HEAD_BYTES and _OUTCOMES not in start:  # many were erased
        start = reader.get_start(row, REPORT_HEAD_BYTES) or b""
    return read_head(start)


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
