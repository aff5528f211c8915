"""What run reports say of archive.json, marks, receipts, quarantine and cursors is held against what is there."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from diploma_archive.sandbox import answer_faults as faults
from tests.support.erasing import SUPPRESSION_KEY, USER, diplomas_of, erase, plant_person
from tests.support.verifying import archive_small_school, delete
from tests.support.world import World

MADE_UP = "0" * 64


@pytest.fixture
def archived(world: World) -> World:
    """The small school, archived in two runs."""
    return archive_small_school(world)


@pytest.fixture
def erased(world: World) -> World:
    """The small school of which a person was erased, with one run since."""
    plant_person(world)
    sync(world, "--all")
    assert erase(world, "--user", str(USER), "--confirm")[0] == 0
    assert sync(world, "--all")[0] == 0
    return world


def sync(world: World, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run `sync --json`; return exit code and answer."""
    done = world.command("sync", *arguments, "--json", ARCHIVE_SUPPRESSION_KEY=SUPPRESSION_KEY)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def verify(world: World) -> dict[str, int]:
    """Run `verify --json` and return how much of each class was found."""
    done = world.command("verify", "--json")
    answer = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == bool(answer["counts"]), done.stderr
    return dict(answer["counts"])


def newest_report(world: World) -> dict[str, Any]:
    """Return the newest run report."""
    return world.bucket.document(world.bucket.keys_below("runs/")[-1])


def change(world: World, key: str, **fields: object) -> None:
    """Edit a document in the bucket."""
    body = json.dumps({**world.bucket.document(key), **fields}, indent=2) + "\n"
    world.bucket.put(key, body.encode())


def test_a_report_names_what_its_run_saw(erased: World) -> None:
    """archive.json, marks and receipts by SHA-256, and the cursor that follows, key and bytes."""
    report = newest_report(erased)
    assert report["archive_sha256"] == hashlib.sha256(erased.bucket.body("archive.json")).hexdigest()
    marks, receipts = erased.bucket.keys_below("suppressed/"), erased.bucket.keys_below("erasures/")
    assert report["marks"] == [hashlib.sha256(key.encode()).hexdigest() for key in marks] != []
    bodies = {hashlib.sha256(key.encode()).hexdigest(): erased.bucket.body(key) for key in receipts}
    assert report["receipts"] == {key: hashlib.sha256(body).hexdigest() for key, body in bodies.items()} != {}
    named = [erased.bucket.document(key)["cursor"] for key in erased.bucket.keys_below("runs/")]
    keys = [cursor["key"] for cursor in named if cursor]
    assert set(keys) >= set(erased.bucket.keys_below("state/cursor/"))
    for cursor in filter(None, named):
        assert hashlib.sha256(erased.bucket.body(cursor["key"])).hexdigest() == cursor["sha256"]


@pytest.mark.parametrize("field", ["account", "base_url", "created_at"])
def test_an_edited_identity_stops_every_run_and_is_found(archived: World, field: str) -> None:
    """Also where it is made that of the account that runs next: nobody writes below somebody else's archive."""
    change(archived, "archive.json", **{field: "made-up"})
    code, answer = sync(archived, "--all") if field != "account" else sync_as(archived, "made-up")
    assert (code, answer["kind"]) == (3, "fatal")
    assert "archive.json is not the one that the last runs saw" in answer["error"]
    assert verify(archived) == {"altered_identity": 1}


def sync_as(world: World, account: str) -> tuple[int, dict[str, Any]]:
    """Run `sync --all --json` as another account."""
    done = world.command("sync", "--all", "--json", FRONTCORE_ACCOUNT=account)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_an_identity_that_is_gone_is_not_made_anew(archived: World) -> None:
    """A run does not begin another archive in the place of one that runs have seen."""
    delete(archived.bucket, "archive.json")
    code, answer = sync(archived, "--all")
    assert (code, "no archive.json any more" in answer["error"]) == (3, True)
    assert "archive.json" not in archived.bucket.keys_below()
    assert archived.command("verify").returncode == 3


def test_an_archive_that_was_moved_is_noted_and_goes_on(archived: World) -> None:
    """The id follows from account and prefix; a bucket may be renamed."""
    keys = archived.bucket.keys_below()
    for key in keys:
        archived.bucket.client.put_object(
            Bucket=archived.bucket.name, Key=f"elsewhere/{key}", Body=archived.bucket.body(key)
        )
    done = archived.command("verify", "--json", ARCHIVE_PREFIX="elsewhere")
    answer = json.loads(done.stdout.splitlines()[-1])
    assert [note["class"] for note in answer["notes"]] == ["moved"]
    assert answer["counts"] == {}
    done = archived.command("sync", "--all", "--json", ARCHIVE_PREFIX="elsewhere")
    assert done.returncode == 0, done.stderr


