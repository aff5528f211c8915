"""Clocks that are ahead: a date in the future never makes a run blind for what comes before it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from diploma_archive.listing.selection import Scope
from diploma_archive.model.source_time import source_time
from tests.support.verifying import delete
from tests.support.world import World

FAR_AHEAD = "2099-01-01T10:00:00+01:00"


def cursor(world: World) -> str:
    return str((world.bucket.cursor() or {})["updated_at"])


def edit_cursor(world: World, updated_at: str) -> None:
    """Leave a cursor as a version before left it, which believed the date of a row."""
    document = (world.bucket.cursor() or {}) | {"updated_at": updated_at}
    delete(world.bucket, *world.bucket.keys_below("state/cursor/"))
    for key in world.bucket.keys_below("runs/"):  # which its reports did not name
        claims = ("archive_sha256", "marks", "receipts", "cursor")
        report = {name: value for name, value in world.bucket.document(key).items() if name not in claims}
        world.bucket.put(key, (json.dumps(report, indent=2) + "\n").encode())
    world.bucket.put("state/cursor.json", (json.dumps(document, indent=2) + "\n").encode())


def change(world: World) -> None:
    """Re-issue a diploma, as FrontCore shows it to a nightly run."""
    now = f"{source_time(datetime.now(UTC)) - timedelta(minutes=1)}"
    world.sandbox.reissue(500001, now, passed_note="corrected")
    world.sandbox.touch_participant(900001, now)


def test_the_cursor_never_passes_the_start_of_the_run(world: World) -> None:
    """One row dated ahead: the cursor is when the run began, by FrontCore's clock, and the next change is seen."""
    world.sandbox.touch_participant(900002, FAR_AHEAD)
    assert world.counts(Scope.INCREMENTAL) == {"archived": 6}
    assert cursor(world) <= str(source_time(datetime.now(UTC)))
    change(world)
    assert world.counts(Scope.INCREMENTAL)["archived"] == 1


def test_a_row_dated_ahead_is_read_in_every_run_and_listed_once(world: World) -> None:
    """It lies in every overlap; its diplomas are asked for again only if the row changed."""
    world.sandbox.touch_participant(900002, FAR_AHEAD)
    world.run(Scope.INCREMENTAL)
    world.sandbox.reset_counts()
    assert world.counts(Scope.INCREMENTAL) == {}
    assert world.sandbox.requests["diplomas"] == 0
    world.sandbox.touch_participant(900002, FAR_AHEAD.replace("2099", "2098"))
    world.run(Scope.INCREMENTAL)
    assert world.sandbox.requests["diplomas"] == 1


def test_a_cursor_ahead_is_not_gone_by_without_a_full_pass(world: World) -> None:
    """What a version before left: nightly runs saw nothing since; this one reads everything, says so, and is healed."""
    world.run(Scope.INCREMENTAL)
    edit_cursor(world, "2029-01-01 10:00:00")
    change(world)
    done = world.command("sync", "--json")
    assert (done.returncode, json.loads(done.stdout.splitlines()[-1])["archived"]) == (0, 1)
    assert "the cursor lies ahead of FrontCore's clock" in done.stderr
    assert "everything" in done.stderr
    assert cursor(world) < "2029"


def test_a_cursor_ahead_begins_at_the_last_full_pass(world: World) -> None:
    """With a full pass that finished, what changed since it began, less the overlap, is read and nothing else."""
    world.run(Scope.FULL)
    edit_cursor(world, "2029-01-01 10:00:00")
    world.sandbox.reset_counts()
    change(world)
    assert world.counts(Scope.INCREMENTAL) == {"archived": 1}
    assert world.sandbox.requests["diplomas"] == 1
    assert cursor(world) < "2029"


def test_a_quiet_night_with_a_cursor_ahead_is_noticed_too(world: World) -> None:
    """Where the first answer has no row at all, its date still says that the cursor lies ahead."""
    world.run(Scope.FULL)
    edit_cursor(world, "2090-01-01 10:00:00")
    world.run(Scope.INCREMENTAL)
    assert cursor(world) < "2029"
