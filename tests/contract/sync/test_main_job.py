"""The main job on real servers: list, download, archive, and again for free."""

from __future__ import annotations

import hashlib
import json
import re

from diploma_archive.listing.selection import Scope
from diploma_archive.store.create_only import RUN_PROBE
from tests.support.world import World

HEX = "[0-9a-f]"
LAYOUT = re.compile(
    rf"archive\.json|state/cursor/\d{{10}}-{HEX}{{32}}\.json"
    rf"|diplomas/(s-[A-Za-z0-9._-]+|no-serial)/([cd])-[A-Za-z0-9._-]+/({HEX}{{64}}\.pdf|{HEX}{{16}}(\.\d+)?\.json)"
    rf"|certificates/([cd])-[A-Za-z0-9._-]+/\d+\.{HEX}{{16}}(\.\d+)?\.json"
    rf"|runs/\d{{4}}/\d\d/\d\d/\d{{8}}T\d{{6}}Z-{HEX}+\.json"
    rf"|quarantine/([cd])-[A-Za-z0-9._-]+/{HEX}{{64}}\.(bin|json)"
)


def test_a_full_pass_archives_every_diploma(world: World) -> None:
    """Nothing is lost: each diploma has its PDF, its record and its index entry, and each names the others."""
    assert world.counts() == {"archived": 6}
    records = world.bucket.records()
    assert {record["diploma_id"] for record in records} == set(world.sandbox.diplomas)
    for record in records:
        body = world.bucket.body(record["file"]["key"])
        assert body == world.sandbox.pdf_of(record["diploma_id"])
        assert hashlib.sha256(body).hexdigest() == record["file"]["sha256"]
        assert len(body) == record["file"]["size"]
    index = [world.bucket.document(key) for key in world.bucket.keys_below("certificates/")]
    assert {world.bucket.document(entry["record"])["diploma_id"] for entry in index} == set(world.sandbox.diplomas)
    assert {entry["file"] for entry in index} == {record["file"]["key"] for record in records}


def test_the_bucket_holds_what_the_layout_says_and_nothing_else(world: World) -> None:
    """A person who reads the bucket finds format 1 and no strangers."""
    world.run()
    assert [key for key in world.bucket.keys_below() if not LAYOUT.fullmatch(key)] == []
    identity = world.bucket.document("archive.json")
    assert (identity["format"], identity["account"]) == (1, "default")


def test_a_second_run_is_free(world: World) -> None:
    """Nothing is archived twice: no download, and nothing written but the run report."""
    world.run()
    before, versions = world.bucket.evidence(), world.bucket.versions()
    world.sandbox.reset_counts()
    assert world.counts() == {"unchanged": 6}
    assert world.sandbox.requests["download"] == 0
    assert world.bucket.evidence() == before
    after = world.bucket.versions()
    written = {key for key in after if after[key] != versions.get(key)} - {RUN_PROBE}
    assert written == set(world.bucket.keys_below("runs/")) - set(versions)


def test_nothing_is_ever_written_twice(world: World) -> None:
    """Nothing is overwritten: after runs of every kind no key of the evidence has a second version."""
    world.run()
    world.run(force=True)
    world.sandbox.reissue(12345, "2026-03-01 10:00:00", passed_note="corrected")
    world.run()
    versions = world.bucket.versions()
    assert {key for key, count in versions.items() if count > 1 and not key.startswith("state/")} == set()


def test_a_reissued_diploma_gets_a_second_revision(world: World) -> None:
    """Nothing is overwritten: the first revision and its PDF stay, and the second names it."""
    world.run()
    first = world.bucket.evidence()
    course = {**world.sandbox.diplomas[12345].course, "title": "Another title"}
    world.sandbox.reissue(12345, "2026-03-01 10:00:00", course=course)
    assert world.counts() == {"archived": 1, "unchanged": 5}
    assert first.items() <= world.bucket.evidence().items()
    old, new = world.bucket.records(12345)
    assert (old["supersedes"], new["supersedes"]) == (None, old["revision"])
    assert old["file"]["sha256"] != new["file"]["sha256"]