def test_a_mark_that_is_gone_stops_every_run_and_is_found(erased: World) -> None:
    """Nobody who was erased comes back in silence; erasing again, or lifting, is the way on."""
    before = set(erased.bucket.keys_below("diplomas/"))
    delete(erased.bucket, *erased.bucket.keys_below("suppressed/"))
    code, answer = sync(erased, "--all")
    assert (code, "1 suppression marks are gone" in answer["error"]) == (3, True)
    assert set(erased.bucket.keys_below("diplomas/")) == before
    assert verify(erased) == {"missing_mark": 1}
    assert erase(erased, "--user", str(USER), "--confirm")[0] == 0
    assert (sync(erased, "--all")[0], verify(erased)) == (0, {})


def test_a_mark_that_somebody_removed_by_hand_may_be_lifted(erased: World) -> None:
    """The lifting leaves its receipt, and then runs go on and archive the person again."""
    delete(erased.bucket, *erased.bucket.keys_below("suppressed/"))
    code, answer, _ = erase(erased, "--user", str(USER), "--lift", "--confirm")
    assert (code, answer["lifted"]) == (0, True)
    code, answer = sync(erased, "--all")
    assert (code, answer["archived"]) == (0, len(diplomas_of(erased)))
    assert verify(erased) == {}


def test_a_mark_that_was_lifted_is_not_missed_and_counts_again_after_another_erasure(erased: World) -> None:
    """The receipt of the lifting comes before the mark goes."""
    receipts = set(erased.bucket.keys_below("erasures/"))
    assert erase(erased, "--user", str(USER), "--lift", "--confirm")[0] == 0
    (lifting,) = set(erased.bucket.keys_below("erasures/")) - receipts
    assert len(erased.bucket.document(lifting)["lifted"]) == 1
    assert (sync(erased, "--all")[0], verify(erased)) == (0, {})
    assert erase(erased, "--user", str(USER), "--confirm")[0] == 0
    assert (sync(erased, "--all")[0], verify(erased)) == (0, {})
    delete(erased.bucket, *erased.bucket.keys_below("suppressed/"))
    assert (sync(erased, "--all")[0], verify(erased)) == (3, {"missing_mark": 1})


@pytest.mark.parametrize("reported", [False, True], ids=["before any run", "after a run saw it"])
def test_a_forged_mark_is_found(erased: World, reported: bool) -> None:
    """Who is kept out and was not erased would never be archived; a run that saw the mark does not vouch for it."""
    (mark,) = erased.bucket.keys_below("suppressed/")
    erased.bucket.put(f"suppressed/{MADE_UP}.json", erased.bucket.body(mark))
    if reported:
        sync(erased, "--all")
    assert verify(erased) == {"unknown_mark": 1}


def test_a_receipt_that_is_gone_is_found(erased: World) -> None:
    """Without it the erased and the stolen look alike."""
    delete(erased.bucket, *erased.bucket.keys_below("erasures/"))
    counts = verify(erased)
    assert counts["missing_receipt"] == 1
    assert counts["missing_diploma"] == len(diplomas_of(erased))


def test_a_receipt_that_was_edited_or_forged_is_found(erased: World) -> None:
    """Who could write one could let a theft pass for an erasure; the key of the marks is the proof."""
    (key,) = erased.bucket.keys_below("erasures/")
    document, good = erased.bucket.document(key), erased.bucket.body(key)
    stolen = hashlib.sha256(b"diplomas/s-x/c-x/0123456789abcdef.json").hexdigest()
    change(erased, key, records=sorted([*document["records"], stolen]))
    assert verify(erased) == {"altered_record": 1}
    erased.bucket.put(key, good)
    forged = "erasures/20260301T000000Z-0123456789abcdef.json"
    erased.bucket.put(forged, json.dumps({**document, "records": [stolen]}).encode())
    done = erased.command("verify", "--json", ARCHIVE_SUPPRESSION_KEY=SUPPRESSION_KEY)
    assert json.loads(done.stdout)["counts"] == {"altered_record": 1}
    old = {name: value for name, value in document.items() if name not in ("proof", "marks", "others")}
    erased.bucket.put(forged, json.dumps(old).encode())
    assert verify(erased) == {"altered_record": 1}


def test_a_forged_lifting_brings_nobody_back(erased: World) -> None:
    """A receipt without the proof of the key is not believed by a run."""
    delete(erased.bucket, *erased.bucket.keys_below("suppressed/"))
    report = newest_report(erased)
    lifting = {
        "format": 1,
        "lifted_at": "2026-03-01T00:00:00.000000Z",
        "lifted": report["marks"],
        "lifts": [*report["receipts"]],
    }
    erased.bucket.put(
        "erasures/20260301T000000Z-0123456789abcdef.json", json.dumps({**lifting, "proof": MADE_UP}).encode()
    )
    assert sync(erased, "--all")[0] == 3


