"""Is this run report as it was written? Read line by line, so that memory stays flat however long it is.

Rule: a report that nobody names yet must at least agree with itself: its form, its name, its counts, its outcomes.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, BinaryIO

from diploma_archive.archive.previous_reports import previous_of
from diploma_archive.evidence.certificate_objects import Claim
from diploma_archive.model.coercion import MAX_ID
from diploma_archive.model.commitments import Commitments, read_commitments
from diploma_archive.model.json_document import FORMAT, Document
from diploma_archive.model.keys import RUNS, run_report_key
from diploma_archive.model.outcome import UNLISTED, Finding, Outcome
from diploma_archive.model.size_limits import REPORT_HEAD_BYTES, REPORT_LINE_BYTES

_KEY = re.compile(rf"{RUNS}\d{{4}}/\d\d/\d\d/\d{{8}}T\d{{6}}Z-([^/]+)\.json")
_RECORD = re.compile(r"diplomas/[^/]+/([^/]+)/([0-9a-f]{16})(?:\.[1-9][0-9]{0,8})?\.json")
_NOTE = re.compile(r"quarantine/([^/]+)/[0-9a-f]{64}\.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEAD = frozenset(("format", "run_id", "status", "scope", "force", "started_at", "finished_at", "tool", "previous"))
_COUNTS = (*(outcome.value for outcome in Outcome), UNLISTED)
_OUTCOME_FIELDS = frozenset(field.name for field in fields(Finding))
_OUTCOMES_BEGIN, _NO_OUTCOMES, _OUTCOMES_END = b'  "outcomes": [\n', b'  "outcomes": []\n', b"  ]\n"

_NOT_ITS_FORM = "it is not written as diploma-archive writes reports"


@dataclass(frozen=True)
class ReportContent:
    """What a report says of itself and of those before it, and what is wrong with it where it is read alone."""

    key: str
    sha256: str
    previous: tuple[tuple[str, str], ...] = ()  # key and SHA-256
    problem: str | None = None
    outcomes: int = 0
    commitments: Commitments | None = None


def run_id_of(key: str) -> str | None:
    """Return the id of the run that a report's key names, or None where it is no report's key."""
    found = _KEY.fullmatch(key)
    return found[1] if found else None


def read_report(
    key: str,
    sha256: str,
    file: BinaryIO,
    claimed: Callable[[Claim], None],
    share: Callable[[frozenset[Any]], frozenset[Any]] = lambda names: names,
) -> ReportContent:
    """Return what a report says; each record that it names goes to `claimed`, also where the report is damaged.

    Args:
        sha256: of all its bytes.
        file: the report, at its start.
        share: as for `read_commitments`.
    """
    try:
        head, has_outcomes = _read_head(file)
    except (ValueError, RecursionError):
        return ReportContent(key, sha256, problem=_NOT_ITS_FORM)
    counted: Counter[str] = Counter()
    problem = _head_problem(key, head)
    for line in _lines(file) if has_outcomes else ():
        outcome = _read_outcome(line)
        claim = _claim(outcome, key)
        problem = problem or _outcome_problem(outcome, claim)
        if outcome is not None and outcome.get("outcome") in _COUNTS:
            counted[outcome["outcome"]] += 1
        if claim is not None:
            claimed(claim)
    # What `_lines` left unread must be the end, and nothing else.
    if file.read(16) != b"}\n":
        problem = problem or _NOT_ITS_FORM
    if any(head.get(name) != counted[name] for name in _COUNTS):
        problem = problem or "its counts do not fit its outcomes"
    links = tuple((link["key"], link["sha256"]) for link in previous_of(head))
    commitments = None
    try:
        commitments = read_commitments(head, share)
    except ValueError:
        problem = problem or "what it says of the rest of the archive cannot be read"
    return ReportContent(key, sha256, links, problem, counted.total(), commitments)


def _read_head(file: BinaryIO) -> tuple[Document, bool]:
    """Return the head and whether outcomes follow.

    Raises:
        ValueError: it is not written as reports are.
    """
    lines, size = [], 0
    while True:
        line = file.readline(REPORT_LINE_BYTES)
        if line in (_OUTCOMES_BEGIN, _NO_OUTCOMES):
            break
        size += len(line)
        if not line or size > REPORT_HEAD_BYTES:
            raise ValueError("no outcomes")
        lines.append(line)
    text = b"".join(lines).removesuffix(b",\n") + b"\n}"
    head = json.loads(text)
    if not isinstance(head, dict) or json.dumps(head, indent=2, ensure_ascii=True).encode("ascii") != text:
        raise ValueError("another spelling")
    return head, line == _OUTCOMES_BEGIN


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the outcomes, each as its line without the comma; a line that is no outcome's comes as it is."""
    line = file.readline(REPORT_LINE_BYTES)
    while line and line != _OUTCOMES_END:
        following = file.readline(REPORT_LINE_BYTES)
        ending = b"\n" if following == _OUTCOMES_END else b",\n"
        yield line[4:].removesuffix(ending) if line.startswith(b"    {") and line.endswith(b"}" + ending) else line
        line = following


