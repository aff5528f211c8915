"""A full pass or a backfill that was cut off goes on where it was; what it says in the end is about all of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from diploma_archive.errors import DiplomaArchiveError, KeyRefusedError
from diploma_archive.listing.selection import Scope
from diploma_archive.sandbox import LocalS3, Sandbox
from tests.support.world import World, new_bucket

PARTICIPANTS = 120
BATCH = 50


@pytest.fixture
def school(s3: LocalS3, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A school of 120 diplomas of 48 persons, and an empty bucket."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    with Sandbox(PARTICIPANTS, 48, seed=3, requests_per_second=None) as sandbox:
        yield World(sandbox, new_bucket(s3), s3.environment())


def cut_off(world: World, after_downloads: int, **options: Any) -> None:
    """Let FrontCore refuse the key in the middle of a run."""

    def refuse(kind: str, _params: dict[str, Any]) -> None:
        if kind == "download" and world.sandbox.requests["download"] >= after_downloads:
            world.sandbox.api_key = "another"

    world.sandbox.on_request = refuse
    with pytest.raises(KeyRefusedError):
        world.run(**options)
    world.sandbox.on_request = None
    world.sandbox.api_key = "sandbox-key"


def committed(world: World) -> int:
    """Return how many diplomas have an index entry."""
    return len(world.bucket.keys_below("certificates/"))


def is_whole(world: World, run: Any) -> None:
    """Check that the last run's counts and report are about the whole school, and that no checkpoint is left."""
    assert run.tally.listed == PARTICIPANTS
    assert run.tally.is_green
    (report,) = [key for key in world.bucket.keys_below("runs/") if run.run_id in key]
    outcomes = world.bucket.document(report)["outcomes"]
    assert sorted(row["diploma_id"] for row in outcomes) == sorted(world.sandbox.diplomas)
    assert all(row["record"] and row["record_sha256"] for row in outcomes if row["outcome"] == "archived")
    assert world.bucket.keys_below("state/checkpoints/") == []


@pytest.mark.parametrize("options", [{}, {"participants": "900000-987654"}], ids=["full pass", "backfill by ids"])
def test_a_run_that_was_cut_off_goes_on(school: World, options: dict[str, str]) -> None:
    """Nothing is downloaded twice, less than a batch is listed twice, and the report is about all of it."""
    if options:
        options = {"participants": ", ".join(map(str, school.sandbox.participants))}
    cut_off(school, 70, **options)
    done, first = committed(school), school.sandbox.requests["diplomas"]
    assert 0 < done < PARTICIPANTS
    school.sandbox.reset_counts()
    run = school.run(**options)
    assert school.sandbox.requests["download"] == PARTICIPANTS - done
    units = PARTICIPANTS if options else len({item["user"]["id"] for item in school.sandbox.participants.values()})
    assert first + school.sandbox.requests["diplomas"] <= units + BATCH
    is_whole(school, run)


