"""`verify` on a damaged bucket: each damage ends in its own class, named once, at the key where it happened."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from diploma_archive.sandbox import answer_faults as faults
from tests.support.verifying import (
    Parts,
    check,
    delete,
    edit,
    edit_text,
    flip,
    found,
    noted,
    parts_of,
    swap,
)
from tests.support.world import World

Damage = Callable[[World, Parts, Parts], dict[str, str]]


def two(world: World) -> tuple[Parts, Parts]:
    return parts_of(world.bucket, 12345), parts_of(world.bucket, 500001)


def delete_file(world: World, one: Parts, _: Parts) -> dict[str, str]:
    delete(world.bucket, one.file)
    return {one.file: "missing_file"}


def delete_record(world: World, one: Parts, _: Parts) -> dict[str, str]:
    delete(world.bucket, one.record)
    return {one.record: "missing_record"}


def delete_index(world: World, one: Parts, _: Parts) -> dict[str, str]:
    delete(world.bucket, one.index)
    return {one.record: "unindexed_record"}


def delete_record_and_file(world: World, one: Parts, _: Parts) -> dict[str, str]:
    delete(world.bucket, one.record, one.file)
    return {one.index: "index_without_record"}


def delete_record_and_index(world: World, one: Parts, _: Parts) -> dict[str, str]:
    delete(world.bucket, one.record, one.index)
    return {one.record: "missing_record"}


def delete_all_three(world: World, one: Parts, _: Parts) -> dict[str, str]:
    delete(world.bucket, one.record, one.file, one.index)
    return {one.record: "missing_diploma"}


def delete_everything_of_two(world: World, one: Parts, other: Parts) -> dict[str, str]:
    return delete_all_three(world, one, other) | delete_all_three(world, other, one)


def flip_file(world: World, one: Parts, _: Parts) -> dict[str, str]:
    flip(world.bucket, one.file)
    return {one.file: "altered_file"}


def truncate_file(world: World, one: Parts, _: Parts) -> dict[str, str]:
    world.bucket.put(one.file, world.bucket.body(one.file)[:-1])
    return {one.file: "altered_file"}


def empty_file(world: World, one: Parts, _: Parts) -> dict[str, str]:
    world.bucket.put(one.file, b"")
    return {one.file: "altered_file"}


def swap_files(world: World, one: Parts, other: Parts) -> dict[str, str]:
    swap(world.bucket, one.file, other.file)
    return {one.file: "altered_file", other.file: "altered_file"}


def swap_records(world: World, one: Parts, other: Parts) -> dict[str, str]:
    swap(world.bucket, one.record, other.record)
    return {one.record: "altered_record", other.record: "altered_record"}


def swap_index(world: World, one: Parts, other: Parts) -> dict[str, str]:
    swap(world.bucket, one.index, other.index)
    return {one.index: "altered_index", other.index: "altered_index"}


def rename_person(world: World, one: Parts, _: Parts) -> dict[str, str]:
    user = world.bucket.document(one.record)["user"]
    edit(world.bucket, one.record, user={**user, "lastname": "Other"})
    return {one.record: "altered_record"}


def edit_what_no_fingerprint_covers(world: World, one: Parts, _: Parts) -> dict[str, str]:
    edit(world.bucket, one.record, tool="diploma-archive 0.0.0")
    return {one.record: "altered_record"}


def edit_when_archived(world: World, one: Parts, _: Parts) -> dict[str, str]:
    edit(world.bucket, one.record, archived_at="2020-01-01T00:00:00.000000Z")
    return {one.record: "altered_record"}


def let_record_name_another_file(world: World, one: Parts, other: Parts) -> dict[str, str]:
    file = world.bucket.document(other.record)["file"]
    edit(world.bucket, one.record, file=file)
    return {one.record: "altered_record"}


def edit_index(world: World, one: Parts, _: Parts) -> dict[str, str]:
    edit(world.bucket, one.index, status="withdrawn")
    return {one.index: "altered_index"}


def index_that_is_no_json(world: World, one: Parts, _: Parts) -> dict[str, str]:
    world.bucket.put(one.index, b"\xff\xfe\x00")
    return {one.index: "altered_index"}


def stranger_beside_a_diploma(world: World, one: Parts, _: Parts) -> dict[str, str]:
    key = one.file.rpartition("/")[0] + "/notes.txt"
    world.bucket.put(key, b"hello")
    return {key: "unknown_object"}


def strangers_elsewhere(world: World, *_: Parts) -> dict[str, str]:
    keys = ["notes.txt", "diplomas/x.pdf", "certificates/c-X/y.json", "certificates/z.json", "runs/2026/x.json"]
    keys += ["suppressed/somebody.json", "suppressed/a/b", "erasures/anything.json", "erasures/notes.txt"]
    keys += ["doctor/notes.txt", "state/checkpoints/notes.txt", "state/probe/notes.txt"]
    keys += ["state/other.json", "quarantine/a", "other/deep/er", "diplomas/s-1/c-1/sub/file.pdf", "archive.json.bak"]
    for key in keys:
        world.bucket.put(key, b"")
    return dict.fromkeys(keys, "unknown_object")


def stranger_with_an_odd_name(world: World, *_: Parts) -> dict[str, str]:
    key = "diplomas/s-1/c-1/\N{BLACK SPADE SUIT} a+b%20&c'd|`.json"
    world.bucket.put(key, b"{}")
    return {key: "unknown_object"}


def file_that_nobody_names(world: World, one: Parts, other: Parts) -> dict[str, str]:
    key = f"{other.file.rpartition('/')[0]}/{one.file.rpartition('/')[2]}"
    world.bucket.put(key, world.bucket.body(one.file))
    return {key: "orphan_file"}


def foreign_record(world: World, one: Parts, _: Parts) -> dict[str, str]:
    key = f"{one.record.rpartition('/')[0]}/{'0' * 16}.json"
    world.bucket.put(key, b"{}")
    return {key: "altered_record"}


def foreign_index_entry(world: World, one: Parts, _: Parts) -> dict[str, str]:
    key = f"{one.index.rpartition('/')[0]}/77.{'0' * 16}.json"
    world.bucket.put(key, world.bucket.body(one.index))
    return {key: "index_without_record"}


def delete_report(world: World, one: Parts, _: Parts) -> dict[str, str]:
    delete(world.bucket, one.report)
    return {one.report: "missing_report"}


def flip_report(world: World, one: Parts, _: Parts) -> dict[str, str]:
    edit_text(world.bucket, one.report, b'"force": false', b'"force": true ')
    return {one.report: "altered_report"}


def edit_report_in_its_own_spelling(world: World, one: Parts, _: Parts) -> dict[str, str]:
    edit_text(world.bucket, one.report, b'"scope": "full"', b'"scope": "back"')
    return {one.report: "altered_report"}


def move_the_cursor_by_hand(world: World, *_: Parts) -> dict[str, str]:
    key = world.bucket.keys_below("state/cursor/")[-1]
    world.bucket.put(key, b"{}")
    return {key: "altered_record"}


DAMAGES: list[Damage] = [
    delete_file,
    delete_record,
    delete_index,
    delete_record_and_file,
    delete_record_and_index,
    delete_all_three,
    delete_everything_of_two,
    flip_file,
    truncate_file,
    empty_file,
    swap_files,
    swap_records,
    swap_index,
    rename_person,
    edit_what_no_fingerprint_covers,
    edit_when_archived,
    let_record_name_another_file,
    edit_index,
    index_that_is_no_json,
    stranger_beside_a_diploma,
    strangers_elsewhere,
    stranger_with_an_odd_name,
    file_that_nobody_names,
    foreign_record,
    foreign_index_entry,
    delete_report,
    flip_report,
    edit_report_in_its_own_spelling,
    move_the_cursor_by_hand,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_each_damage_ends_in_its_own_class(archived: World, damage: Damage) -> None:
    """Quick and full name the same, once, and nothing beside it."""
    expected = damage(archived, *two(archived))
    assert found(check(archived)) == expected
    assert found(check(archived, full=True)) == expected


@pytest.mark.parametrize("full", [False, True], ids=["quick", "full"])
@pytest.mark.parametrize("chain", [True, False], ids=["chain", "no chain"])
def test_a_sound_archive_is_clean(archived: World, full: bool, chain: bool) -> None:
    """Nothing is found where nothing is wrong: withdrawn, conflicting, quarantined and forced diplomas included."""
    archived.sandbox.diplomas[500001].random_certificate_number = "ABC123456"
    archived.sandbox.diplomas[500002].deleted_at = "2026-02-02 10:00:00"
    archived.sandbox.diplomas[500003].random_certificate_number = None
    archived.sandbox.diplomas[500003].serial = None
    archived.run()
    archived.sandbox.diplomas[500002].deleted_at = None
    archived.sandbox.render_anew = True
    archived.run(force=True)
    result = check(archived, full=full, chain=chain)
    assert found(result) == {}
    assert noted(result) == ["conflict"]
    assert result.checked["objects"] == len(archived.bucket.keys_below())


def test_two_diplomas_under_one_number_are_a_note(archived: World) -> None:
    """A conflict is always named, and is no fault of the archive's."""
    archived.sandbox.diplomas[500001].random_certificate_number = "ABC123456"
    archived.run()
    done = archived.command("verify")
    assert done.returncode == 0
    assert "Note: certificates/c-ABC123456/: the diplomas 12345, 500001 have the same certificate number" in done.stdout


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"[1]", b"null", b'{"format": 1}', b"[" * 100_000, b"1" * 10_000, b" " * 6_000_000],
    ids=["empty", "cut", "not utf-8", "list", "null", "few fields", "deep", "long number", "huge"],
)
def test_a_record_that_says_nothing_is_an_altered_record(archived: World, body: bytes) -> None:
    """Whatever lies under the name of a record, the check goes on and names it once."""
    one, _ = two(archived)
    archived.bucket.put(one.record, body)
    for chain in (True, False):
        assert found(check(archived, chain=chain)) == {one.record: "altered_record"}


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"generation": "1"},
        {"generation": True},
        {"serial": "OTHER"},
        {"serial": 5},
        {"certificate_number": None},
        {"diploma_id": None},
        {"revision": "0" * 16},
        {"revision": None},
        {"status": "withdrawn"},
        {"file": None},
        {"file": []},
        {"file": {"key": 1}},
        {"user": None},
        {"user": "x"},
        {"source": None},
        {"source": {}},
        {"archived_at": 5},
        {"archived_at": "yesterday"},
        {"run_id": None},
        {"format": 2},
        {"surprise": 1},
        {"participant_id": 1},
        {"result": {}},
    ],
    ids=str,
)
def test_a_record_with_an_odd_field_is_an_altered_record(archived: World, change: dict[str, object]) -> None:
    """Also without the chain a record that does not fit itself is named, and nothing beside it."""
    one, _ = two(archived)
    edit(archived.bucket, one.record, **change)
    for chain in (True, False):
        assert found(check(archived, chain=chain)) == {one.record: "altered_record"}


