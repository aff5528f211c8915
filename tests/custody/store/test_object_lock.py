"""Object Lock passed through on PUT: the evidence is locked, the rest is not, and half a setting stops the run."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from diploma_archive.errors import Kind, StoreError
from diploma_archive.sandbox import LocalS3, Sandbox
from diploma_archive.store.object_lock import ObjectLock, retain_until
from tests.support.erasing import USER, erase, locked_bucket, plant_person
from tests.support.s3_proxy import Answer, S3Proxy
from tests.support.world import PREFIX, World

LOCK = {"object_lock_mode": "governance", "retain_years": 3}
COMMAND = {"ARCHIVE_OBJECT_LOCK_MODE": "governance", "ARCHIVE_RETAIN_YEARS": "3"}


@pytest.fixture
def lockable(sandbox: Sandbox, s3: LocalS3, monkeypatch: pytest.MonkeyPatch) -> World:
    """The small school and a bucket that can lock objects, without a default."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    return World(sandbox, locked_bucket(s3), s3.environment())


def locks(world: World) -> dict[str, tuple[str | None, datetime | None]]:
    """Return mode and date of every object."""
    found = {}
    for key in world.bucket.keys_below():
        head: Any = world.bucket.client.head_object(Bucket=world.bucket.name, Key=f"{PREFIX}/{key}")
        found[key] = (head.get("ObjectLockMode"), head.get("ObjectLockRetainUntilDate"))
    return found


def test_the_evidence_is_locked_and_nothing_else(lockable: World) -> None:
    """PDFs, records and index entries are locked for the years; cursor, reports, identity and quarantine are not."""
    lockable.sandbox.diplomas[12345].pdf = b"%PDF-1.4\n" + b"not really " * 30 + b"\n%%EOF\n"
    lockable.settings.update(LOCK)
    assert lockable.counts() == {"archived": 5, "quarantined": 1}
    found = locks(lockable)
    evidence = {key for key in found if key.startswith(("diplomas/", "certificates/"))}
    assert len(evidence) == 15
    assert {key.partition("/")[0] for key in found} > {"quarantine", "runs", "state", "archive.json"}
    soon, late = datetime.now(UTC) + timedelta(days=3 * 365 - 1), datetime.now(UTC) + timedelta(days=3 * 366)
    for key, (mode, until) in found.items():
        if key in evidence:
            assert mode == "GOVERNANCE"
            assert until is not None
            assert soon < until < late
        else:
            assert mode is None, key


def test_a_repeat_a_new_revision_and_the_cursor_work_under_lock(lockable: World) -> None:
    """Locked objects are never overwritten anyway: the next runs are as without a lock."""
    lockable.settings.update(LOCK)
    assert lockable.counts() == {"archived": 6}
    assert lockable.counts() == {"unchanged": 6}
    lockable.sandbox.reissue(12345, "2026-03-01 10:00:00", passed_note="corrected")
    lockable.sandbox.touch_participant(987654, "2027-01-01 10:00:00")
    assert lockable.counts() == {"archived": 1, "unchanged": 5}
    assert lockable.counts(force=True) == {"unchanged": 6}


def test_what_a_run_locked_is_not_erased_and_that_is_said(lockable: World) -> None:
    """The two settings meet: erase names every locked version and its date, and claims nothing."""
    plant_person(lockable)
    lockable.settings.update(LOCK)
    lockable.run()
    code, answer, _ = erase(lockable, "--user", str(USER), "--confirm")
    assert (code, answer["complete"], answer["erased"]["objects"]) == (1, False, 0)
    assert {each["key"] for each in answer["locked"]} == {each["key"] for each in answer["keys"]}
    assert all(each["reason"] == "governance" and each["until"] for each in answer["locked"])
    receipt = lockable.bucket.document(answer["receipt"])
    assert (receipt["complete"], receipt["records"], receipt["locked"]["count"]) == (False, [], len(answer["locked"]))
    assert receipt["locked"]["until"]