def test_an_altered_mark_is_found(erased: World) -> None:
    """Rubbish, and a mark that was made with another key than the others."""
    (mark,) = erased.bucket.keys_below("suppressed/")
    good = erased.bucket.body(mark)
    erased.bucket.put(mark, b"rubbish")
    assert verify(erased) == {"altered_record": 1}
    erased.bucket.put(mark, good)
    assert erase(erased, "--certificate", "ABC123456", "--confirm")[0] == 0
    assert verify(erased) == {}
    change(erased, mark, key_check=MADE_UP)
    assert verify(erased) == {"altered_record": 1}


@pytest.mark.parametrize("removed", [(".bin",), (".json",), (".bin", ".json")], ids=["bytes", "note", "both"])
def test_what_was_kept_in_quarantine_is_missed(world: World, removed: tuple[str, ...]) -> None:
    """What came once and was kept is evidence: one finding, whichever half is gone."""
    world.sandbox.fault("download", faults.SamePdf(b"%PDF-1.4\n" + b"odd" * 200 + b"%%EOF"), id=12345)
    assert sync(world, "--all")[0] == 1
    assert verify(world) == {}
    delete(world.bucket, *(key for key in world.bucket.keys_below("quarantine/") if key.endswith(removed)))
    assert verify(world) == {"missing_quarantine" if ".json" in removed else "missing_file": 1}


def test_a_note_in_quarantine_that_was_edited_is_found(world: World) -> None:
    """The report has the hash of its bytes."""
    world.sandbox.fault("download", faults.SamePdf(b"%PDF-1.4\n" + b"odd" * 200 + b"%%EOF"), id=12345)
    sync(world, "--all")
    sync(world, "--all")
    (note,) = [key for key in world.bucket.keys_below("quarantine/") if key.endswith(".json")]
    assert verify(world) == {}
    change(world, note, reason="made up")
    assert verify(world) == {"altered_record": 1}


def test_who_was_erased_from_quarantine_is_not_missed(world: World) -> None:
    """The receipt names bytes and note by hash."""
    world.sandbox.fault("download", faults.SamePdf(b"%PDF-1.4\n" + b"odd" * 200 + b"%%EOF"), id=12345)
    sync(world, "--all")
    assert erase(world, "--certificate", "ABC123456", "--confirm")[0] == 0
    assert world.bucket.keys_below("quarantine/") == []
    assert verify(world) == {}


def ahead(world: World) -> str:
    """Return the newest cursor, set ahead."""
    key = world.bucket.keys_below("state/cursor/")[-1]
    change(world, key, updated_at="2099-01-01 00:00:00", seen={}, retry=[])
    return key


def test_a_cursor_that_was_edited_does_not_count(archived: World) -> None:
    """It is not what the report named: the next night reads the source as if it were not there, and verify names it."""
    ahead(archived)
    assert verify(archived) == {"unnamed_cursor": 1}
    archived.sandbox.touch_participant(900001, "2027-01-01 10:00:00")
    archived.sandbox.reissue(500001, "2026-03-01 10:00:00", passed_note="corrected")
    assert sync(archived)[1]["archived"] == 1


@pytest.mark.parametrize("form", ["named nowhere", "as earlier versions wrote them", "state/cursor.json"])
def test_a_cursor_that_was_planted_does_not_count(archived: World, form: str) -> None:
    """Whatever form it has: no report names it, and reports do name others."""
    newest = archived.bucket.keys_below("state/cursor/")[-1]
    document = {
        **archived.bucket.document(newest),
        "updated_at": "2099-01-01 00:00:00",
        "seen": {},
        "follows": [newest],
    }
    if form != "named nowhere":
        document.pop("report")
    key = "state/cursor.json" if "." in form else "state/cursor/0000000099-made-up.json"
    if "." in form:
        delete(archived.bucket, *archived.bucket.keys_below("state/cursor/"))
        document["run_id"] = newest.rpartition("/")[2].partition("-")[2].removesuffix(".json")
    archived.bucket.put(key, json.dumps(document).encode())
    archived.sandbox.touch_participant(900001, "2027-01-01 10:00:00")
    archived.sandbox.reissue(500001, "2026-03-01 10:00:00", passed_note="corrected")
    assert sync(archived)[1]["archived"] == 1


