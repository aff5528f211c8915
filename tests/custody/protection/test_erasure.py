"""`erase`: everything of one person or certificate goes, in all versions, and nothing is claimed that is not gone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from diploma_archive.archive.erasure_receipts import Reason
from diploma_archive.archive.open_archive import open_eraser
from diploma_archive.errors import StoreError
from diploma_archive.model.suppression_mark import Whom
from diploma_archive.protection.erasure import erase as erasing
from diploma_archive.sandbox import LocalS3, Sandbox
from diploma_archive.settings.archive import S3Access
from diploma_archive.store import s3_client
from tests.support.erasing import (
    CANARY,
    ERASER,
    SUPPRESSION_KEY,
    USER,
    all_versions,
    diplomas_of,
    erase,
    key_hash,
    locked_bucket,
    plant_person,
    run_erase,
    where_is,
)
from tests.support.odd_pdfs import GOOD
from tests.support.s3_proxy import CutAnswer, Reset, S3Proxy
from tests.support.world import PREFIX, World, new_bucket

ODD_PDF = b"%PDF-1.4\n" + f"{CANARY} not really a PDF ".encode() * 20 + b"\n%%EOF\n"
EVIDENCE = ("diplomas/", "certificates/", "quarantine/")


def receipts(world: World) -> list[dict[str, Any]]:
    return [world.bucket.document(key) for key in world.bucket.keys_below("erasures/")]


def rich_person(world: World) -> set[str]:
    """Give a person every kind of past: re-issued, withdrawn, quarantined, damaged, hidden; return their records."""
    plant_person(world)
    while len(diplomas_of(world)) < 4:
        world.sandbox.add_diploma(world.sandbox.add_participant(USER)["id"])
    first, second, third, fourth = sorted(diplomas_of(world))[:4]
    world.run()
    world.sandbox.reissue(first, "2026-03-01 10:00:00", passed_note="corrected")
    world.sandbox.reissue(second, "2026-03-02 10:00:00", deleted_at="2026-03-02 10:00:00")
    world.sandbox.reissue(third, "2026-03-03 10:00:00", random_certificate_number="NEW-NUMBER-1")
    new = world.sandbox.add_participant(USER)
    world.sandbox.add_diploma(new["id"], pdf=ODD_PDF, random_certificate_number="ODD-1")
    assert world.run().tally.counts["quarantined"] == 1
    mine = [record for record in world.bucket.records() if record["user"]["id"] == USER]
    keys = {
        key
        for key in world.bucket.keys_below("diplomas/")
        if key.endswith(".json") and world.bucket.document(key)["user"]["id"] == USER
    }
    assert len(keys) == len(mine) > 5
    # One record overwritten with damage; one diploma hidden behind delete markers, record, file and entry.
    (damaged,) = [key for key in keys if world.bucket.document(key)["status"] == "withdrawn"]
    (hidden,) = world.bucket.records(fourth)
    world.bucket.put(damaged, b"{not json")
    place = hidden["file"]["key"].rpartition("/")[0]
    for below in (f"{place}/", f"certificates/{place.rpartition('/')[2]}/"):
        for key in world.bucket.keys_below(below):
            world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"{PREFIX}/{key}")
    return keys


def test_nothing_of_the_person_is_left_in_any_version(world: World) -> None:
    """Re-issued, withdrawn, renumbered, quarantined, damaged, hidden: all versions go; everybody else keeps theirs."""
    records = rich_person(world)
    before = all_versions(world.bucket)
    mine = where_is(world.bucket, CANARY)
    assert {key.partition("/")[0] for key in mine} == {"diplomas", "quarantine"}
    code, answer, stderr = erase(world, "--user", str(USER), "--confirm")
    assert (code, answer["complete"], answer["locked"], answer["unclear"]) == (0, True, [], []), answer
    assert where_is(world.bucket, CANARY) == set()
    ids = "|".join(map(str, diplomas_of(world)))
    evidence = {key for key in where_is(world.bucket, rf"\b({ids}|{USER})\b") if key.startswith(EVIDENCE)}
    assert evidence == set()
    (receipt,) = receipts(world)
    assert set(receipt["records"]) == set(map(key_hash, records))
    after = all_versions(world.bucket)
    gone = set(before) - set(after)
    assert (receipt["versions"], receipt["objects"]) == (len(gone), len({key for key, _ in gone}))
    assert all(before[each] == after[each] for each in after if each in before)
    assert CANARY not in stderr


def test_a_dry_run_changes_nothing_and_lists_what_would_go(world: World) -> None:
    """Without --confirm nothing is written and nothing deleted; what it lists is what then goes."""
    plant_person(world)
    world.run()
    before = all_versions(world.bucket)
    code, answer, _ = erase(world, "--user", str(USER))
    assert all_versions(world.bucket) == before
    assert (code, answer["dry_run"], answer["complete"], answer["receipt"]) == (0, True, False, None)
    count = len(diplomas_of(world))
    assert (answer["objects"], answer["versions"], answer["records"]) == (3 * count, 3 * count, count)
    assert erase(world, "--user", str(USER), "--confirm")[0] == 0
    gone = {key for key, _ in before} - {key for key, _ in all_versions(world.bucket)}
    assert gone == {each["key"] for each in answer["keys"]}


def test_the_receipt_and_the_mark_name_nobody(world: World) -> None:
    """Neither holds a name, an id, a certificate number or a serial; the reason is a code."""
    plant_person(world)
    world.run()
    told = [record for record in world.bucket.records() if record["user"]["id"] == USER]
    erase(world, "--user", str(USER), "--confirm", "--reason", "court")
    (receipt_key,) = world.bucket.keys_below("erasures/")
    (mark_key,) = world.bucket.keys_below("suppressed/")
    text = "".join(map(str, (receipt_key, mark_key, world.bucket.body(receipt_key), world.bucket.body(mark_key))))
    for record in told:
        for secret in ("serial", "certificate_number", "diploma_id", "participant_id"):
            assert str(record[secret]) not in text
    assert CANARY not in text
    assert str(USER) not in text
    receipt = world.bucket.document(receipt_key)
    assert (receipt["reason"], receipt["complete"], receipt["locked"]) == ("court", True, {"count": 0, "until": None})
    assert "mark" not in receipt
    assert "left" not in receipt


def test_a_shared_certificate_keeps_what_is_the_others(world: World) -> None:
    """A conflict folder loses one person's record, file and entry, and keeps the other's."""
    plant_person(world)
    mine = diplomas_of(world)[0]
    other = next(each for each in world.sandbox.diplomas if each not in diplomas_of(world))
    for diploma_id in (mine, other):
        world.sandbox.change(diploma_id, {"random_certificate_number": "SHARED-1", "serial": "S-1"})
    world.run()
    theirs = next(record for record in world.bucket.records(other))
    code, answer, _ = erase(world, "--user", str(USER), "--confirm")
    assert (code, answer["unclear"]) == (0, [])
    left = world.bucket.keys_below("diplomas/s-S-1/c-SHARED-1/")
    assert len(left) == 2
    assert theirs["file"]["key"] in left
    assert [key.rpartition("/")[2].split(".")[0] for key in world.bucket.keys_below("certificates/c-SHARED-1/")] == [
        str(other)
    ]
    assert where_is(world.bucket, CANARY) == set()


def test_a_file_that_is_the_others_too_stays_and_is_named(world: World) -> None:
    """One PDF that the records of two persons name is the other's as well."""
    plant_person(world)
    mine, other = diplomas_of(world)[0], next(each for each in world.sandbox.diplomas if each not in diplomas_of(world))
    same = world.sandbox.pdf_of(other)
    for diploma_id in (mine, other):
        world.sandbox.change(diploma_id, {"random_certificate_number": "SHARED-1", "serial": "S-1", "pdf": same})
    world.run()
    (pdf,) = [key for key in world.bucket.keys_below("diplomas/s-S-1/") if key.endswith(".pdf")]
    _, answer, _ = erase(world, "--user", str(USER), "--confirm")
    assert answer["shared"] == [pdf]
    assert pdf in world.bucket.keys_below("diplomas/s-S-1/")
    assert len(world.bucket.keys_below("diplomas/s-S-1/")) == 2


