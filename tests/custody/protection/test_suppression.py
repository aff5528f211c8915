"""Suppression: who was erased does not come back, and without the right key no run goes on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from diploma_archive.archive.checkpoints import Segment
from diploma_archive.errors import Kind, StoreError
from diploma_archive.listing.selection import Scope, Selection
from diploma_archive.sync.resume import selection_digest
from tests.support.erasing import (
    CANARY,
    SUPPRESSION_KEY,
    USER,
    all_versions,
    diplomas_of,
    erase,
    plant_person,
    run_erase,
    where_is,
    with_marks,
)
from tests.support.s3_proxy import S3Proxy
from tests.support.world import PREFIX, World


def erased(world: World) -> int:
    """Archive the school, erase a person, and return how many diplomas they have."""
    plant_person(world)
    world.run()
    assert erase(world, "--user", str(USER), "--confirm")[0] == 0
    return len(diplomas_of(world))


def test_the_next_run_does_not_bring_the_person_back(world: World) -> None:
    """A full pass, a forced one and a backfill of the person download and write nothing of theirs, and are green."""
    count = erased(world)
    others = len(world.sandbox.diplomas) - count
    with_marks(world)
    for options in ({}, {"force": True}):
        downloads = world.sandbox.requests["download"]
        run = world.run(**options)
        assert run.tally.is_green
        assert run.tally.as_counts()["suppressed"] == count
        assert run.tally.listed == run.tally.counts["unchanged"] == others
        assert world.sandbox.requests["download"] - downloads == (others if options else 0)
    participants = [str(world.sandbox.diplomas[each].participant_id) for each in diplomas_of(world)]
    for chosen in ({"users": str(USER)}, {"participants": ", ".join(participants)}):
        run = world.run(**chosen)
        assert world.counts(**chosen) == {"suppressed": count}
        assert run.tally.without_diploma == 0
        assert run.tally.is_green
    assert where_is(world.bucket, CANARY) == set()


def test_a_new_diploma_of_the_person_stays_out_and_of_others_goes_in(world: World) -> None:
    """The mark is the person's, not the diploma's; everybody else is archived as before."""
    count = erased(world)
    world.sandbox.add_diploma(world.sandbox.add_participant(USER)["id"])
    world.sandbox.add_diploma(world.sandbox.add_participant(700_002)["id"])
    counts = with_marks(world).counts()
    assert (counts["suppressed"], counts["archived"]) == (count + 1, 1)


def test_an_erased_certificate_stays_out_whoever_has_it(world: World) -> None:
    """By certificate the mark is the certificate's; the person's other diplomas are archived."""
    plant_person(world)
    world.run()
    diploma = world.sandbox.diplomas[diplomas_of(world)[0]]
    assert erase(world, "--certificate", diploma.random_certificate_number, "--confirm")[0] == 0
    assert with_marks(world).counts() == {"unchanged": 5, "suppressed": 1}


def test_the_run_report_counts_and_does_not_name(world: World) -> None:
    """A report of a run after the erasure has the count, and no line with the person's ids."""
    count = erased(world)
    before = set(world.bucket.keys_below("runs/"))
    with_marks(world).run()
    (key,) = set(world.bucket.keys_below("runs/")) - before
    report = world.bucket.document(key)
    assert report["suppressed"] == count
    assert report["listed"] == len(report["outcomes"]) == len(world.sandbox.diplomas) - count
    ids = set(diplomas_of(world))
    assert not ids & {outcome["diploma_id"] for outcome in report["outcomes"]}


def test_without_marks_no_run_speaks_of_them(world: World) -> None:
    """The contract of section 11 stays as it is where nobody was erased."""
    assert "suppressed" not in world.run().tally.as_counts()
    assert "suppressed" not in world.command("sync", "--all", "--json").stdout


@pytest.mark.parametrize(
    ("key", "named"),
    [(None, "ARCHIVE_SUPPRESSION_KEY is missing"), ("another-key-that-is-long-enough-0123456", "is not the key")],
    ids=["missing", "another"],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_without_the_right_key_nothing_is_downloaded(world: World, key: str | None, named: str, dry_run: bool) -> None:
    """A run that cannot tell who was erased is fatal before it asks FrontCore anything."""
    erased(world)
    world.settings["suppression_key"] = key
    asked = world.sandbox.requests.total()
    with pytest.raises(StoreError, match=named) as caught:
        world.run(dry_run=dry_run)
    assert caught.value.kind is Kind.FATAL
    assert world.sandbox.requests.total() == asked
    assert where_is(world.bucket, CANARY) == set()


def test_the_command_says_it_in_one_sentence(world: World) -> None:
    """Exit code 3, JSON, and no key in the output."""
    erased(world)
    done = world.command("sync", "--all", "--json")
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, answer["kind"]) == (3, "fatal")
    assert "ARCHIVE_SUPPRESSION_KEY" in answer["error"]
    done = world.command("sync", "--all", "--json", ARCHIVE_SUPPRESSION_KEY=SUPPRESSION_KEY)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["suppressed"] == len(diplomas_of(world))
    assert SUPPRESSION_KEY not in done.stdout + done.stderr
    done = world.command("sync", "--all", ARCHIVE_SUPPRESSION_KEY=SUPPRESSION_KEY)
    assert f"{len(diplomas_of(world))} suppressed" in done.stdout