def test_a_cursor_that_is_named_and_missing_is_no_finding(archived: World) -> None:
    """A run may be killed between report and cursor, and old ones are removed."""
    delete(archived.bucket, *archived.bucket.keys_below("state/cursor/"))
    assert verify(archived) == {}


def test_a_forged_unfinished_receipt_is_not_carried_into_a_good_one(erased: World) -> None:
    """Else the next erasure would prove a theft for an erasure."""
    (mark,) = erased.bucket.keys_below("suppressed/")
    (receipt,) = erased.bucket.keys_below("erasures/")
    record = next(key for key in erased.bucket.keys_below("diplomas/") if key.endswith(".json"))
    stolen = hashlib.sha256(record.encode()).hexdigest()
    document = erased.bucket.document(receipt)
    forged = {
        **{"format": 1, "begun_at": document["begun_at"], "erased_at": document["erased_at"], "reason": "request"},
        **{"complete": False, "mark": mark.rpartition("/")[2].removesuffix(".json"), "records": []},
        "left": {"records": [stolen], "others": []},
    }
    erased.bucket.put("erasures/20260301T000000Z-0123456789abcdef.json", json.dumps(forged).encode())
    delete(erased.bucket, mark, *(key for key in erased.bucket.keys_below() if record.split("/")[2] in key))
    assert erase(erased, "--user", str(USER), "--confirm")[0] == 0
    proven = [
        erased.bucket.document(key) for key in erased.bucket.keys_below("erasures/") if "0123456789abcdef" not in key
    ]
    assert not any(stolen in each["records"] for each in proven)
    delete(erased.bucket, "erasures/20260301T000000Z-0123456789abcdef.json")
    assert verify(erased)["missing_diploma"] == 1


@pytest.mark.parametrize(
    "key",
    [
        f"suppressed/{MADE_UP}.json",
        "erasures/",
        "erasures/.DS_Store",
        "erasures/20260301T000000Z-0123456789abcdef.json",
    ],
)
def test_what_somebody_planted_may_be_moved_away_again(erased: World, key: str) -> None:
    """A run that met it does not name it: no later run waits for it, and nobody misses it."""
    (mark,) = erased.bucket.keys_below("suppressed/")
    erased.bucket.put(key, erased.bucket.body(mark) if key.startswith("suppressed/") else b"")
    assert sync(erased, "--all")[0] == 0
    delete(erased.bucket, key)
    assert (sync(erased, "--all")[0], verify(erased)) == (0, {})


def test_an_old_lifting_excuses_no_later_theft(erased: World) -> None:
    """Erased, lifted, erased again: mark and receipt of the last time are gone, and no run goes on."""
    receipts = set(erased.bucket.keys_below("erasures/"))
    assert erase(erased, "--user", str(USER), "--lift", "--confirm")[0] == 0
    assert sync(erased, "--all")[0] == 0
    before = set(erased.bucket.keys_below("erasures/"))
    assert erase(erased, "--user", str(USER), "--confirm")[0] == 0
    assert sync(erased, "--all")[0] == 0
    last = set(erased.bucket.keys_below("erasures/")) - before
    delete(erased.bucket, *last, *erased.bucket.keys_below("suppressed/"))
    assert receipts < before
    assert sync(erased, "--all")[0] == 3
    counts = verify(erased)
    assert (counts["missing_mark"], counts["missing_receipt"]) == (1, 1)


FAR = "9999-12-31T23:59:59-14:00"


@pytest.mark.parametrize(
    ("key", "document"),
    [
        (
            "seals/2026/03/01/20260301T000000Z-x.json",
            {"format": 1, "sealed_at": FAR, "heads": [], "archive_sha256": MADE_UP},
        ),
        ("runs/2026/03/01/20260301T000000Z-x.json", {"format": 1, "run_id": "x", "started_at": FAR, "previous": []}),
        (
            "state/checkpoints/0123456789abcdef/x-000001.json",
            {"format": 1, "run_id": "x", "written_at": FAR, "outcomes": []},
        ),
        ("state/cursor/0000000001-x.json", {"format": 1, "updated_at": None, "retry": [], "report": "\ud800"}),
        ("state/cursor/0000000001-y.json", {"format": 1, "updated_at": None, "retry": [], "report": "x" * 5_000}),
        ("state/cursor/0000000001-z.json", {"format": 1, "updated_at": None, "retry": [], "report": ["x"]}),
    ],
    ids=lambda value: value.split("-")[-1] if isinstance(value, str) else "",
)
def test_one_planted_object_stops_nothing(archived: World, key: str, document: dict[str, Any]) -> None:
    """Dates beyond all calendars and names that are none: `verify` names the object, and the night goes on."""
    archived.bucket.put(key, json.dumps(document).encode())
    assert verify(archived)
    assert sync(archived)[0] == 0
