"""Serials and certificate numbers of every kind: distinct keys, no crash, nothing lost (DESIGN.md section 5)."""

from __future__ import annotations

import logging

import pytest

from tests.support.world import World

LONE_SURROGATE = "A\ud800B"


def only_diploma(world: World, **attributes: object) -> str:
    """Leave one diploma in the school, change it, archive it, and return the key of its record."""
    for diploma_id in [known for known in world.sandbox.diplomas if known != 12345]:
        del world.sandbox.diplomas[diploma_id]
    for name, value in attributes.items():
        setattr(world.sandbox.diplomas[12345], name, value)
    assert world.counts(participants="987654") == {"archived": 1}
    (key,) = [key for key in world.bucket.keys_below("diplomas/") if key.endswith(".json")]
    return key


@pytest.mark.parametrize(
    ("serial", "segment"),
    [
        ("2024-SAFE-001", "s-2024-SAFE-001"),
        ("../../x", "s-_2E._2F.._2Fx"),
        ("a/b%2Fc_d", "s-a_2Fb_252Fc_5Fd"),
        ("N\u00c5", "s-N_C3_85"),
        ("NA\u030a", "s-N_C3_85"),
        (LONE_SURROGATE, "s-A_ED_A0_80B"),
        ("line\nbreak", "s-line_0Abreak"),
        ("no-serial", "s-no-serial"),
        (None, "no-serial"),
        ("", "no-serial"),
        (" \t\u00a0", "no-serial"),
    ],
)
def test_any_serial_has_its_place(world: World, serial: str | None, segment: str) -> None:
    """A person finds a serial in the console, and no serial leaves its place."""
    assert only_diploma(world, serial=serial).split("/")[1:3] == [segment, "c-ABC123456"]
    assert world.bucket.records(12345)[0]["serial"] == serial
    assert world.counts(participants="987654") == {"unchanged": 1}


def test_a_serial_of_1500_characters_fits_into_a_key(world: World) -> None:
    """Over-long serials end in a hash, so that the key stays within S3's 1,024 bytes."""
    segment = only_diploma(world, serial="x" * 1500).split("/")[1]
    assert segment.startswith("s-" + "x" * 86 + "_h")
    assert len(segment) == 122


@pytest.mark.parametrize("number", [None, "", "   "])
def test_without_a_certificate_number_the_diploma_id_names_the_folder(world: World, number: str | None) -> None:
    """A diploma without a certificate number is archived under its own id."""
    assert only_diploma(world, random_certificate_number=number).split("/")[2] == "d-12345"
    assert world.bucket.records(12345)[0]["certificate_number"] == number


def test_a_certificate_number_like_a_diploma_id_is_another_place(world: World) -> None:
    """`d-12345` as a certificate number does not fall together with diploma 12345 without one."""
    assert only_diploma(world, random_certificate_number="d-12345").split("/")[2] == "c-d-12345"


def test_a_shared_serial_keeps_both_and_warns_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Two certificates under one serial are both kept; one warning names the diplomas, no person."""
    for diploma_id in (500001, 500002, 500003):
        world.sandbox.diplomas[diploma_id].serial = "SHARED-1"
    with caplog.at_level(logging.WARNING, "diploma_archive"):
        assert world.counts() == {"archived": 6}
    assert len([key for key in world.bucket.keys_below("diplomas/s-SHARED-1/") if key.endswith(".pdf")]) == 3
    warnings = [record.getMessage() for record in caplog.records if "share a serial" in record.getMessage()]
    assert len(warnings) == 1


def test_a_shared_certificate_number_is_a_conflict_and_both_are_kept(world: World) -> None:
    """The idempotency key names two diplomas: both are archived, the run is not green, the record names the other."""
    world.sandbox.diplomas[500001].random_certificate_number = "ABC123456"
    run = world.run()
    assert not run.tally.is_green
    assert run.tally.as_counts()["conflict"] == 1
    conflicts = [record["conflict"] for record in world.bucket.records() if record["conflict"]]
    assert conflicts in ([[12345]], [[500001]])
    assert len(world.bucket.keys_below("certificates/c-ABC123456/")) == 2
    assert world.counts() == {"unchanged": 6}


def test_unicode_twins_of_a_certificate_number_are_a_conflict(world: World) -> None:
    """What looks the same to a person (NFC and NFD) is the same certificate number."""
    world.sandbox.diplomas[500001].random_certificate_number = "CERT-\u00c5"
    world.sandbox.diplomas[500002].random_certificate_number = "CERT-A\u030a"
    assert world.counts() == {"archived": 5, "conflict": 1}


def test_case_twins_are_two_certificates(world: World) -> None:
    """Upper and lower case are different numbers with different keys."""
    world.sandbox.diplomas[500001].random_certificate_number = "abc123456"
    assert world.counts() == {"archived": 6}


def test_odd_types_from_php_are_the_same_diploma(world: World) -> None:
    """Ids as text, flags as 0/1 and `[]` for an empty object change nothing that was archived."""
    world.run()
    world.sandbox.overrides[12345] = {
        "id": "12345",
        "participant_id": "987654",
        "is_passed": "1",
        "is_completed": 1,
        "is_participated": "true",
    }
    assert world.counts() == {"unchanged": 6}


def test_one_bad_item_fails_alone(world: World) -> None:
    """A diploma that cannot be read fails by field name, and its neighbours are archived."""
    world.sandbox.overrides[12345] = {"is_passed": "CANARY-VALUE"}
    run = world.run()
    assert run.tally.as_counts()["failed"] == 1
    assert run.tally.as_counts()["archived"] == 5
    (failure,) = run.tally.failures
    assert failure["diploma_id"] == 12345
    assert failure["participant_id"] == 987654
    assert "is_passed" in failure["error"]
    assert "CANARY" not in failure["error"]


def test_omitted_fields_and_undocumented_fields_never_enter(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Data protection: neither what a setting leaves out nor what nobody documented enters; its names are logged."""
    world.settings["omit_fields"] = ("user.national_identification_number", "user.email", "coursedate.location.address")
    world.sandbox.overrides[12345] = {
        "shoe_size": "CANARY-SHOE",
        "user": {"id": 1, "email": "canary@example.com", "pet": 1},
    }
    with caplog.at_level(logging.WARNING, "diploma_archive"):
        world.run(participants="987654")
    everything = b"".join(world.bucket.evidence().values())
    assert b"CANARY" not in everything
    assert b"canary@example.com" not in everything
    assert b"Example Street" not in everything
    named = [record.getMessage() for record in caplog.records if "undocumented" in record.getMessage()]
    assert len(named) == 1
    assert "shoe_size" in named[0]
    assert "user.pet" in named[0]
    assert "CANARY" not in named[0]
