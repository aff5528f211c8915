"""Findings: each class with a title and advice, and as JSON."""

from __future__ import annotations

from diploma_archive.evidence.findings import ADVICE, TITLES, Finding, FindingClass


def test_each_class_has_a_title_and_advice() -> None:
    """Nobody is left alone with a machine name."""
    assert set(ADVICE) == set(TITLES) == set(FindingClass)
    for text in (*ADVICE.values(), *TITLES.values()):
        assert not text.endswith(".")
        assert text.isprintable()


def test_a_finding_as_json() -> None:
    """Scripts rely on these four fields."""
    finding = Finding(FindingClass.MISSING_FILE, "diplomas/x", "why")
    assert finding.to_dict() == {
        "class": "missing_file",
        "key": "diplomas/x",
        "detail": "why",
        "advice": ADVICE[FindingClass.MISSING_FILE],
    }
