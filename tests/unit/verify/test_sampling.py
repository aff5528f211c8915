"""Which part of the archive is checked: samples that cover everything, and what a person typed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from diploma_archive.errors import SettingsError
from diploma_archive.verify.sampling import group_of, one_certificate, sample


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