def test_a_deleted_diploma_is_withdrawn_and_its_pdf_stays(world: World) -> None:
    """Nothing is lost: a deletion at the source is recorded without a download, and the file is kept."""
    world.run()
    first = world.bucket.evidence()
    world.sandbox.diplomas[12345].deleted_at = "2026-03-01 10:00:00"
    world.sandbox.reset_counts()
    assert world.counts() == {"unchanged": 5, "withdrawn": 1}
    assert world.sandbox.requests["download"] == 0
    assert first.items() <= world.bucket.evidence().items()
    issued, withdrawn = world.bucket.records(12345)
    assert (withdrawn["status"], withdrawn["file"]) == ("withdrawn", None)
    assert withdrawn["supersedes"] == issued["revision"]
    assert world.counts() == {"unchanged": 6}


def test_a_withdrawn_diploma_that_comes_back_gets_a_new_generation(world: World) -> None:
    """The archive says what is valid now: a diploma that came back unchanged is issued again, once."""
    world.run()
    diploma = world.sandbox.diplomas[12345]
    for deleted_at in ("2026-03-01 10:00:00", None, "2026-03-01 10:00:00", None):
        diploma.deleted_at = deleted_at
        assert world.counts() == {"unchanged": 5, "withdrawn" if deleted_at else "archived": 1}
        assert world.counts() == {"unchanged": 6}
    records = world.bucket.records(12345)
    assert [(record["status"], record["generation"]) for record in records] == [
        ("issued", 1),
        ("withdrawn", 1),
        ("issued", 2),
        ("withdrawn", 2),
        ("issued", 3),
    ]
    assert sum(".3.json" in key for key in world.bucket.keys_below("certificates/c-ABC123456/")) == 1


def test_force_keeps_known_bytes_and_adds_a_generation_for_others(world: World) -> None:
    """Forcing never overwrites: the same bytes change nothing, other bytes become a new generation."""
    world.run()
    before = world.bucket.evidence()
    world.sandbox.reset_counts()
    assert world.counts(force=True) == {"unchanged": 6}
    assert world.sandbox.requests["download"] == 6
    assert world.bucket.evidence() == before
    world.sandbox.render_anew = True
    assert world.counts(force=True, participants="987654") == {"archived": 1}
    first, second = world.bucket.records(12345)
    assert (first["revision"], second["generation"]) == (second["revision"], 2)
    assert before.items() <= world.bucket.evidence().items()


def test_force_brings_a_lost_file_back(world: World) -> None:
    """Nothing stays lost: a PDF that vanished from the bucket is stored again under its name."""
    world.run()
    record = world.bucket.records(12345)[0]
    world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"acme/prod/{record['file']['key']}")
    world.run(force=True, participants="987654")
    assert world.bucket.body(record["file"]["key"]) == world.sandbox.pdf_of(12345)


def test_new_bytes_at_each_download_are_no_change(world: World) -> None:
    """What changed is decided from metadata, never from bytes."""
    world.sandbox.render_anew = True
    assert world.counts() == {"archived": 6}
    assert world.counts() == {"unchanged": 6}


def test_a_dry_run_says_what_a_real_run_does_and_writes_nothing(world: World) -> None:
    """A dry run counts the outcomes of the real one, conflicts within the run included, and leaves no trace."""
    world.sandbox.add_diploma(987654, random_certificate_number="ABC123456")
    world.sandbox.diplomas[500001].deleted_at = "2026-03-01 10:00:00"
    dry = world.counts(dry_run=True)
    assert world.bucket.keys_below() == []
    assert world.sandbox.requests["download"] == 0
    assert dry == world.counts() == {"archived": 5, "withdrawn": 1, "conflict": 1}


def test_an_incremental_run_reads_only_what_changed(world: World) -> None:
    """The request budget is kept: after the first run only the newest day and the change are listed."""
    assert world.counts(Scope.INCREMENTAL) == {"archived": 6}
    world.sandbox.reissue(500001, "2026-11-01 10:00:00", passed_note="better")
    world.sandbox.touch_participant(900001, "2026-11-01T10:00:00+01:00")
    world.sandbox.reset_counts()
    counts = world.counts(Scope.INCREMENTAL)
    assert counts["archived"] == 1
    assert world.sandbox.requests["diplomas"] <= 2
    assert (world.bucket.cursor() or {})["updated_at"] == "2026-11-01 10:00:00"


