"""The outcomes of a run on their way to its report: a file of JSON, whole however large."""

from __future__ import annotations

import hashlib
import json

import pytest

from diploma_archive.model.outcome import Finding
from diploma_archive.model.size_limits import REPORT_LINE_BYTES
from diploma_archive.sync.outcome_spool import Spool

HEAD = {"format": 1, "run_id": "run-1", "nested": {"a": [1, 2]}, "text": "}\n"}


@pytest.mark.parametrize("number", [0, 1, 3])
def test_the_report_is_json(number):
    """With no, one or several outcomes the report is one JSON object, hashed and measured as it is."""
    spool = Spool()
    for diploma_id in range(number):
        spool.add(Finding("archived", diploma_id, certificate="c-\ud800\n", record="diplomas/x"))
    with spool.finished(HEAD) as report:
        body = report.file.read()
    spool.close()
    line = {"outcome": "archived", "certificate": "c-\ud800\n", "record": "diplomas/x"}
    assert json.loads(body) == {**HEAD, "outcomes": [{**line, "diploma_id": n} for n in range(number)]}
    assert body.isascii()
    assert report.size == len(body)
    assert report.sha256 == hashlib.sha256(body).hexdigest()
    assert report.md5 == hashlib.md5(body, usedforsecurity=False).hexdigest()


def test_a_large_report_is_whole():
    """A report that does not fit into memory loses no line."""
    spool = Spool()
    for diploma_id in range(20_000):
        spool.add(Finding("unchanged", diploma_id, diploma_id, "c-ABC", "0123456789abcdef"))
    with spool.finished(HEAD) as report:
        outcomes = json.loads(report.file.read())["outcomes"]
    spool.close()
    assert [outcome["diploma_id"] for outcome in outcomes] == list(range(20_000))


def test_a_line_that_no_reader_would_believe_is_shortened() -> None:
    """However much is to be said of one diploma, the report can be read again."""
    spool = Spool()
    spool.add(Finding("conflict", 1, certificate="c-1", error="x" * 10_000_000, conflict=list(range(1_000_000))))
    with spool.finished(HEAD) as report:
        lines = report.file.read().splitlines()
    spool.close()
    assert max(map(len, lines)) < REPORT_LINE_BYTES
    (outcome,) = json.loads(b"\n".join(lines))["outcomes"]
    assert (outcome["outcome"], outcome["diploma_id"], outcome["certificate"]) == ("conflict", 1, "c-1")
