"""The judgement of a chain of run reports: who was changed, and who is missing."""

from __future__ import annotations

from diploma_archive.evidence.report_chain import judge_chain
from diploma_archive.evidence.report_check import ReportContent


def key(name: str) -> str:
    return f"runs/2026/01/01/20260101T000000Z-{name}.json"


def chain(*reports: tuple[str, str, dict[str, str]], problems: tuple[str, ...] = ()) -> dict[str, str]:
    """Judge reports given as (name, own hash, {named: hash}); return name -> class."""
    facts = {
        key(name): ReportContent(
            key(name),
            sha256,
            tuple((key(other), hashed) for other, hashed in named.items()),
            "damaged" if name in problems else None,
        )
        for name, sha256, named in reports
    }
    return {finding.key.rpartition("-")[2].removesuffix(".json"): finding.kind.value for finding in judge_chain(facts)}


def test_a_sound_chain() -> None:
    """Forks are no gap, whoever began first."""
    assert chain() == {}
    assert chain(("c", "3", {"a": "1", "b": "2"}), ("a", "1", {}), ("b", "2", {"0": "0"}), ("0", "0", {})) == {}


def test_who_was_changed_is_not_believed() -> None:
    """The accusation of a report that another one convicts does not count."""
    assert chain(("c", "3", {"b": "2"}), ("b", "X", {"a": "wrong"}), ("a", "1", {})) == {"b": "altered_report"}
    assert chain(("b", "2", {"a": "wrong"}), ("a", "1", {}), problems=("b",)) == {"b": "altered_report"}


def test_two_witnesses_outweigh_a_changed_link() -> None:
    """Where another report confirms a hash, the one that says another was changed itself."""
    reports = [("c", "3", {"a": "1"}), ("b", "2", {"a": "wrong"}), ("a", "1", {})]
    assert chain(*reports) == {"b": "altered_report"}


def test_a_missing_report_is_named_once() -> None:
    """However many name it."""
    assert chain(("c", "3", {"a": "1"}), ("b", "2", {"a": "1"})) == {"a": "missing_report"}
    assert chain(("c", "3", {"a": "1"}), problems=("c",)) == {"a": "missing_report", "c": "altered_report"}


def test_a_circle_comes_to_an_end() -> None:
    """Only a forger can make one."""
    assert set(chain(("b", "2", {"a": "1"}), ("a", "1", {"b": "X"})).values()) == {"altered_report"}