def test_a_nightly_run_costs_what_changed(world: World) -> None:
    """At most two pages, one listing for each person changed and one download for each new diploma."""
    for participant in world.sandbox.participants.values():  # a school in which everything happened on one day
        participant["updated_at"] = "2026-03-01T10:00:00+01:00"
    world.run(Scope.INCREMENTAL)
    for night, changed in enumerate([(900001,), (900002, 987654), ()], start=2):
        for participant_id in changed:
            (diploma,) = [one for one in world.sandbox.diplomas.values() if one.participant_id == participant_id]
            world.sandbox.reissue(diploma.id, f"2026-03-0{night} 09:00:00", passed_note=f"changed {night}")
            world.sandbox.touch_participant(participant_id, f"2026-03-0{night}T09:00:00+01:00")
        world.sandbox.reset_counts()
        counts = world.counts(Scope.INCREMENTAL)
        assert counts == ({"archived": len(changed)} if changed else {})
        assert world.sandbox.requests.total() <= 2 + 2 * len(changed)


def test_a_row_that_is_written_late_is_not_skipped(world: World) -> None:
    """Within the overlap of a day a participant with an older `updated_at` is still found, and a changed row too."""
    for participant in world.sandbox.participants.values():
        participant["updated_at"] = "2026-03-01T10:00:00+01:00"
    world.run(Scope.INCREMENTAL)
    late = world.sandbox.add_participant(updated_at="2026-02-28T12:00:00+01:00")
    world.sandbox.add_diploma(late["id"], random_certificate_number="LATE-1")
    assert world.counts(Scope.INCREMENTAL) == {"archived": 1}
    world.sandbox.reissue(12345, "2026-03-01 11:00:00", passed_note="without a new updated_at of the participant")
    world.sandbox.participants[987654]["certificate_issued_at"] = "2026-03-01"
    assert world.counts(Scope.INCREMENTAL) == {"archived": 1}


def test_a_backfill_leaves_the_cursor_alone(world: World) -> None:
    """Nothing is skipped: only runs that read the whole change move the cursor."""
    world.run(participants="900001-900003, 987654")
    assert world.bucket.cursor() is None
    world.run(Scope.INCREMENTAL)
    before = world.bucket.cursor()
    world.sandbox.touch_participant(900001, "2027-01-01T10:00:00+01:00")
    world.run(participants="900001")
    assert world.bucket.cursor() == before


def test_a_chosen_participant_without_a_diploma_is_mentioned(world: World) -> None:
    """A mistyped id is no failure, but it is not passed over in silence either."""
    run = world.run(participants="1, 900001")
    assert run.tally.sentence() == "1 archived, 0 unchanged, 0 failed, 1 chosen without a diploma"
    assert run.tally.is_green


def test_participants_that_failed_are_tried_again(world: World) -> None:
    """Nothing is skipped for good: what failed stands in the retry list and is archived by the next run."""
    world.sandbox.fail_next("download", status=418, times=1, id=12345)
    assert world.counts(Scope.INCREMENTAL) == {"archived": 5, "failed": 1}
    assert (world.bucket.cursor() or {})["retry"] == [987654]
    world.sandbox.touch_participant(900001, "2027-01-01T10:00:00+01:00")
    assert world.counts(Scope.INCREMENTAL)["archived"] == 1
    assert (world.bucket.cursor() or {})["retry"] == []


def test_the_run_report_names_each_outcome_and_nobody(world: World) -> None:
    """What a run did can be read later, by diploma id and certificate, without personal data."""
    run = world.run()
    (key,) = world.bucket.keys_below("runs/")
    report = world.bucket.document(key)
    assert key.endswith(f"-{run.run_id}.json")
    assert (report["archived"], report["listed"], report["status"]) == (6, 6, "finished")
    assert {row["diploma_id"] for row in report["outcomes"]} == set(world.sandbox.diplomas)
    assert all(row["record"] in world.bucket.keys_below("diplomas/") for row in report["outcomes"])
    assert "Doe" not in json.dumps(report)


def test_a_person_is_asked_for_once_and_nothing_is_counted_twice(world: World) -> None:
    """The budget is kept: a person with several enrolments in a batch costs one listing, with the same outcomes."""
    world.sandbox.add_participant(user_id=289252)
    identifier = max(world.sandbox.participants)
    world.sandbox.add_diploma(identifier, random_certificate_number="SECOND-1")
    persons = {item["user"]["id"] for item in world.sandbox.participants.values()}
    assert world.counts() == {"archived": 7}
    assert world.sandbox.requests["diplomas"] == len(persons) < 7


def test_a_source_that_names_no_persons_is_listed_by_participant(world: World) -> None:
    """Nothing is lost where FrontCore leaves the person's id out."""
    world.sandbox.with_user_ids = None
    assert world.counts() == {"archived": 6}
    assert world.sandbox.requests["diplomas"] == 6