@pytest.mark.parametrize("field", ["archived_at", "user", "file", "source", "revision", "conflict"])
def test_a_record_without_a_field_is_an_altered_record(archived: World, field: str) -> None:
    """All fields of a record are always there."""
    one, _ = two(archived)
    document = archived.bucket.document(one.record)
    del document[field]
    archived.bucket.put(one.record, json.dumps(document, indent=2).encode() + b"\n")
    for chain in (True, False):
        assert found(check(archived, chain=chain)) == {one.record: "altered_record"}


def test_without_the_chain_a_record_of_another_spelling_is_altered(archived: World) -> None:
    """Who edits a record with a tool of his own shows, also in what no fingerprint covers."""
    one, _ = two(archived)
    edit_text(archived.bucket, one.record, b'"tool": "', b'"tool":  "')
    assert found(check(archived, chain=False)) == {one.record: "altered_record"}


def test_left_out_fields_are_no_finding_where_the_settings_leave_them_out(world: World) -> None:
    """A fingerprint that cannot be recomputed is counted; with other settings only the chain can tell."""
    world.settings["omit_fields"] = ("user.national_identification_number", "user.date_of_birth", "course")
    world.run()
    result = check(world, chain=False)
    assert (found(result), result.checked["not_recomputed"]) == ({}, 6)
    del world.settings["omit_fields"]
    assert found(check(world)) == {}
    assert set(found(check(world, chain=False)).values()) == {"altered_record"}


