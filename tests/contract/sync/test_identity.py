"""Serials and certificate numbers of every kind: distinct keys, no crash, nothing lost (DESIGN.md section 5)."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest

from diploma_archive.sandbox import answer_faults as faults
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


ODD_NUMBERS = [
    1200000.0,
    12.5,
    float("inf"),
    float("-inf"),
    1e22,
    -0.0,
    True,
    False,
    ["A1"],
    {"no": "A1"},
]


def quarantined(world: World) -> tuple[str, dict[str, Any]]:
    """Return the segment of the only file in quarantine, and its note; the bytes are a PDF."""
    file, note = sorted(world.bucket.keys_below("quarantine/"))
    assert world.bucket.body(file).startswith(b"%PDF-")
    assert [file.endswith(".bin"), note.endswith(".json")] == [True, True]
    return file.split("/")[1], world.bucket.document(note)


@pytest.mark.parametrize("number", ODD_NUMBERS, ids=repr)
@pytest.mark.parametrize("field", ["random_certificate_number", "serial"])
def test_a_number_that_is_none_is_quarantined_and_named(world: World, field: str, number: object) -> None:
    """What FrontCore meant is not known any more: the bytes are kept, all is said in the note, nothing is archived."""
    world.sandbox.overrides[12345] = {field: number}
    for _ in range(2):
        done = world.command("sync", "--participant", "987654", "--json")
        assert (done.returncode, json.loads(done.stdout)["quarantined"]) == (1, 1), done.stderr
        assert field in done.stdout
    segment, note = quarantined(world)
    assert segment == "d-12345"
    assert not world.bucket.evidence()
    said = note["diploma"]
    assert (said["user"]["id"], said["course"]["title"]) == (
        note["user_id"],
        world.sandbox.diplomas[12345].course["title"],
    )
    assert "token=" not in json.dumps(note)


def test_two_persons_under_one_odd_number_do_not_collide(world: World) -> None:
    """A float that two persons have puts neither in the other's place."""
    for diploma_id in (12345, 500001):
        world.sandbox.overrides[diploma_id] = {"random_certificate_number": 1200000.0}
    assert world.counts() == {"archived": 4, "quarantined": 2}
    segments = {key.split("/")[1] for key in world.bucket.keys_below("quarantine/")}
    assert segments == {"d-12345", "d-500001"}


@pytest.mark.parametrize("odd", [1.5, 2.0**53, float("inf"), -1.0], ids=repr)
@pytest.mark.parametrize("number", ["ABC123456", 1.5], ids=["good number", "odd number"])
def test_an_id_that_is_none_gives_the_same_name_each_night(world: World, odd: float, number: object) -> None:
    """A row without an id is kept under a name made of what came, and another row under another."""
    world.sandbox.overrides[12345] = {"id": odd, "random_certificate_number": number}
    for _ in range(2):
        assert world.counts(participants="987654") == {"quarantined": 1}
    segment, note = quarantined(world)
    assert re.fullmatch(r"d-h[0-9a-f]{32}", segment)
    assert (note["diploma_id"], note["diploma"]["diploma_id"]) == (None, None)


@pytest.mark.parametrize("missing", [None, "", "no id", 0])
def test_an_odd_number_beside_no_id_is_kept_too(world: World, missing: object) -> None:
    """Whatever is wrong with the id, the bytes beside an odd number are not lost."""
    world.sandbox.overrides[12345] = {"id": missing, "serial": 1.5}
    assert world.counts(participants="987654") == {"quarantined": 1}
    assert quarantined(world)[0].startswith("d-h")


@pytest.mark.parametrize("plain", [12345.0, "12345", " 12345 "])
def test_an_id_that_is_plainly_whole_is_that_id(world: World, plain: object) -> None:
    """Marks of erased persons and archived diplomas go on matching."""
    world.run(participants="987654")
    world.sandbox.overrides[12345] = {"id": plain}
    assert world.counts(participants="987654") == {"unchanged": 1}


def test_an_integer_is_a_number(world: World) -> None:
    """A certificate number or serial that comes as an integer is its digits."""
    world.sandbox.overrides[12345] = {"random_certificate_number": 10**25, "serial": 7}
    assert world.counts(participants="987654") == {"archived": 1}
    (record,) = world.bucket.records(12345)
    assert (record["certificate_number"], record["serial"]) == (str(10**25), "7")


