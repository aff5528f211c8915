"""What happened to one diploma: six words, and a line of the report."""

from __future__ import annotations

from diploma_archive.model.outcome import Finding, Outcome

OUTCOMES = ["archived", "unchanged", "withdrawn", "conflict", "quarantined", "failed"]


def test_the_outcomes_are_the_six_of_the_design():
    """Every diploma ends in one of six words."""
    assert [outcome.value for outcome in Outcome] == OUTCOMES


def test_a_finding_is_one_line_without_empty_fields():
    """What does not apply is left out, and a line break in a reason makes no second line."""
    assert Finding("failed", 7, error="a\nb").to_line() == b'{"outcome":"failed","diploma_id":7,"error":"a\\nb"}'
