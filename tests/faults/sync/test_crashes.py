"""Crashes at every S3 request: what is left is always whole, and the next run completes it."""

from __future__ import annotations

import contextlib
import hashlib

import pytest

from diploma_archive.errors import StoreError
from diploma_archive.sandbox import LocalS3
from diploma_archive.store import s3_client
from tests.support.invariants import check_committed, check_written_once
from tests.support.s3_proxy import CutAnswer, S3Proxy
from tests.support.world import World, new_bucket

MORE_THAN_A_RUN = 40
VOLATILE = ("archived_at", "run_id")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that plays dead need not be asked again and again."""
    once = {"mode": "standard", "total_max_attempts": 1}
    monkeypatch.setattr(s3_client, "PATIENT", {**s3_client.PATIENT, "retries": once})
    monkeypatch.setattr(s3_client, "FIRST_LOOK", {**s3_client.FIRST_LOOK, "retries": once})


def committed(world: World) -> dict[str, str]:
    """Return what is archived by key, comparable between runs: no orphan PDFs, no moments, no run ids."""
    named = {record["file"]["key"] for record in world.bucket.records() if record["file"]}
    found = {}
    for key, body in world.bucket.evidence().items():
        if key.endswith(".pdf"):
            if key in named:
                found[key] = hashlib.sha256(body).hexdigest()
            continue
        document = world.bucket.document(key)
        document.get("source", {}).pop("listed_at", None)
        found[key] = repr([(name, value) for name, value in sorted(document.items()) if name not in VOLATILE])
    return found


def one_diploma(world: World) -> None:
    """Archive the documented diploma."""
    world.run(participants="987654")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("after", "render_anew"),
    [(False, False), (True, False), (True, True)],
    ids=["before", "after", "after, other bytes at each download"],
)
def test_a_crash_at_any_request_leaves_nothing_broken(
    world: World, proxy: S3Proxy, s3: LocalS3, after: bool, render_anew: bool
) -> None:
    """A crash before and after every single S3 request of one diploma, then a rerun, equals the clean run."""
    world.sandbox.render_anew = render_anew
    one_diploma(world)
    clean = committed(world)
    assert len(clean) == 3
    for at in range(1, MORE_THAN_A_RUN):
        world.bucket = new_bucket(s3)
        proxy.reset()
        proxy.die(at, after=after)
        with contextlib.suppress(StoreError):
            one_diploma(world)
        crashed = any(request.status == 0 for request in proxy.requests)
        proxy.revive()
        check_committed(world.bucket)
        one_diploma(world)
        check_committed(world.bucket)
        check_written_once(world.bucket)
        left = committed(world)
        if render_anew:
            assert len(left) == len(clean)
        else:
            assert left == clean
        if not crashed:
            break
    assert 10 < at < MORE_THAN_A_RUN - 1


@pytest.mark.parametrize(
    "key", [r"\.pdf$", r"^acme/prod/diplomas/.*\.json$", "certificates/", "runs/", r"archive\.json$"]
)
@pytest.mark.parametrize("render_anew", [False, True], ids=["same bytes", "other bytes at each download"])
def test_a_lost_answer_to_a_put_is_recognised_as_our_own(
    world: World, proxy: S3Proxy, key: str, render_anew: bool
) -> None:
    """Where S3 stored what we sent and its answer was lost, the retry meets our own object: archived, once."""
    world.sandbox.render_anew = render_anew
    proxy.fault(CutAnswer(), method="PUT", key=key, times=1)
    assert world.counts(participants="987654") == {"archived": 1}
    assert any(request.status == 412 for request in proxy.requests)
    assert len(world.bucket.records(12345)) == 1