@pytest.mark.parametrize("status", ["issued", "withdrawn"])
def test_what_lies_archived_under_an_odd_number_stays(world: World, status: str) -> None:
    """An earlier version wrote a float as its text: good in verify, unchanged in the same revision, never twice."""
    deleted_at = None if status == "issued" else "2024-03-01 10:00:00"
    world.sandbox.overrides[12345] = {"random_certificate_number": "1200000.0", "deleted_at": deleted_at}
    world.run()
    world.sandbox.overrides[12345] = {"random_certificate_number": 12e5, "deleted_at": deleted_at}
    assert world.counts() == {"unchanged": 6}
    assert world.counts(force=True).get("quarantined", 0) == 0
    done = world.command("verify", "--json")
    assert done.returncode == 0, done.stdout
    (note,) = json.loads(done.stdout)["notes"]
    assert (note["class"], "c-1200000.0" in note["key"]) == ("odd_number", True)
    assert world.command("reconcile", "--json").returncode == 0
    world.sandbox.overrides[12345]["passed_note"] = "changed"
    assert world.counts() == {"unchanged": 5, "quarantined": 1}
    assert world.command("reconcile", "--json").returncode == 1


@pytest.mark.parametrize("invisible", ["\u200b", "\u2060\ufeff", "\u00ad", "\u3164", "\u2800 ", "\u115f\ufe0f", "\x00"])
def test_a_number_that_nobody_can_see_is_none(world: World, invisible: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invisible characters alone are blank; what an earlier version archived under them stays as it is."""
    with monkeypatch.context() as earlier:
        earlier.setattr("diploma_archive.model.keys.is_blank", lambda text: text is None or not text.strip())
        assert only_diploma(world, random_certificate_number=invisible, serial=invisible).split("/")[2][:2] == "c-"
    assert world.counts(participants="987654") == {"unchanged": 1}
    verified, compared = world.command("verify", "--json"), world.command("reconcile", "--json")
    assert (verified.returncode, compared.returncode) == (0, 0), verified.stdout + compared.stdout
    assert [note["class"] for note in json.loads(verified.stdout)["notes"]] == ["odd_number"]
    assert world.command("rebuild-index", "--json").returncode == 0
    world.sandbox.diplomas[12345].passed_note = "another revision"
    assert world.counts(participants="987654") == {"archived": 1}
    assert [key.split("/")[1:3] for key in world.bucket.keys_below("diplomas/no-serial/d-12345/")]
    assert world.command("verify", "--full").returncode == 0


def test_a_withdrawn_diploma_with_an_odd_number_is_kept_without_a_file(world: World) -> None:
    """There is no file any more: what FrontCore says of it is kept, once."""
    world.sandbox.overrides[12345] = {"serial": 1.5, "deleted_at": "2024-03-01 10:00:00"}
    for _ in range(2):
        assert world.counts(participants="987654") == {"quarantined": 1}
    assert len(world.bucket.keys_below("quarantine/d-12345/")) == 2
    assert world.command("verify", "--full").returncode == 0


def test_the_note_holds_no_omitted_field(world: World) -> None:
    """What a setting leaves out of records is left out of notes."""
    world.settings["omit_fields"] = ("user", "course.title")
    world.sandbox.overrides[12345] = {"serial": 1.5}
    world.run(participants="987654")
    said = quarantined(world)[1]
    assert (said["user_id"], said["diploma"]["user"]) == (None, None)
    assert "title" not in said["diploma"]["course"]


def test_a_dry_run_names_it_and_writes_nothing(world: World) -> None:
    """A dry run says what a run would do."""
    world.sandbox.overrides[12345] = {"serial": 1.5}
    assert world.counts(participants="987654", dry_run=True) == {"quarantined": 1}
    assert not world.bucket.keys_below()


def test_an_error_page_of_a_diploma_with_an_odd_number_is_no_evidence(world: World) -> None:
    """What is no file is not kept as one: failed, and tried again; a file that is odd as well is kept."""
    world.sandbox.overrides[12345] = {"serial": 1.5}
    world.sandbox.fault("download", faults.HtmlLogin(), id=12345)
    assert world.counts(participants="987654") == {"failed": 1}
    assert not world.bucket.keys_below("quarantine/")
    world.sandbox.clear_faults()
    world.sandbox.diplomas[12345].pdf = b"%PDF-1.4 nothing that opens %%EOF"
    assert world.counts(participants="987654") == {"quarantined": 1}
    (note,) = [key for key in world.bucket.keys_below("quarantine/") if key.endswith(".json")]
    reason = world.bucket.document(note)["reason"]
    assert "serial came as no number" in reason
    assert "cannot be opened" in reason