def test_bytes_that_lie_in_quarantine_under_another_certificate_go_too(world: World) -> None:
    """A mixed-up link put the person's file under somebody else's number; it is theirs, wherever it lies."""
    plant_person(world)
    mine, other = diplomas_of(world)[0], next(each for each in world.sandbox.diplomas if each not in diplomas_of(world))
    world.sandbox.diplomas[mine].pdf = world.sandbox.diplomas[other].pdf = GOOD  # no text says whose it is
    world.run(participants=str(world.sandbox.diplomas[mine].participant_id))
    world.run()
    # A later run does not remember the files of the one before; put the bytes where a mixed-up link leaves them.
    (pdf,) = [record["file"]["key"] for record in world.bucket.records(mine)]
    name = pdf.rpartition("/")[2].removesuffix(".pdf")
    world.bucket.put(f"quarantine/c-ELSE/{name}.bin", world.bucket.body(pdf))
    world.bucket.put(f"quarantine/c-ELSE/{name}.json", b'{"diploma_id": 424242, "reason": "?"}')
    code, answer, _ = erase(world, "--user", str(USER), "--confirm")
    assert world.bucket.keys_below("quarantine/c-ELSE/") == []
    # Archived as another person's, its bytes are not taken from them, but they are not passed over either.
    assert (code, [each["key"].rpartition("/")[2] for each in answer["unclear"]]) == (1, [f"{name}.pdf"])


