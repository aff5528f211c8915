"""Suppression marks: stable, keyed, and naming nobody."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr, ValidationError

from diploma_archive.model.suppression_mark import MarkMaker, Suppressions, Whom
from diploma_archive.settings.archive import ArchiveSettings

KEY = "0123456789abcdef0123456789abcdef"
MAKER = MarkMaker(SecretStr(KEY))


def test_a_mark_is_the_same_for_ever() -> None:
    """HMAC-SHA256 over `user:5`: another version of this program must find the marks of this one."""
    assert MAKER.mark(Whom(user_id=5)) == "1d53bb39b845b14e316030e13dda89463bb81a3e8b72c1b9717b2cd5759cc783"


def test_persons_and_certificates_do_not_fall_together() -> None:
    """Person 5 and certificate 5 have different marks, and another key gives other marks."""
    other = MarkMaker(SecretStr(KEY[::-1]))
    marks = {
        maker.mark(whom)
        for maker in (MAKER, other)
        for whom in (Whom(user_id=5), Whom(certificate="5"), Whom(certificate="c-5"))
    }
    assert len(marks) == 6
    assert MAKER.key_check != other.key_check


def test_a_mark_holds_nothing_about_anybody() -> None:
    """Its document is the same for everybody, and neither it nor a repr shows the key."""
    document = MAKER.document(datetime(2026, 3, 1, tzinfo=UTC))
    assert set(document) == {"format", "key_check", "made_at", "tool"}
    assert KEY not in repr(MAKER) + repr(Suppressions(MAKER)) + str(document)


@pytest.mark.parametrize(
    ("user_id", "certificate", "covered"),
    [(5, "c-A", True), (6, "c-B", True), (6, "c-A", False), (None, "c-A", False), (None, "c-B", True)],
)
def test_a_diploma_is_covered_by_person_or_certificate(user_id: int | None, certificate: str, covered: bool) -> None:
    """Either mark is enough; a diploma without a person is asked for by its certificate."""
    marks = frozenset({MAKER.mark(Whom(user_id=5)), MAKER.mark(Whom(certificate="c-B"))})
    assert Suppressions(MAKER, marks).covers(user_id, certificate) is covered
    assert Suppressions(MAKER).covers(user_id, certificate) is False
    assert Suppressions().covers(user_id, certificate) is False


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"suppression_key": "short"}, "at least 32"),
        ({"object_lock_mode": "goverance", "retain_years": 5}, "governance or compliance"),
        ({"object_lock_mode": "governance"}, "retain_years: is missing"),
        ({"retain_years": 5}, "object_lock_mode: is missing"),
        ({"object_lock_mode": "governance", "retain_years": 0}, "from 1 to 100"),
        ({"object_lock_mode": "governance", "retain_years": 101}, "from 1 to 100"),
        ({"object_lock_mode": "compliance", "retain_years": 5}, "object_lock_compliance_confirmed: must be yes"),
    ],
    ids=str,
)
def test_wrong_settings_are_refused(values: dict[str, object], named: str) -> None:
    """Half a setting never means half a protection."""
    with pytest.raises(ValidationError, match=named):
        ArchiveSettings(bucket="acme", **values)


@pytest.mark.parametrize("blank", ["", "  ", None])
def test_blank_is_no_key(blank: str | None) -> None:
    """A variable that was left blank is one that is missing."""
    assert ArchiveSettings(bucket="acme", suppression_key=blank).suppression_key is None
    assert ArchiveSettings(bucket="acme", object_lock_mode=blank or "none").object_lock_mode is None


def test_compliance_needs_the_second_switch_and_takes_it() -> None:
    """With the switch the mode is taken as it is meant."""
    settings = ArchiveSettings(
        bucket="acme", object_lock_mode="COMPLIANCE", retain_years=7, object_lock_compliance_confirmed="yes"
    )
    assert (settings.object_lock_mode, settings.retain_years) == ("compliance", 7)