def test_the_same_file_under_two_certificates_is_seen_over_the_whole_archive(world: World) -> None:
    """A mixed-up link that two runs could not see is found by the hash in the keys."""
    world.run(participants="987654")
    pdf = world.bucket.body(parts_of(world.bucket, 12345).file)
    world.sandbox.fault("download", faults.SamePdf(pdf), id=500001)
    world.run(participants=str(world.sandbox.diplomas[500001].participant_id))
    (finding,) = check(world).findings
    assert finding.kind == "same_file_twice"
    keys = {parts_of(world.bucket, 12345).file, parts_of(world.bucket, 500001).file}
    assert finding.key in keys
    assert (keys - {finding.key}).pop() in finding.detail


def test_quarantine_is_checked_too(world: World) -> None:
    """Bytes that are no good diploma stay what they were, and so do the notes on them."""
    world.sandbox.fault("download", faults.SamePdf(b"%PDF-1.4\n" + b"odd" * 200 + b"%%EOF"), id=12345)
    world.run()
    note, file = sorted(world.bucket.keys_below("quarantine/"), reverse=True)
    note, file = (note, file) if note.endswith(".json") else (file, note)
    assert found(check(world)) == {}
    flip(world.bucket, file)
    assert found(check(world)) == {file: "altered_file"}
    delete(world.bucket, file)
    assert found(check(world)) == {file: "missing_file"}
    world.bucket.put(note, b"{}")
    assert found(check(world)) == {file: "missing_file", note: "altered_record"}


def test_files_are_counted_once_and_quarantine_apart(world: World) -> None:
    """`files` is how many PDFs are archived, also where two records name one, and `records` how many records."""
    world.sandbox.fault("download", faults.SamePdf(b"%PDF-1.4\n" + b"odd" * 200 + b"%%EOF"), id=500002)
    world.run()
    for deleted_at in ("2026-04-01 10:00:00", None):
        world.sandbox.diplomas[12345].deleted_at = deleted_at
        world.run()
    pdfs = [key for key in world.bucket.keys_below("diplomas/") if key.endswith(".pdf")]
    for full in (False, True):
        figures = check(world, full=full).figures
        assert (figures["files"], figures["records"]) == (len(pdfs), len(world.bucket.records())) == (5, 7)


def test_more_than_one_page_of_objects(archived: World) -> None:
    """Also what comes after the first thousand keys is looked at."""
    for number in range(1001):
        archived.bucket.put(f"diplomas/s-a/c-a/{number:04}", b"")
    one, _ = two(archived)
    flip(archived.bucket, one.file)
    result = found(check(archived))
    assert len(result) == 1002
    assert result[one.file] == "altered_file"