def test_a_certificate_goes_with_all_that_lies_under_it(world: World) -> None:
    """By certificate number: every serial, strangers and quarantine too; the person's other diplomas stay."""
    plant_person(world)
    world.run()
    diploma = world.sandbox.diplomas[diplomas_of(world)[0]]
    number = diploma.random_certificate_number
    world.bucket.put(f"diplomas/s-elsewhere/c-{number}/copy of {CANARY}.pdf", b"x")
    world.bucket.put(f"quarantine/c-{number}/notes.txt", CANARY.encode())
    code, answer, _ = erase(world, "--certificate", number, "--confirm")
    assert (code, answer["complete"], answer["diplomas"]) == (0, True, [diploma.id])
    assert {key for key in where_is(world.bucket, f"c-{number}") if key.startswith(EVIDENCE)} == set()
    others = {record["diploma_id"] for record in world.bucket.records()}
    assert others == set(world.sandbox.diplomas) - {diploma.id}


def test_a_diploma_without_a_number_is_named_by_its_id(world: World) -> None:
    """`--certificate d-12345` is the diploma 12345 without a number; a number that looks like that comes first."""
    world.sandbox.change(12345, {"random_certificate_number": None})
    world.run()
    assert erase(world, "--certificate", "d-12345")[1]["records"] == 1
    world.sandbox.change(500001, {"random_certificate_number": "d-12345"})
    world.run()
    assert erase(world, "--certificate", "d-12345")[1]["diplomas"] == [500001]


