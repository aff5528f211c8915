"""A record whose index entry a crash lost: it is archived all the same, and what comes after it must know.

Rule: after a green full run the record of a diploma that was archived last is the state at the source, whatever
happened before.
"""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from diploma_archive.errors import StoreError
from diploma_archive.store import s3_client
from tests.support.oracle import revision
from tests.support.s3_proxy import Answer, S3Proxy, S3Request
from tests.support.world import World

pytestmark = pytest.mark.usefixtures("impatient")
DIPLOMA, PARTICIPANT = 12345, "987654"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that fails need not be asked again and again."""
    once = {"mode": "standard", "total_max_attempts": 1}
    monkeypatch.setattr(s3_client, "PATIENT", {**s3_client.PATIENT, "retries": once})


def lose_the_index_entry(world: World, proxy: S3Proxy, **options: Any) -> None:
    """Archive the diploma up to its record, as a crash after that does."""
    proxy.fault(Answer(500, "InternalError"), method="PUT", key="certificates/", times=None)
    with contextlib.suppress(StoreError):
        world.run(participants=PARTICIPANT, **options)
    proxy.clear()
    entries = [key for key in world.bucket.keys_below("certificates/") if f"/{DIPLOMA}." in key]
    assert len(world.bucket.records(DIPLOMA)) == len(entries) + 1


def current(world: World) -> dict[str, Any]:
    """Return the current record: the one archived last (ADR 5)."""
    return world.bucket.records(DIPLOMA)[-1]


def check_current(world: World) -> None:
    """A green full run leaves the state at the source as the current record."""
    assert world.run().tally.is_green
    item = world.sandbox.diplomas[DIPLOMA].item()
    status = "withdrawn" if item["deleted_at"] else "issued"
    found = current(world)
    assert (found["revision"], found["status"]) == (revision(item), status)


def test_the_next_revision_supersedes_it(world: World, proxy: S3Proxy) -> None:
    """`supersedes` names the revision archived before, also where its index entry is lost."""
    lose_the_index_entry(world, proxy)
    (first,) = world.bucket.records(DIPLOMA)
    world.sandbox.reissue(DIPLOMA, "2026-03-01 08:00:00")
    check_current(world)
    assert current(world)["supersedes"] == first["revision"]


def test_a_withdrawal_half_archived_is_not_current_after_the_diploma_came_back(world: World, proxy: S3Proxy) -> None:
    """Withdrawn, archived up to the record, and back again: the archive must not go on saying `withdrawn`."""
    world.run(participants=PARTICIPANT)
    world.sandbox.change(DIPLOMA, {"deleted_at": "2026-03-01 08:00:00"})
    lose_the_index_entry(world, proxy)
    world.sandbox.change(DIPLOMA, {"deleted_at": None})
    check_current(world)


def test_an_old_generation_half_archived_is_not_taken_for_the_new_one(world: World, proxy: S3Proxy) -> None:
    """A generation left by a crash, older than a withdrawal, must not stand for the diploma that came back after it."""
    world.sandbox.render_anew = True
    world.run(participants=PARTICIPANT)
    lose_the_index_entry(world, proxy, force=True)
    world.sandbox.change(DIPLOMA, {"deleted_at": "2026-03-01 08:00:00"})
    check_current(world)
    world.sandbox.change(DIPLOMA, {"deleted_at": None})
    check_current(world)


def test_a_withdrawal_undone_with_its_timestamp_is_not_current(world: World) -> None:
    """Deleted with a new `updated_at`, and restored with the old one: current is the diploma, not the withdrawal."""
    check_current(world)
    before = world.sandbox.diplomas[DIPLOMA].updated_at
    world.sandbox.change(DIPLOMA, {"deleted_at": "2026-03-01 08:00:00", "updated_at": "2026-03-01 08:00:00"})
    check_current(world)
    world.sandbox.change(DIPLOMA, {"deleted_at": None, "updated_at": before})
    check_current(world)


def test_an_entry_that_may_not_be_written_anew_is_not_green(world: World, proxy: S3Proxy) -> None:
    """Another one lies in its place, and the credentials may only create: the record counts, the run is not green."""
    planted: list[str] = []

    def be_faster(request: S3Request) -> None:
        if request.method == "PUT" and "certificates/" in request.key and not planted:
            planted.append(request.key.removeprefix(f"{world.bucket.prefix}/"))
            world.bucket.put(planted[0], b'{"record": "diplomas/other.json"}')

    proxy.on_request = be_faster
    proxy.fault(Answer(403, "AccessDenied"), method="PUT", key="certificates/", times=None, skip=2)
    run = world.run(participants=PARTICIPANT)
    assert (run.tally.counts["archived"], run.tally.is_green) == (1, False)
    (report,) = [world.bucket.document(key) for key in world.bucket.keys_below("runs/") if run.run_id in key]
    assert any("may not write it anew" in line.get("error", "") for line in report["outcomes"])
    assert len(world.bucket.records(DIPLOMA)) == 1
    proxy.on_request = None
    proxy.clear()
    assert world.command("rebuild-index").returncode == 0
    assert world.run().tally.is_green


def test_names_that_are_too_long_stop_the_first_write(world: World, proxy: S3Proxy) -> None:
    """A server that does not even take a short key of this archive: one sentence with what to set, and no downloads."""
    proxy.fault(Answer(400, "KeyTooLongError"), method="PUT", times=None)
    done = world.command("sync", "--all", **proxy.environment(world.s3_environment))
    assert done.returncode == 3
    assert "is longer than this S3 server takes. Use a shorter ARCHIVE_PREFIX" in " ".join(done.stderr.split())
    assert world.bucket.keys_below() == []
