"""Findings and the pure parts of the check: classes with advice, samples, the judgement of a chain."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from diploma_archive.archive.verification.chain_check import judge_chain
from diploma_archive.archive.verification.choice import group_of, one_certificate, sample
from diploma_archive.archive.verification.findings import ADVICE, TITLES, Finding, FindingClass
from diploma_archive.archive.verification.rendering import printable
from diploma_archive.archive.verification.report_check import ReportFacts
from diploma_archive.archive.verification.unit import segment_of
from diploma_archive.errors import SettingsError


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


@pytest.mark.parametrize("share", ["2%", "3%", "30%", "100%", "0.5%", " 2 % "])
def test_the_days_of_a_rota_cover_every_certificate_once(share: str) -> None:
    """So many days in a row, whichever is the first, check everything, and nothing twice."""
    groups = sample(share, date(2026, 1, 1)).one_in
    assert groups >= 100 / float(share.strip(" %")) - 1
    days = {sample(share, date(2026, 1, 1) + timedelta(day)).group for day in range(groups)}
    assert days == set(range(groups))


def test_a_certificate_keeps_its_group() -> None:
    """The rota is the same on every machine and in every version: its groups are written down here."""
    assert [group_of(name, 50) for name in ("c-ABC123456", "d-12345")] == [19, 6]


@pytest.mark.parametrize("share", ["2", "", "%", "-1%", "0%", "0.001%", "101%", "1e1%", "\N{ARABIC-INDIC DIGIT TWO}%"])
def test_what_is_no_percentage_is_refused(share: str) -> None:
    """A mistyped sample never becomes another one."""
    with pytest.raises(SettingsError, match="percentage"):
        sample(share, date(2026, 1, 1))


def test_a_certificate_by_number_or_segment() -> None:
    """Whoever copies a segment from a key is understood as well."""
    assert one_certificate("ABC123456").certificates == {"c-ABC123456"}
    assert "c-ABC123456" in one_certificate("c-ABC123456").certificates
    assert "d-12345" in one_certificate("d-12345").certificates
    assert one_certificate("A/B ").certificates == {"c-A_2FB_20"}


@pytest.mark.parametrize(
    ("key", "segment"),
    [
        ("diplomas/s-1/c-2/x.pdf", "c-2"),
        ("certificates/c-2/1.json", "c-2"),
        ("quarantine/c-2/1.bin", "c-2"),
        ("diplomas/s-1/c-2", None),
        ("diplomas/s-1/c-2/x/y", None),
        ("certificates/c-2", None),
        ("runs/2026/01/01/x.json", None),
        ("archive.json", None),
        ("", None),
    ],
)
def test_the_segment_of_a_key(key: str, segment: str | None) -> None:
    """What lies deeper or higher than it should belongs to no certificate."""
    assert segment_of(key) == segment


def test_what_cannot_be_printed_is_escaped() -> None:
    """A key never writes to the terminal."""
    assert printable("diplomas/\N{LATIN SMALL LETTER AE}") == "diplomas/\N{LATIN SMALL LETTER AE}"
    assert printable("a\x1b[31m\n\N{RIGHT-TO-LEFT OVERRIDE}").isprintable()


def key(name: str) -> str:
    return f"runs/2026/01/01/20260101T000000Z-{name}.json"


def chain(*reports: tuple[str, str, dict[str, str]], problems: tuple[str, ...] = ()) -> dict[str, str]:
    """Judge reports given as (name, own hash, {named: hash}); return name -> class."""
    facts = {
        key(name): ReportFacts(
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
