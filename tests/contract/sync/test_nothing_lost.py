"""Ways in which a diploma could be lost, or a run be green without it, each once seen to happen."""

from __future__ import annotations

import json
import logging
import urllib.request

import pytest

from diploma_archive.errors import KeyRefusedError
from diploma_archive.listing.selection import Scope
from diploma_archive.sandbox import answer_faults as faults
from diploma_archive.sync import stopping as halt
from tests.support.world import World


def second_enrolment(world: World) -> int:
    """Give the documented person a second enrolment with a diploma; return its participant id."""
    identifier = int(world.sandbox.add_participant(user_id=289252)["id"])
    world.sandbox.add_diploma(identifier, random_certificate_number="SECOND-1")
    return identifier


def test_a_listing_in_pages_is_read_to_its_end(world: World) -> None:
    """A person's diplomas may come with `pagination`: what is on the next page is archived too."""
    for number in range(2):
        world.sandbox.add_diploma(987654, random_certificate_number=f"MORE-{number}")
    request = urllib.request.Request(
        f"{world.sandbox.base_url}/diplomas?participant_id=987654", headers={"X-API-Key": world.sandbox.api_key}
    )
    with urllib.request.urlopen(request) as answer:
        items = json.load(answer)["items"]
    for page, item in enumerate(items, start=1):
        pagination = {"next_page": page + 1 if page < len(items) else None}
        body = json.dumps({"success": "ok", "items": [item], "pagination": pagination})
        world.sandbox.fault("diplomas", faults.Status(200, body), times=1)
    assert world.counts(participants="987654") == {"archived": 3}
    world.sandbox.fault("diplomas", faults.Status(200, body.replace("null", "2")))
    assert world.counts(participants="987654") == {"unlisted": 1}


def test_items_that_name_another_participant_are_archived(world: World) -> None:
    """In a person's listing every diploma counts, also one whose participant is not the one in /participants."""
    second_enrolment(world)
    for diploma_id in world.sandbox.diplomas:
        world.sandbox.overrides[diploma_id] = {"participant_id": 5_000_000 + diploma_id}
    assert world.counts() == {"archived": 7}


def test_an_enrolment_that_the_persons_listing_hides_is_asked_for_itself(world: World) -> None:
    """Grouping by person gives the same result as listing by participant."""
    hidden = second_enrolment(world)
    (diploma,) = [found for found in world.sandbox.diplomas.values() if found.participant_id == hidden]
    diploma.user = {**diploma.user, "id": 777}
    world.sandbox.fault("diplomas", faults.EmptyItems(), id=289252)
    assert world.counts() == {"archived": 7}


def test_who_was_asked_for_is_tried_again_even_if_the_item_names_somebody_else(world: World) -> None:
    """The retry list leads back to the diploma, whatever participant its item names."""
    world.sandbox.overrides[12345] = {"participant_id": 5012345}
    world.sandbox.fault("download", faults.HtmlLogin(), id=12345, times=1)
    assert world.counts(Scope.INCREMENTAL)["failed"] == 1
    assert 987654 in (world.bucket.cursor() or {})["retry"]
    world.sandbox.touch_participant(900001, "2027-01-01T10:00:00+01:00")
    world.run(Scope.INCREMENTAL)
    assert len(world.bucket.records()) == 6


def test_a_row_that_cannot_be_read_holds_the_cursor(world: World) -> None:
    """Nobody can try a row without an id again: the cursor waits until it can be read."""
    world.sandbox.with_user_ids = None
    broken = world.sandbox.participants[900003]
    broken["id"] = "x"
    run = world.run(Scope.INCREMENTAL)
    assert run.tally.as_counts()["unlisted"] == 1
    assert world.bucket.cursor() is None
    broken["id"] = 900003
    assert world.counts(Scope.INCREMENTAL) == {"archived": 1, "unchanged": 5}


def test_a_first_page_of_broken_rows_is_not_the_end(world: World) -> None:
    """What lies behind rows that cannot be read is archived."""
    world.sandbox.page_cap, world.sandbox.with_user_ids = 2, None
    for identifier in (900001, 900002):
        world.sandbox.participants[identifier]["id"] = "x"
    counts = world.counts()
    assert counts == {"archived": 4, "unlisted": 2}


