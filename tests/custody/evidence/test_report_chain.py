"""The chain of run reports: deletions, edits and removals that no single object shows."""

from __future__ import annotations

import json
import re

import pytest

from diploma_archive.verify.sampling import one_certificate
from tests.support.verifying import RECEIPT, check, delete, edit_text, found, noted, parts_of, put_receipt
from tests.support.world import World


def reports(world: World) -> list[str]:
    """Return the keys of the reports, oldest first."""
    keys = world.bucket.keys_below("runs/")
    return sorted(keys, key=lambda key: len(world.bucket.document(key)["previous"]))


def test_a_deleted_diploma_shows_only_with_the_chain(archived: World) -> None:
    """Where record, file and index entry are gone, nothing else in the bucket speaks of the diploma."""
    one = parts_of(archived.bucket, 12345)
    delete(archived.bucket, one.record, one.file, one.index)
    assert found(check(archived, chain=False)) == {}
    assert found(check(archived)) == {one.record: "missing_diploma"}
    only = one_certificate("ABC123456")
    assert found(check(archived, choice=only)) == {one.record: "missing_diploma"}


def test_a_withdrawn_diploma_that_is_deleted_shows_too(world: World) -> None:
    """Its record has no file, and is evidence all the same."""
    world.sandbox.diplomas[12345].deleted_at = "2026-02-02 10:00:00"
    world.run()
    one = parts_of(world.bucket, 12345)
    delete(world.bucket, one.record)
    assert found(check(world)) == {one.record: "missing_record"}
    assert found(check(world, chain=False)) == {one.record: "missing_record"}
    delete(world.bucket, one.index)
    assert found(check(world)) == {one.record: "missing_diploma"}


def test_everything_deleted_is_never_clean(archived: World) -> None:
    """Each diploma that the reports name is missed."""
    records = [key for key in archived.bucket.keys_below("diplomas/") if key.endswith(".json")]
    delete(archived.bucket, *archived.bucket.keys_below("diplomas/"), *archived.bucket.keys_below("certificates/"))
    assert found(check(archived)) == dict.fromkeys(records, "missing_diploma")


def test_the_only_report_removed_is_missed(world: World) -> None:
    """Records without a single report must not look fine."""
    world.run()
    delete(world.bucket, *world.bucket.keys_below("runs/"))
    assert list(found(check(world)).values()) == ["missing_report"]


def test_the_only_report_of_a_backfill_removed_is_missed(world: World) -> None:
    """Also where there is no cursor that names the run."""
    world.run(participants="987654")
    delete(world.bucket, *world.bucket.keys_below("runs/"))
    assert found(check(world)) == {"runs/": "missing_report"}


def test_the_newest_report_removed_is_missed_where_the_cursor_names_its_run(world: World) -> None:
    """A cursor never moves before its report is there."""
    world.run(participants="987654")
    run = world.run()
    (newest,) = [key for key in world.bucket.keys_below("runs/") if run.run_id in key]
    delete(world.bucket, newest)
    result = check(world)
    assert found(result) == {world.bucket.keys_below("state/cursor/")[-1]: "missing_report"}
    assert run.run_id in result.findings[0].detail


def test_records_of_a_killed_run_are_a_note(world: World) -> None:
    """A run that was killed left no report; that is told, and is no finding as long as there are reports."""
    world.run(participants="987654")
    killed = world.run(participants="900001")
    (report,) = [key for key in world.bucket.keys_below("runs/") if killed.run_id in key]
    delete(world.bucket, report)
    result = check(world)
    assert (found(result), noted(result)) == ({}, ["unreported"])
    assert killed.run_id in result.notes[0].detail
    assert world.run().tally.is_green
    result = check(world)
    assert (found(result), result.notes) == ({}, [])


def test_a_removed_report_in_the_middle_is_missed(archived: World) -> None:
    """The one after it names it; those before it stay believed."""
    archived.run()
    _, middle, _ = sorted(archived.bucket.keys_below("runs/"), key=lambda key: archived.bucket.body(key)[:400])
    links = {key: archived.bucket.document(key)["previous"] for key in archived.bucket.keys_below("runs/")}
    named = {link["key"] for previous in links.values() for link in previous}
    (middle,) = [key for key, previous in links.items() if previous and key in named]
    delete(archived.bucket, middle)
    assert found(check(archived)) == {middle: "missing_report"}


EDITS = {
    "one outcome gone": (rb'    \{"outcome":"archived"[^\n]*\n', b""),
    "another hash of a record": (rb'"record_sha256":"(.)', b'"record_sha256":"g'),
    "archived became unchanged": (rb'"outcome":"archived"', b'"outcome":"unchanged"'),
    "a count": (rb'"archived": 6', b'"archived": 7'),
    "another run": (rb'"run_id": "', b'"run_id": "0'),
    "not json any more": (rb'"outcomes": \[', b'"outcomes": '),
    "a space at the end": (rb"\}\n\Z", b"}\n "),
    "another time": (rb'"started_at": "20', b'"started_at": "19'),
    "a name that nobody expects": (rb'"diploma_id":', b'"diploma":'),
    "no links": (rb'  "previous": \[\],\n', b""),
}


