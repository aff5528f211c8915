"""`rebuild-index`: the index comes back from the records alone, and nothing is deleted."""

from __future__ import annotations

import json

from tests.support.s3_proxy import S3Proxy
from tests.support.verifying import check, delete, edit, found, parts_of, swap
from tests.support.world import World


def rebuild(world: World, *arguments: str, **environment: str) -> tuple[int, dict[str, object]]:
    done = world.command("rebuild-index", *arguments, "--json", **environment)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def index_of(world: World) -> dict[str, bytes]:
    return {key: world.bucket.body(key) for key in world.bucket.keys_below("certificates/")}


def test_the_whole_index_comes_back_byte_for_byte(world: World) -> None:
    """Withdrawn, conflicting and forced diplomas included; the next run knows every one of them."""
    world.sandbox.diplomas[500001].random_certificate_number = "ABC123456"
    world.sandbox.diplomas[500002].deleted_at = "2026-02-02 10:00:00"
    world.run()
    world.sandbox.render_anew = True
    world.run(force=True)
    before = index_of(world)
    delete(world.bucket, *before)
    code, result = rebuild(world)
    assert (code, result["created"], result["replaced"]) == (0, len(before), 0)
    assert index_of(world) == before
    assert found(check(world)) == {}
    assert world.counts() == {"unchanged": 6}


def test_a_wrong_entry_is_replaced_and_a_good_one_is_left(archived: World) -> None:
    """Only what does not fit its record is written; a second time nothing is."""
    one, other = parts_of(archived.bucket, 12345), parts_of(archived.bucket, 500001)
    before = index_of(archived)
    swap(archived.bucket, one.index, other.index)
    archived.bucket.put(parts_of(archived.bucket, 500002).index, b"\xff")
    code, result = rebuild(archived)
    assert (code, result["created"], result["replaced"]) == (0, 0, 3)
    assert index_of(archived) == before
    assert found(check(archived)) == {}
    assert rebuild(archived) == (0, {"dry_run": False, "records": 6, "created": 0, "replaced": 0, "findings": []})


def test_a_dry_run_writes_nothing(archived: World) -> None:
    """It says what a real run would do."""
    one, other = parts_of(archived.bucket, 12345), parts_of(archived.bucket, 500001)
    delete(archived.bucket, one.index)
    archived.bucket.put(other.index, b"{}")
    before = index_of(archived)
    code, result = rebuild(archived, "--dry-run")
    assert (code, result["created"], result["replaced"], result["dry_run"]) == (0, 1, 1, True)
    assert index_of(archived) == before


def test_an_entry_without_a_record_is_reported_and_stays(archived: World) -> None:
    """It may be all that is left of a diploma."""
    one = parts_of(archived.bucket, 12345)
    delete(archived.bucket, one.record)
    code, result = rebuild(archived)
    assert code == 1
    assert [(entry["class"], entry["key"]) for entry in result["findings"]] == [("index_without_record", one.index)]  # type: ignore[attr-defined,index]
    assert one.index in archived.bucket.keys_below("certificates/")


def test_a_damaged_record_gives_no_entry(archived: World) -> None:
    """What cannot be relied upon is named, and its entry is neither written nor called one without a record."""
    one, other = parts_of(archived.bucket, 12345), parts_of(archived.bucket, 500001)
    edit(archived.bucket, one.record, status="withdrawn")
    archived.bucket.put(other.record, b"")
    delete(archived.bucket, one.index)
    code, result = rebuild(archived)
    assert code == 1
    named = {(entry["class"], entry["key"]) for entry in result["findings"]}  # type: ignore[attr-defined,index]
    assert named == {("altered_record", one.record), ("altered_record", other.record)}
    assert (one.index in index_of(archived), other.index in index_of(archived)) == (False, True)


def test_it_writes_only_what_is_wrong(archived: World, s3: object) -> None:
    """A sound index costs no write and no read of an entry."""
    with S3Proxy(archived.s3_environment["AWS_ENDPOINT_URL_S3"]) as proxy:
        code, _ = rebuild(archived, AWS_ENDPOINT_URL_S3=proxy.endpoint_url)
        assert code == 0
        assert proxy.written() == []
        assert [one.key for one in proxy.requests if "certificates/" in one.key] == []


def test_the_text_is_for_people(archived: World) -> None:
    """One sentence says what was done."""
    delete(archived.bucket, parts_of(archived.bucket, 12345).index)
    done = archived.command("rebuild-index")
    assert done.stdout == "6 records read, 1 index entries created, 0 replaced\n"


def test_no_archive_is_exit_code_3(archived: World) -> None:
    """A misspelt prefix never gets an index of its own."""
    code, result = rebuild(archived, ARCHIVE_PREFIX="acme/other")
    assert (code, result["kind"]) == (3, "fatal")