def test_a_date_in_the_future_is_warned_of(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A participant of the year 2099 moves the cursor there; somebody must know."""
    world.sandbox.touch_participant(900001, "2099-01-01T10:00:00+01:00")
    with caplog.at_level(logging.WARNING, "diploma_archive"):
        world.run(Scope.INCREMENTAL)
    assert any("in the future" in record.getMessage() for record in caplog.records)


def test_a_mix_up_that_was_put_right_is_archived(world: World) -> None:
    """Quarantine is no life sentence: once the first diploma has its own file, the second one gets in."""
    right = world.sandbox.pdf_of(500001)
    world.sandbox.diplomas[12345].pdf = right  # diploma 12345 is served the file of 500001
    assert world.counts(participants="987654") == {"archived": 1}
    world.sandbox.diplomas[500001].pdf = right
    assert world.counts(participants="900001, 987654") == {"archived": 1, "unchanged": 1}
    # The other way round: seen in one run, so quarantined, then put right.
    world.sandbox.diplomas[500002].pdf = world.sandbox.diplomas[500003].pdf = world.sandbox.pdf_of(500003)
    assert world.counts(participants="900002-900003") == {"archived": 1, "quarantined": 1}
    (note,) = [key for key in world.bucket.keys_below("quarantine/") if key.endswith(".json")]
    quarantined = world.bucket.document(note)["diploma_id"]
    wrong = {500002: 500003, 500003: 500002}[quarantined]
    world.sandbox.diplomas[wrong].pdf = None
    world.sandbox.render_anew = True
    assert world.counts(participants=str(world.sandbox.diplomas[wrong].participant_id), force=True) == {"archived": 1}
    assert world.counts(participants="900002-900003") == {"archived": 1, "unchanged": 1}


def test_a_participant_in_the_retry_list_and_in_the_page_counts_once(world: World) -> None:
    """Each diploma has one outcome in one run."""
    world.sandbox.touch_participant(987654, "2026-06-01T10:00:00+02:00")
    world.sandbox.fault("download", faults.HtmlLogin(), id=12345, times=1)
    world.run(Scope.INCREMENTAL)
    world.sandbox.reset_counts()
    assert world.counts(Scope.INCREMENTAL) == {"archived": 1}
    assert world.sandbox.requests["diplomas"] == 1
    assert world.counts(participants="987654", users="289252") == {"unchanged": 1}


def test_after_a_fatal_error_the_report_has_what_was_archived(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was under way when the run had to stop is finished and reported."""
    monkeypatch.setattr(halt, "GRACE_SECONDS", 10.0)
    world.settings["concurrency"] = 2

    def refuse(kind: str, _: dict[str, str]) -> None:
        if world.sandbox.requests["download"] == 3:
            world.sandbox.api_key = "another"

    world.settings["api_key"] = world.sandbox.api_key
    world.sandbox.on_request = refuse
    with pytest.raises(KeyRefusedError):
        world.run()
    (key,) = world.bucket.keys_below("runs/")
    report = world.bucket.document(key)
    assert report["status"] == "stopped"
    assert report["archived"] == len(world.bucket.records()) > 0


def test_force_sees_a_damaged_file(world: World) -> None:
    """A PDF that was altered in the bucket is never called unchanged by a forced run."""
    world.run()
    record = world.bucket.records(12345)[0]
    body = world.bucket.body(record["file"]["key"])
    world.bucket.put(record["file"]["key"], body[::-1])
    counts = world.counts(force=True, participants="987654")
    assert counts == {"failed": 1}
    assert "other bytes under the name" in world.observer.findings[0].error


def test_an_adopted_record_must_have_its_file(world: World) -> None:
    """Where index and PDF are gone, the record left over is not taken for an archived diploma."""
    world.run()
    record = world.bucket.records(12345)[0]
    (index,) = world.bucket.keys_below("certificates/c-ABC123456/")
    for key in (index, record["file"]["key"]):
        world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"acme/prod/{key}")
    world.sandbox.render_anew = True
    assert world.counts(participants="987654") == {"archived": 1}
    (index,) = world.bucket.keys_below("certificates/c-ABC123456/")
    entry = world.bucket.document(index)
    assert entry["file"] in world.bucket.keys_below("diplomas/")
    assert world.bucket.document(entry["record"])["file"]["key"] == entry["file"]
    assert world.counts(participants="987654") == {"unchanged": 1}


def test_a_crash_before_the_index_entry_is_repaired(world: World) -> None:
    """A record without its index entry is adopted, also where the PDF differs at each download."""
    world.sandbox.render_anew = True
    world.run()
    (index,) = world.bucket.keys_below("certificates/c-ABC123456/")
    before = world.bucket.document(index)
    world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"acme/prod/{index}")
    assert world.counts() == {"archived": 1, "unchanged": 5}
    assert world.bucket.document(index) == before
    assert len(world.bucket.records(12345)) == 1


def test_a_zero_date_is_no_deletion(world: World) -> None:
    """MySQL's zero date in `deleted_at` says that the diploma was not deleted."""
    world.sandbox.overrides[12345] = {"deleted_at": "0000-00-00 00:00:00"}
    assert world.counts(participants="987654") == {"archived": 1}


@pytest.mark.parametrize(
    ("deleted_at", "is_named"),
    [
        ("0000-00-00 00:00:00", False),
        ("0000-00-00T00:00:00+00:00", True),
        ("0000-00-00 00:00:00.000000", True),
        ("-0001-11-30 00:00:00", True),
        ("0001-01-01 00:00:00", True),
        ("1970-01-01 00:00:00", True),
        ("9999-12-31 23:59:59", True),
        ("never", True),
    ],
)
def test_no_date_is_no_deletion(world: World, deleted_at: str, is_named: bool) -> None:
    """A `deleted_at` that holds no date: archived as issued, with its PDF, and the field is named once."""
    for diploma in world.sandbox.diplomas.values():
        diploma.deleted_at = deleted_at
    done = world.command("sync", "--all", "--json")
    assert (done.returncode, json.loads(done.stdout.splitlines()[-1])["archived"]) == (0, 6)
    assert done.stderr.count("deleted_at is no date") == is_named
    assert {record["status"] for record in world.bucket.records()} == {"issued"}
    assert world.command("verify", "--full").returncode == 0


@pytest.mark.parametrize("damage", ["gone", "cut", "other"])
def test_a_record_that_lost_its_file_gets_no_index_entry(world: World, damage: str) -> None:
    """A record that a crash left without its index entry is archived only if its whole file is there."""
    world.run(participants="987654")
    (entry,) = world.bucket.keys_below("certificates/c-ABC123456/")
    (record,) = world.bucket.records(12345)
    root, file = world.bucket.prefix, record["file"]["key"]
    world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"{root}/{entry}")
    if damage == "gone":
        world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"{root}/{file}")
    else:
        body = world.bucket.body(file)
        world.bucket.put(file, body[:-1] if damage == "cut" else bytes(len(body)))
    world.run()
    entries = [world.bucket.document(key) for key in world.bucket.keys_below("certificates/c-ABC123456/")]
    if damage == "gone":  # the same file came again: the record has it now
        assert [one["file"] for one in entries] == [file]
        assert world.bucket.body(file).startswith(b"%PDF-")
    else:
        assert entries == []