def test_a_bucket_without_versions(sandbox: Sandbox, s3: LocalS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are no versions the objects themselves go."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    world = World(sandbox, new_bucket(s3, versioned=False), s3.environment())
    plant_person(world)
    world.run()
    code, answer, _ = erase(world, "--user", str(USER), "--confirm")
    assert (code, answer["complete"]) == (0, True)
    assert where_is(world.bucket, CANARY) == set()


@pytest.mark.parametrize("kind", ["GOVERNANCE", "COMPLIANCE", "hold"])
def test_a_locked_object_is_a_partial_result(
    sandbox: Sandbox, s3: LocalS3, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What is locked is named with its date, the rest goes, nothing is claimed; later the same command finishes it."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    world = World(sandbox, locked_bucket(s3), s3.environment())
    plant_person(world)
    world.run()
    mine = [record for record in world.bucket.records() if record["user"]["id"] == USER]
    where = {"Bucket": world.bucket.name, "Key": f"{PREFIX}/{mine[0]['file']['key']}"}
    if kind == "hold":
        world.bucket.client.put_object_legal_hold(**where, LegalHold={"Status": "ON"})
    else:
        until = datetime.now(UTC) + timedelta(days=30)
        world.bucket.client.put_object_retention(**where, Retention={"Mode": kind, "RetainUntilDate": until})
    code, answer, _ = erase(world, "--user", str(USER))
    assert (code, len(answer["locked"])) == (1, 1)
    code, answer, _ = erase(world, "--user", str(USER), "--confirm")
    assert (code, answer["complete"]) == (1, False)
    (locked,) = answer["locked"]
    assert locked["key"] == mine[0]["file"]["key"]
    assert locked["reason"] == ("legal hold" if kind == "hold" else kind.lower())
    assert bool(locked["until"]) is (kind != "hold")
    assert world.bucket.keys_below("diplomas/").count(locked["key"]) == 1
    (receipt,) = receipts(world)
    assert (receipt["complete"], receipt["locked"]["count"]) == (False, 1)
    assert len(receipt["records"]) == len(mine)
    assert receipt["objects"] == 3 * len(mine) - 1
    # No record says any more whose the file is; the receipt does, to who has the key.
    if kind == "hold":
        world.bucket.client.put_object_legal_hold(**where, LegalHold={"Status": "OFF"})
    elif kind == "GOVERNANCE":
        world.bucket.client.put_object_retention(
            **where, Retention={"Mode": kind, "RetainUntilDate": "2020-01-01T00:00:00Z"}, BypassGovernanceRetention=True
        )
    else:
        return  # under compliance nobody can take the lock away
    code, answer, _ = erase(world, "--user", str(USER), "--confirm")
    assert (code, answer["complete"]) == (0, True), answer
    assert where_is(world.bucket, CANARY) == set()
    (receipt,) = receipts(world)
    assert (receipt["complete"], receipt["objects"]) == (True, 3 * len(mine))
    assert len(receipt["records"]) == len(mine)


def test_erasing_twice_is_free_and_leaves_one_receipt(world: World) -> None:
    """The second time there is nothing, which is no failure and needs no second receipt."""
    plant_person(world)
    world.run()
    assert erase(world, "--user", str(USER), "--confirm")[0] == 0
    before = all_versions(world.bucket)
    code, answer, _ = erase(world, "--user", str(USER), "--confirm")
    assert (code, answer["complete"], answer["objects"], answer["was_suppressed"]) == (0, True, 0, True)
    assert all_versions(world.bucket) == before


@pytest.mark.parametrize(
    ("method", "key", "skip"),
    [
        ("PUT", "suppressed/", 0),
        ("PUT", "erasures/", 0),
        ("DELETE", "diplomas/", 0),
        ("DELETE", "diplomas/.*[.]json", 0),
        ("DELETE", "diplomas/.*[.]json", 1),
        ("DELETE", "certificates/", 1),
        ("PUT", "erasures/", 1),
        ("DELETE", "erasures/", 0),
    ],
)
@pytest.mark.parametrize("fault", [Reset(), CutAnswer()], ids=["not done", "done and lost"])
def test_a_crash_in_between_is_finished_by_the_same_command(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str, key: str, skip: int, fault: Any
) -> None:
    """However far it came: the second try erases the rest, and its receipt has the records of both."""
    plant_person(world)
    world.sandbox.add_diploma(world.sandbox.add_participant(USER)["id"])
    world.run()
    records = [record for record in world.bucket.records() if record["user"]["id"] == USER]
    monkeypatch.setattr(s3_client, "PATIENT", {**s3_client.PATIENT, "retries": {"total_max_attempts": 1}})
    with S3Proxy(world.s3_environment["AWS_ENDPOINT_URL_S3"]) as proxy:
        proxy.fault(fault, method=method, key=key, skip=skip)
        access = S3Access(proxy.endpoint_url, "us-east-1", SecretStr("sandbox"), SecretStr("sandbox-secret"))
        settings = world.as_settings().archive
        with pytest.raises(StoreError), open_eraser(settings, access) as eraser:
            erasing(eraser, Whom(user_id=USER), SecretStr(SUPPRESSION_KEY), Reason.REQUEST, confirmed=True, workers=3)
    code, answer, stderr = erase(world, "--user", str(USER), "--confirm")
    assert (code, answer["complete"]) == (0, True), stderr
    assert where_is(world.bucket, CANARY) == set()
    (receipt,) = [receipt for receipt in receipts(world) if receipt["complete"]]
    assert len(receipt["records"]) == len(records)
    assert receipt["objects"] == 3 * len(records)
    assert len(world.bucket.keys_below("suppressed/")) == 1


def test_an_unreadable_record_is_named_and_never_guessed(world: World) -> None:
    """A record that is damaged in every version may be theirs: exit code 1, and it stays."""
    plant_person(world)
    world.run()
    other = next(each for each in world.sandbox.diplomas if each not in diplomas_of(world))
    (entry,) = [key for key in world.bucket.keys_below("certificates/") if f"/{other}." in key]
    key = world.bucket.document(entry)["record"]
    versions = world.bucket.client.list_object_versions(Bucket=world.bucket.name, Prefix=f"{PREFIX}/{key}")["Versions"]
    for version in versions:
        world.bucket.client.delete_object(
            Bucket=world.bucket.name, Key=f"{PREFIX}/{key}", VersionId=version["VersionId"]
        )
    world.bucket.put(key, b"\xff\xfe damaged")
    code, answer, _ = erase(world, "--user", str(USER), "--confirm")
    assert (code, answer["complete"]) == (1, True)
    assert key in [each["key"] for each in answer["unclear"]]
    assert key in world.bucket.keys_below("diplomas/")
    assert where_is(world.bucket, CANARY) == set()


def test_where_user_ids_are_left_out_nobody_is_guessed(world: World) -> None:
    """With ARCHIVE_OMIT_FIELDS=user.id no record says whose it is: nothing goes by person, and that is said."""
    world.settings["omit_fields"] = ("user.id",)
    world.run()
    before = set(world.bucket.evidence())
    code, answer, _ = erase(world, "--user", str(USER), "--confirm")
    assert (code, answer["objects"]) == (1, 0)
    assert len(answer["unclear"]) >= len(world.sandbox.diplomas)
    assert "ARCHIVE_OMIT_FIELDS" in answer["unclear"][0]["reason"]
    assert set(world.bucket.evidence()) == before


def test_a_quarantined_diploma_that_was_never_archived_is_found(world: World) -> None:
    """The note says whose the bytes are, so that somebody who has nothing else is found too."""
    plant_person(world)
    for diploma_id in diplomas_of(world):
        world.sandbox.diplomas[diploma_id].pdf = ODD_PDF.replace(b"1.4", b"1." + str(diploma_id % 10).encode())
    world.run()
    assert [record for record in world.bucket.records() if record["user"]["id"] == USER] == []
    assert where_is(world.bucket, CANARY)
    code, _, _ = erase(world, "--user", str(USER), "--confirm")
    assert code == 0
    assert where_is(world.bucket, CANARY) == set()


def test_a_note_of_an_older_version_is_matched_by_its_diploma_or_named(world: World) -> None:
    """Notes without a person are theirs by diploma or participant; one that fits nobody known is named."""
    plant_person(world)
    world.run()
    diploma = world.sandbox.diplomas[diplomas_of(world)[0]]
    for number, note in enumerate(
        ({"diploma_id": diploma.id}, {"diploma_id": 99, "participant_id": diploma.participant_id}, {"diploma_id": 98})
    ):
        world.bucket.put(f"quarantine/c-OLD/{number:064x}.bin", b"old")
        world.bucket.put(f"quarantine/c-OLD/{number:064x}.json", json.dumps(note).encode())
    code, answer, _ = erase(world, "--user", str(USER), "--confirm")
    left = [f"quarantine/c-OLD/{2:064x}.bin", f"quarantine/c-OLD/{2:064x}.json"]
    assert (code, world.bucket.keys_below("quarantine/")) == (1, left)
    assert [each["key"] for each in answer["unclear"]] == left


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        (("--user", "5"), {"ERASURE_AWS_ACCESS_KEY_ID": ""}, "ERASURE_AWS_ACCESS_KEY_ID"),
        (("--user", "5"), {"ERASURE_AWS_SECRET_ACCESS_KEY": ""}, "ERASURE_AWS_PROFILE"),
        (("--user", "5"), {"ERASURE_AWS_PROFILE": "eraser"}, "exclude each other"),
        (("--user", "5"), {"ARCHIVE_SUPPRESSION_KEY": ""}, "secrets.token_urlsafe(48)"),
        (("--user", "5"), {"ARCHIVE_SUPPRESSION_KEY": "too-short"}, "at least 32 characters"),
        ((), {}, "--user or --certificate"),
        (("--user", "5", "--certificate", "C"), {}, "--user or --certificate"),
        (("--user", "0"), {}, "--user"),
        (("--user", "x"), {}, "--user"),
        (("--certificate", " "), {}, "--certificate"),
        (("--user", "5", "--reason", "because Kari asked"), {}, "--reason"),
    ],
    ids=str,
)
def test_wrong_usage_is_exit_code_2_and_named(
    world: World, arguments: tuple[str, ...], environment: dict[str, str], named: str
) -> None:
    """Without its own credentials, a key and one choice nothing is looked at; the sentence says what is missing."""
    done = run_erase(world, *arguments, "--confirm", "--json", **environment)
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, answer["kind"]) == (2, "usage"), done.stderr
    assert named in answer["error"]
    assert "Traceback" not in done.stderr
    assert SUPPRESSION_KEY not in done.stdout + done.stderr
    assert world.bucket.keys_below() == []