def test_erase_refuses_another_key_than_the_one_before(world: World) -> None:
    """Two keys in one archive would let half of the persons back in."""
    erased(world)
    keys = world.bucket.keys_below()
    code, answer, _ = erase(
        world, "--user", "5", "--confirm", ARCHIVE_SUPPRESSION_KEY="another-key-that-is-long-enough-0123456"
    )
    assert (code, answer["kind"]) == (3, "fatal")
    assert world.bucket.keys_below() == keys


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"key_check": 7}', b"\xff\xfe"])
def test_a_damaged_mark_stops_the_run(world: World, body: bytes) -> None:
    """A mark that cannot be understood is never passed over."""
    erased(world)
    (mark,) = world.bucket.keys_below("suppressed/")
    world.bucket.put(mark, body)
    with pytest.raises(StoreError) as caught:
        with_marks(world).run()
    assert caught.value.kind is Kind.FATAL


def test_what_is_no_mark_stops_nothing(world: World) -> None:
    """A folder made in a console, or a note, is no mark."""
    plant_person(world)
    world.bucket.put("suppressed/", b"")
    world.bucket.put("suppressed/readme.txt", b"hello")
    assert world.counts() == {"archived": 6}


def test_one_list_a_run_and_before_everything_else(world: World) -> None:
    """The marks are listed once, right after archive.json was read."""
    erased(world)
    with_marks(world)
    with S3Proxy(world.s3_environment["AWS_ENDPOINT_URL_S3"]) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint_url)
        world.run(Scope.INCREMENTAL)
        lists = [
            one.number for one in proxy.requests if one.query.get("prefix", "").startswith(f"{PREFIX}/suppressed/")
        ]
        assert lists == [2]
        assert proxy.requests[0].key.endswith("archive.json")


def test_lifting_lets_the_person_back_in(world: World) -> None:
    """--lift shows first, then removes the mark for good; the next run archives the person again."""
    count = erased(world)
    with_marks(world)
    code, answer, _ = erase(world, "--user", str(USER), "--lift")
    assert (code, answer) == (0, {"dry_run": True, "was_suppressed": True, "lifted": False, "locked": []})
    assert world.counts()["suppressed"] == count
    code, answer, _ = erase(world, "--user", str(USER), "--lift", "--confirm")
    assert (code, answer["lifted"]) == (0, True)
    assert where_is(world.bucket, "key_check") == set()
    assert world.counts() == {"archived": count, "unchanged": len(world.sandbox.diplomas) - count}
    assert "no suppression mark" in run_erase(world, "--user", str(USER), "--lift", "--confirm").stdout


def test_nobody_is_kept_out_before_anything_is_held(world: World) -> None:
    """Who asks before their first diploma is archived is kept out too, and one receipt vouches for the mark."""
    world.run(participants="987654")
    plant_person(world)
    code, answer, _ = erase(world, "--user", str(USER), "--confirm")
    assert (code, answer["objects"], bool(answer["receipt"])) == (0, 0, True)
    assert erase(world, "--user", str(USER), "--confirm")[1]["receipt"] is None
    assert with_marks(world).counts()["suppressed"] == len(diplomas_of(world))


def test_a_pass_that_meets_only_erased_persons_is_no_empty_source(world: World) -> None:
    """ "FrontCore lists nothing" is about the source; who is kept out was listed."""
    erased(world)
    for diploma_id in set(world.sandbox.diplomas) - set(diplomas_of(world)):
        del world.sandbox.diplomas[diploma_id]
    run: Any = with_marks(world).run()
    assert run.tally.is_green


def test_a_run_that_goes_on_after_an_erasure_says_nothing_of_the_person(world: World) -> None:
    """What a run that was cut off noted about an erased person is gone with the person."""
    with_marks(world).run()
    (entry,) = [key for key in world.bucket.keys_below("certificates/") if "/12345." in key]
    noted = world.bucket.document(entry)
    outcome = {"outcome": "archived", "diploma_id": 12345, "participant_id": 987654, "record": noted["record"]}
    segment = Segment("a" * 32, datetime.now(UTC), (987654,), (), (outcome,))
    left = f"state/checkpoints/{selection_digest(Selection(Scope.FULL), force=False)}/{'a' * 32}-000001.json"
    world.bucket.put(left, json.dumps(segment.to_document()).encode())
    code, _, stderr = erase(world, "--user", "289252", "--confirm")
    assert code == 0, stderr
    assert left not in {key for key, _ in all_versions(world.bucket)}
    run = world.run()
    (report,) = [key for key in world.bucket.keys_below("runs/") if run.run_id in key]
    assert 12345 not in {row["diploma_id"] for row in world.bucket.document(report)["outcomes"]}