def _read_outcome(line: bytes) -> Document | None:
    """Return one outcome, or None where the line is not written as outcomes are."""
    try:
        outcome = json.loads(line)
        same = json.dumps(outcome, ensure_ascii=True, separators=(",", ":")).encode("ascii") == line
    except (ValueError, RecursionError):
        return None
    return outcome if same and isinstance(outcome, dict) else None


def _head_problem(key: str, head: Document) -> str | None:
    if not _HEAD | set(_COUNTS) <= set(head) or head["format"] != FORMAT or not isinstance(head["previous"], list):
        return "it does not say all that it must of its run"
    if len(previous_of(head)) != len(head["previous"]):
        return "what it says of the reports before it cannot be read"
    try:
        started = datetime.fromisoformat(head["started_at"])
        fits = run_report_key(started, head["run_id"]) == key
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        return "start and id of the run in it do not fit its key"
    if head.get("listed") != sum(head[outcome.value] for outcome in Outcome if type(head[outcome.value]) is int):
        return "its counts do not add up"
    return None


def _outcome_problem(outcome: Document | None, claim: Claim | None) -> str | None:
    if outcome is None:
        return _NOT_ITS_FORM
    if outcome.get("outcome") not in _COUNTS or not set(outcome) <= _OUTCOME_FIELDS:
        return "one of its outcomes is none"
    must_name = outcome["outcome"] in (Outcome.ARCHIVED, Outcome.UNCHANGED, Outcome.WITHDRAWN, Outcome.CONFLICT)
    if claim is None and (must_name or "record" in outcome or "note" in outcome):
        return "one of its outcomes does not fit the record that it names"
    return None


def _claim(outcome: Document | None, report: str) -> Claim | None:
    """Return what an outcome says of a record or of a note in quarantine, or None where it does not fit itself."""
    if outcome is None:
        return None
    if "note" in outcome:
        return _claim_of_note(outcome, report)
    record, certificate, revision = outcome.get("record"), outcome.get("certificate"), outcome.get("revision")
    found = _RECORD.fullmatch(record) if isinstance(record, str) else None
    if found is None or (found[1], found[2]) != (certificate, revision) or not _is_id(outcome.get("diploma_id")):
        return None
    hashes = [outcome.get(name) or "" for name in ("record_sha256", "sha256")]
    if any(value and not (isinstance(value, str) and _SHA256.fullmatch(value)) for value in hashes):
        return None
    return Claim(str(record), hashes[0], hashes[1], outcome["diploma_id"], report)


def _claim_of_note(outcome: Document, report: str) -> Claim | None:
    note, sha256 = outcome["note"], outcome.get("note_sha256") or ""
    found = _NOTE.fullmatch(note) if isinstance(note, str) else None
    fits = found is not None and found[1] == outcome.get("certificate") and isinstance(sha256, str)
    return Claim(note, sha256, report=report) if fits and (not sha256 or _SHA256.fullmatch(sha256)) else None


def _is_id(value: object) -> bool:
    return type(value) is int and 0 < value <= MAX_ID