@pytest.mark.parametrize("newest", [False, True], ids=["named by another", "newest"])
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edited_report_is_seen(world: World, edit: tuple[bytes, bytes], newest: bool) -> None:
    """Also the newest one, which nobody names yet, must agree with itself, whoever stored it."""
    world.run()
    (key,) = world.bucket.keys_below("runs/")
    if not newest:
        world.run()
    body = world.bucket.body(key)
    changed = re.sub(edit[0], edit[1], body, count=1)
    assert changed != body
    world.bucket.client.put_object(
        Bucket=world.bucket.name, Key=f"acme/prod/{key}", Body=changed, ChecksumAlgorithm="SHA256"
    )
    assert found(check(world)) == {key: "altered_report"}


def test_the_newest_report_edited_by_another_program_is_seen(archived: World) -> None:
    """Nothing in it contradicts the edit, but S3 has no checksum of it, and it has those of what this program wrote."""
    _, newest = reports(archived)
    edit_text(archived.bucket, newest, b'"force": false', b'"force": true')
    assert found(check(archived)) == {newest: "altered_report"}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[1]", b"\n" * 1000, b"x" * 3_000_000], ids=lambda body: body[:3]
)
def test_a_report_that_says_nothing_is_altered(archived: World, body: bytes) -> None:
    """Whatever lies there, the check goes on."""
    first, _ = reports(archived)
    archived.bucket.put(first, body)
    assert found(check(archived)) == {first: "altered_report"}


def test_a_report_that_was_written_anew_by_another_program_is_altered(archived: World) -> None:
    """The same content in another spelling is not what was written."""
    _, newest = reports(archived)
    archived.bucket.put(newest, json.dumps(archived.bucket.document(newest)).encode())
    assert found(check(archived)) == {newest: "altered_report"}


def test_who_edits_the_link_of_a_named_report_accuses_nobody_else(archived: World) -> None:
    """A report that was changed is not believed about those before it."""
    archived.run()
    links = {key: archived.bucket.document(key)["previous"] for key in archived.bucket.keys_below("runs/")}
    named = {link["key"] for previous in links.values() for link in previous}
    (middle,) = [key for key, previous in links.items() if previous and key in named]
    sha256 = links[middle][0]["sha256"]
    edit_text(archived.bucket, middle, sha256.encode(), sha256[::-1].encode())
    assert found(check(archived)) == {middle: "altered_report"}


def test_an_altered_report_is_not_believed_about_records(archived: World) -> None:
    """A forged hash in a report that another one convicts makes no record an altered one."""
    first, _ = reports(archived)
    outcome = archived.bucket.document(first)["outcomes"][0]
    edit_text(archived.bucket, first, outcome["record_sha256"].encode(), outcome["record_sha256"][::-1].encode())
    assert found(check(archived)) == {first: "altered_report"}


def test_a_forged_circle_of_reports_ends(archived: World) -> None:
    """Reports that name each other in a circle are named, and the check comes to an end."""
    first, second = reports(archived)
    sha256 = archived.bucket.document(second)["previous"][0]["sha256"]
    link = json.dumps([{"key": second, "sha256": sha256}], indent=2).replace("\n", "\n  ")
    edit_text(archived.bucket, first, b'"previous": []', b'"previous": ' + link.encode())
    assert "altered_report" in found(check(archived)).values()


def test_an_erased_diploma_is_counted_and_no_finding(archived: World) -> None:
    """A receipt explains why what a report names is gone, and nothing else; what is left of it is still found."""
    one = parts_of(archived.bucket, 12345)
    delete(archived.bucket, one.record, one.file, one.index)
    put_receipt(archived.bucket, one.record)
    result = check(archived)
    assert (found(result), result.checked["erased"]) == ({}, 1)
    assert check(archived, choice=one_certificate("ABC123456")).checked["erased"] == 1
    other = parts_of(archived.bucket, 500001)
    delete(archived.bucket, other.record, other.index)
    assert found(check(archived)) == {other.record: "missing_record"}
    put_receipt(archived.bucket, one.record, other.record, complete=False)
    assert found(check(archived)) == {other.file: "orphan_file"}
    delete(archived.bucket, other.file)
    assert found(check(archived)) == {}


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"format": 1, "complete": true, "records": 5}'])
def test_a_damaged_receipt_explains_nothing(archived: World, body: bytes) -> None:
    """What cannot be read as a receipt never hides a deletion."""
    one = parts_of(archived.bucket, 12345)
    delete(archived.bucket, one.record, one.file, one.index)
    archived.bucket.put(RECEIPT, body)
    assert found(check(archived))[one.record] == "missing_diploma"


def test_runs_that_end_at_the_same_moment_are_no_gap(archived: World) -> None:
    """Two reports that name the same one are both heads until the next run names both."""
    one, other = (archived.run() for _ in range(2))
    assert len(check(archived).heads) == 1
    assert one.run_id != other.run_id