def test_the_credentials_may_be_a_profile(world: World, tmp_path: Any) -> None:
    """ERASURE_AWS_PROFILE names one in the AWS files; the run's own variables do not come before it."""
    world.run()
    (tmp_path / "credentials").write_text("[eraser]\naws_access_key_id = a\naws_secret_access_key = b\n")
    environment = {**dict.fromkeys(ERASER, ""), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    assert erase(world, "--user", str(USER), ERASURE_AWS_PROFILE="eraser", **environment)[0] == 0
    code, answer, _ = erase(world, "--user", str(USER), ERASURE_AWS_PROFILE="nobody", **environment)
    assert (code, answer["kind"]) == (3, "fatal")


def test_where_there_is_no_archive_that_is_said(world: World) -> None:
    """A misspelt prefix does not look like a person of whom nothing is held."""
    code, answer, _ = erase(world, "--user", "5", "--confirm")
    assert (code, answer["kind"]) == (3, "fatal")
    assert world.bucket.keys_below() == []


def test_people_read_what_happened(world: World) -> None:
    """The text names keys, counts, receipt and what to do, and no person."""
    plant_person(world)
    world.run()
    done = run_erase(world, "--user", str(USER))
    assert "Dry run, nothing was changed." in done.stdout
    assert "--confirm" in done.stdout
    done = run_erase(world, "--user", str(USER), "--confirm")
    assert done.stdout.rstrip().endswith("Complete.")
    assert "erasures/" in done.stdout
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.long
def test_a_school_of_more_than_a_page_of_objects(s3: LocalS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listings of more than 1,000 versions are read to the end."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    with Sandbox(participants=8, persons=4, seed=7, requests_per_second=None) as sandbox:
        world = World(sandbox, new_bucket(s3), s3.environment())
        plant_person(world)
        world.run()
        record = next(record for record in world.bucket.records() if record["user"]["id"] == USER)
        body = json.dumps(record).encode()
        for number in range(1100):
            world.bucket.put(f"diplomas/s-{number:04}/c-{number:04}/{number:016x}.json", body)
        code, answer, _ = erase(world, "--user", str(USER), "--confirm")
        assert (code, answer["complete"]) == (0, True)
        assert answer["records"] == 1100 + len(diplomas_of(world))
        assert where_is(world.bucket, CANARY) == set()
