"""What happened in a run: counts, a sentence, and green only where everything is archived."""

from __future__ import annotations

import pytest

from diploma_archive.model.outcome import UNLISTED, Finding
from diploma_archive.sync.green_run import MAX_FAILURES_KEPT, Tally

OUTCOMES = ["archived", "unchanged", "withdrawn", "conflict", "quarantined", "failed"]


def tally(*outcomes: str) -> Tally:
    result = Tally()
    for number, outcome in enumerate(outcomes, start=1):
        result.add(Finding(outcome, None if outcome == UNLISTED else number, 1000 + number, error=f"reason {number}"))
    return result


def test_listed_is_the_six_outcomes_together():
    """Counts add up, and a listing that could not be had is no diploma."""
    counts = tally(*OUTCOMES, "archived", UNLISTED, UNLISTED).as_counts()
    assert counts == {
        "listed": 7,
        "archived": 2,
        "unchanged": 1,
        "withdrawn": 1,
        "conflict": 1,
        "quarantined": 1,
        "failed": 1,
        "unlisted": 2,
    }
    assert list(counts) == ["listed", *OUTCOMES, "unlisted"]


@pytest.mark.parametrize(
    ("outcomes", "green"),
    [
        ((), True),
        (("archived",), True),
        (("unchanged", "withdrawn", "archived"), True),
        (("archived", "conflict"), False),
        (("archived", "quarantined"), False),
        (("archived", "failed"), False),
        (("archived", UNLISTED), False),
        ((UNLISTED,), False),
    ],
)
def test_green_means_archived(outcomes, green):
    """A run is green only if every diploma that was asked for is archived."""
    assert tally(*outcomes).is_green is green


@pytest.mark.parametrize(
    ("outcomes", "sentence"),
    [
        ((), "0 archived, 0 unchanged, 0 failed"),
        (("archived",) * 40, "40 archived, 0 unchanged, 0 failed"),
        (
            (*OUTCOMES, UNLISTED),
            "1 archived, 1 unchanged, 1 failed, 1 withdrawn, 1 conflict, 1 quarantined, 1 unlisted",
        ),
    ],
)
def test_the_sentence_leaves_nothing_out(outcomes, sentence):
    """The one line that people read names everything that is not as it should be."""
    assert tally(*outcomes).sentence() == sentence


def test_failures_name_ids_and_reasons():
    """Everything that is not green is named, an unlisted one without a diploma id."""
    assert tally("archived", "failed", "conflict", "unchanged", UNLISTED).failures == [
        {"diploma_id": 2, "participant_id": 1002, "error": "reason 2"},
        {"diploma_id": 3, "participant_id": 1003, "error": "reason 3"},
        {"diploma_id": None, "participant_id": 1005, "error": "reason 5"},
    ]


def test_memory_stays_flat_when_everything_fails():
    """Failures are kept up to a limit, the counts without one."""
    many = Tally()
    for number in range(MAX_FAILURES_KEPT + 5):
        many.add(Finding("failed", number))
    assert len(many.failures) == MAX_FAILURES_KEPT
    assert many.counts["failed"] == MAX_FAILURES_KEPT + 5