def test_a_run_that_was_killed_goes_on(school: World) -> None:
    """`kill -9` too: the process had no time to write anything down at its end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "diploma_archive.cli", "sync", "--all"],
        env=school.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while school.sandbox.requests["download"] < 70 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    done, first = committed(school), school.sandbox.requests["diplomas"]
    assert 0 < done < PARTICIPANTS
    assert school.bucket.keys_below("state/checkpoints/")
    school.sandbox.reset_counts()
    run = school.run()
    # A diploma whose record was there, but not yet its index entry, is not downloaded either.
    assert school.sandbox.requests["download"] <= PARTICIPANTS - done
    assert first + school.sandbox.requests["diplomas"] <= 48 + BATCH
    is_whole(school, run)


def test_what_changed_meanwhile_is_listed_again(school: World) -> None:
    """An enrolment whose row changed after it was done is not taken for done."""
    cut_off(school, 100)
    (segment, *_) = [school.bucket.document(key) for key in school.bucket.keys_below("state/checkpoints/")]
    changed = segment["participants"][0]
    (diploma,) = [one for one in school.sandbox.diplomas.values() if one.participant_id == changed]
    school.sandbox.reissue(diploma.id, "2026-11-01 10:00:00", passed_note="again")
    school.sandbox.touch_participant(changed, datetime.now(UTC).isoformat(timespec="seconds"))
    run = school.run()
    assert run.tally.listed == PARTICIPANTS + 1  # once as it was, once as it is
    assert len(school.bucket.records(diploma.id)) == 2


@pytest.mark.parametrize(("minutes_before", "again"), [(30, True), (150, False)])
def test_what_changed_shortly_before_it_was_written_down_is_listed_again(
    school: World, minutes_before: int, again: bool
) -> None:
    """Clocks differ: a row that changed within the hour before its checkpoint may have been listed as it was."""
    cut_off(school, 100)
    (segment, *_) = [school.bucket.document(key) for key in school.bucket.keys_below("state/checkpoints/")]
    changed = segment["participants"][0]
    (diploma,) = [one for one in school.sandbox.diplomas.values() if one.participant_id == changed]
    school.sandbox.reissue(diploma.id, "2026-11-01 10:00:00", passed_note="again")
    moment = datetime.now(UTC) - timedelta(minutes=minutes_before)
    school.sandbox.touch_participant(changed, moment.isoformat(timespec="seconds"))
    school.run()
    assert len(school.bucket.records(diploma.id)) == 1 + again


def test_what_failed_is_tried_again(school: World) -> None:
    """A failure is never written down as done."""
    failing = sorted(school.sandbox.diplomas)[5]
    school.sandbox.fail_next("download", status=500, times=100, id=failing)
    cut_off(school, 70)
    school.sandbox.clear_faults()
    is_whole(school, school.run())


def test_who_has_no_diploma_is_counted_over_all_of_it(school: World) -> None:
    """A resumed backfill says of how many chosen participants there is none, also of those done before."""
    for _ in range(60):
        school.sandbox.add_participant()
    everybody = ", ".join(map(str, sorted(school.sandbox.participants, reverse=True)))
    cut_off(school, 100, participants=everybody)
    assert school.run(participants=everybody).tally.without_diploma == 60


def test_another_selection_begins_anew(school: World) -> None:
    """A backfill does not believe what a full pass wrote down, nor a forced run what another one did."""
    cut_off(school, 70)
    kept = school.bucket.keys_below("state/checkpoints/")
    everybody = ", ".join(map(str, school.sandbox.participants))
    school.sandbox.reset_counts()
    assert school.counts(participants=everybody)["archived"] < PARTICIPANTS
    assert school.sandbox.requests["diplomas"] == PARTICIPANTS
    assert school.bucket.keys_below("state/checkpoints/") == kept


def test_the_nightly_run_and_a_dry_run_leave_no_checkpoint(school: World) -> None:
    """What is short, or writes nothing, has nothing to go on with."""
    cut_off(school, 70, scope=Scope.INCREMENTAL)
    assert school.bucket.keys_below("state/") == []
    school.run(dry_run=True)
    assert school.bucket.keys_below("state/") == []


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"format": 1, "written_at": "yesterday"}', b"[1"])
def test_a_damaged_checkpoint_costs_requests_and_nothing_else(school: World, damage: bytes) -> None:
    """The bucket's evidence is the only truth."""
    cut_off(school, 100)
    for key in school.bucket.keys_below("state/checkpoints/"):
        school.bucket.put(key, damage)
    run = school.run()
    assert run.tally.listed == PARTICIPANTS
    assert run.tally.is_green
    assert school.bucket.keys_below("state/checkpoints/") == []


def test_an_old_checkpoint_counts_no_more(school: World) -> None:
    """After a day the source is read anew, and what is old is cleared away."""
    cut_off(school, 100)
    for key in school.bucket.keys_below("state/checkpoints/"):
        old = school.bucket.body(key).replace(b'"written_at": "20', b'"written_at": "19')
        school.bucket.put(key, old)
    school.sandbox.reset_counts()
    school.run()
    assert school.sandbox.requests["diplomas"] >= 48
    assert school.bucket.keys_below("state/checkpoints/") == []


def test_without_the_right_to_remove_it_counts_no_more_all_the_same(
    school: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that has ended is not gone on with, also where S3 refuses to remove its checkpoint; it stays green."""
    from diploma_archive.store.store import Store

    def refuse(_store: Store, _key: str) -> None:
        raise DiplomaArchiveError("S3 refuses to delete")

    cut_off(school, 70)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "remove_housekeeping", refuse)
        assert school.run().tally.is_green
    assert school.bucket.keys_below("state/checkpoints/")
    school.sandbox.reset_counts()
    run = school.run()
    assert school.sandbox.requests["diplomas"] >= 48
    is_whole(school, run)