def test_compliance_is_a_warning_at_each_run(lockable: World, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody can erase under compliance, so each run says so; governance is silent."""
    lockable.settings.update(LOCK)
    lockable.run(participants="987654")
    assert not [record for record in caplog.records if "compliance" in record.getMessage()]
    lockable.settings.update(object_lock_mode="compliance", object_lock_compliance_confirmed="yes")
    for _ in range(2):
        caplog.clear()
        lockable.run(participants="900001")
        assert len([record for record in caplog.records if "nobody can erase" in record.getMessage()]) == 1
    assert {mode for mode, _ in locks(lockable).values()} == {None, "GOVERNANCE", "COMPLIANCE"}


def test_a_bucket_without_object_lock_stops_the_run_at_once(world: World) -> None:
    """One plain sentence that names the setting, before FrontCore is asked anything; nothing is written."""
    done = world.command("sync", "--all", "--json", **COMMAND)
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, answer["kind"]) == (3, "fatal")
    assert "ARCHIVE_OBJECT_LOCK_MODE" in answer["error"]
    assert len(done.stderr.strip().splitlines()) == 1
    assert world.sandbox.requests.total() == 0
    assert world.bucket.keys_below() == []


def test_credentials_that_may_not_ask_learn_it_from_the_first_put(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without s3:GetBucketObjectLockConfiguration the refused PUT is fatal and says the same; nothing is committed."""
    with S3Proxy(world.s3_environment["AWS_ENDPOINT_URL_S3"]) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint_url)
        proxy.on_request = lambda request: (
            proxy.fault(Answer(403, "AccessDenied"), method="GET", times=1) if "object-lock" in request.query else None
        )
        world.settings.update(LOCK)
        with pytest.raises(StoreError, match="ARCHIVE_OBJECT_LOCK_MODE") as caught:
            world.run()
    assert caught.value.kind is Kind.FATAL
    assert world.bucket.evidence() == {}


def test_a_missing_right_to_lock_is_named(lockable: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where s3:PutObjectRetention is missing the sentence names it, not the rights that are there."""
    with S3Proxy(lockable.s3_environment["AWS_ENDPOINT_URL_S3"]) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint_url)
        proxy.fault(Answer(403, "AccessDenied"), method="PUT", key="diplomas/", times=None)
        lockable.settings.update(LOCK)
        with pytest.raises(StoreError) as caught:
            lockable.run()
    assert caught.value.kind is Kind.FATAL
    assert "s3:PutObjectRetention" in caught.value.fix


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"ARCHIVE_OBJECT_LOCK_MODE": "governance"}, "ARCHIVE_RETAIN_YEARS"),
        ({"ARCHIVE_RETAIN_YEARS": "5"}, "ARCHIVE_OBJECT_LOCK_MODE"),
        ({**COMMAND, "ARCHIVE_RETAIN_YEARS": "ten"}, "ARCHIVE_RETAIN_YEARS must be a whole number"),
        ({**COMMAND, "ARCHIVE_RETAIN_YEARS": "0"}, "ARCHIVE_RETAIN_YEARS"),
        ({**COMMAND, "ARCHIVE_OBJECT_LOCK_MODE": "complience"}, "ARCHIVE_OBJECT_LOCK_MODE"),
        ({**COMMAND, "ARCHIVE_OBJECT_LOCK_MODE": "compliance"}, "ARCHIVE_OBJECT_LOCK_COMPLIANCE_CONFIRMED"),
    ],
    ids=str,
)
def test_half_a_setting_is_exit_code_2(world: World, environment: dict[str, str], named: str) -> None:
    """Nobody believes something locked that is not, and nobody locks for ever by mistake."""
    done = world.command("sync", "--all", "--json", **environment)
    assert done.returncode == 2, done.stderr
    assert named in json.loads(done.stdout.splitlines()[-1])["error"]
    assert world.bucket.keys_below() == []


def test_the_date_exists() -> None:
    """29 February in a year without one is 1 March; seconds are whole, since S3 takes no others everywhere."""
    leap = datetime(2028, 2, 29, 12, 30, 15, 999, tzinfo=UTC)
    assert retain_until(leap, 1) == datetime(2029, 3, 1, 12, 30, 15, tzinfo=UTC)
    assert retain_until(leap, 4) == datetime(2032, 2, 29, 12, 30, 15, tzinfo=UTC)
    assert ObjectLock("governance", 1).put_arguments("state/cursor.json", leap) == {}
