"""`erase` says Complete only where everything that can be asked shows nothing (erasure_proof.py)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from diploma_archive.sandbox import LocalS3, Sandbox
from tests.support.erasing import CANARY, USER, erase, plant_person, run_erase, where_is, with_marks
from tests.support.s3_proxy import Answer, Page, Rewrite, S3Proxy, S3Request
from tests.support.world import World, new_bucket

Change = Callable[[bytes], bytes]


def cut_in_silence(body: bytes) -> bytes:
    """All versions but the first are lost, and the answer says that this is all."""
    found = re.findall(rb"<Version>.*?</Version>", body, flags=re.DOTALL)
    for version in found[1:]:
        body = body.replace(version, b"")
    return body


def no_versions(body: bytes) -> bytes:
    """A server that answers every LIST of versions with an empty one."""
    return re.sub(rb"<(Version|DeleteMarker)>.*?</\1>", b"", body, flags=re.DOTALL)


def on_versions(change: Change) -> Rewrite:
    """Change the LISTs of versions."""

    def changed(body: bytes, request: S3Request) -> bytes:
        return change(body) if "versions" in request.query and not request.key else body

    return Rewrite(changed)


@pytest.fixture
def person(world: World) -> World:
    """A school with a person who can be searched for, archived."""
    plant_person(world)
    world.run()
    return world


def last_receipt(world: World) -> dict[str, Any]:
    """Return the only receipt that counts."""
    receipts = [world.bucket.document(key) for key in world.bucket.keys_below("erasures/")]
    return max(receipts, key=lambda receipt: str(receipt["erased_at"]))


def through(proxy: S3Proxy, world: World) -> dict[str, str]:
    """Return the environment in which S3 lies behind the proxy."""
    return {"AWS_ENDPOINT_URL_S3": proxy.endpoint_url}


@pytest.mark.parametrize("whom", [("--user", str(USER)), ("--certificate", "number")])
@pytest.mark.parametrize("skip", [0, 1, 2])
def test_a_list_that_was_cut_once_is_noticed_and_finished(
    person: World, proxy: S3Proxy, whom: tuple[str, str], skip: int
) -> None:
    """What a LIST of versions lost in silence shows in the plain one: it is looked for again, and erased."""
    mine = [record for record in person.bucket.records() if record["user"]["id"] == USER]
    chosen = whom if whom[0] == "--user" else (whom[0], mine[0]["certificate_number"])
    proxy.fault(on_versions(cut_in_silence), method="GET", key="^$", times=1, skip=skip)
    code, answer, _ = erase(person, *chosen, "--confirm", **through(proxy, person))
    assert (code, answer["complete"], answer["unlisted"]) == (0, True, 0)
    if whom[0] == "--user":
        assert where_is(person.bucket, CANARY) == set()
    else:
        assert not [key for key in person.bucket.keys_below("diplomas/") if f"c-{chosen[1]}/" in key]


def test_a_list_that_is_always_cut_is_not_complete(person: World, proxy: S3Proxy) -> None:
    """Where the LIST of versions lacks what is there, nobody can say that all is gone; later the same command does."""
    proxy.fault(on_versions(cut_in_silence), times=None)
    code, answer, _ = erase(person, "--user", str(USER), "--confirm", **through(proxy, person))
    assert (code, answer["complete"]) == (1, False)
    assert answer["unlisted"] > 0
    receipt = last_receipt(person)
    assert (receipt["complete"], receipt["unlisted"]) == (False, answer["unlisted"])
    done = run_erase(person, "--user", str(USER), **through(proxy, person))
    assert (done.returncode, "nobody can tell whose they are" in done.stdout) == (1, True)
    proxy.clear()
    code, answer, _ = erase(person, "--user", str(USER), "--confirm", **through(proxy, person))
    assert (code, answer["complete"]) == (0, True)
    assert where_is(person.bucket, CANARY) == set()


def test_versions_that_nobody_can_list_are_not_gone(person: World, proxy: S3Proxy) -> None:
    """A server that has versions and does not list them: what was erased is only hidden, and that is said."""
    proxy.fault(on_versions(no_versions), times=None)
    done = run_erase(person, "--user", str(USER), "--confirm", **through(proxy, person))
    assert done.returncode == 1
    assert "does not list versions" in done.stdout
    assert "NOT complete" in done.stdout
    receipt = last_receipt(person)
    assert (receipt["complete"], receipt["versions_looked_at"]) == (False, False)
    assert where_is(person.bucket, CANARY)


@pytest.mark.parametrize("status", [200, 405, 501])
def test_where_there_are_no_versions_the_plain_list_decides(
    sandbox: Sandbox, s3: LocalS3, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """A server without a listing of versions, and without versions: complete, and the receipt says what was asked."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    world = World(sandbox, new_bucket(s3, versioned=False), s3.environment())
    plant_person(world)
    world.run()

    def refused(body: bytes, request: S3Request) -> bytes:
        return no_versions(body) if "versions" in request.query else body

    proxy.fault(Rewrite(refused), times=None)
    if status != 200:
        proxy.on_request = lambda request: (
            proxy.fault(Answer(status, "NotImplemented" if status == 501 else "MethodNotAllowed"), key="^$", times=1)
            if "versions" in request.query
            else None
        )
    code, answer, _ = erase(world, "--user", str(USER), "--confirm", **through(proxy, world))
    assert (code, answer["complete"], answer["versions_looked_at"]) == (0, True, False)
    assert last_receipt(world)["versions_looked_at"] is False
    assert where_is(world.bucket, CANARY) == set()


@pytest.mark.parametrize("answer", [Page(200), Page(200, "")], ids=["a page of HTML", "nothing"])
def test_a_delete_that_did_nothing_is_noticed(person: World, proxy: S3Proxy, answer: Page) -> None:
    """What says 200 to a DELETE and leaves the object there is not believed."""
    proxy.fault(answer, method="DELETE", key="diplomas/", times=None)
    code, done, _ = erase(person, "--user", str(USER), "--confirm", **through(proxy, person))
    assert (code, bool(done.get("complete"))) in ((1, False), (3, False))
    assert last_receipt(person)["complete"] is False
    proxy.clear()
    assert erase(person, "--user", str(USER), "--confirm")[0] == 0
    assert where_is(person.bucket, CANARY) == set()


def test_what_cannot_be_looked_at_is_not_gone(person: World, proxy: S3Proxy) -> None:
    """Where S3 refuses the HEAD of a key that was to go, nobody knows, and nobody says Complete."""
    proxy.fault(Answer(403, "AccessDenied"), method="HEAD", key="diplomas/.*json", times=1)
    code, done, _ = erase(person, "--user", str(USER), "--confirm", **through(proxy, person))
    assert (code, done["complete"]) == (1, False)
    assert len(last_receipt(person)["left"]["records"]) == 1
    assert erase(person, "--user", str(USER), "--confirm")[0] == 0


def test_nothing_held_is_said_only_after_a_whole_look(world: World, proxy: S3Proxy) -> None:
    """Of somebody of whom nothing is found, Complete too needs a plain LIST that has nothing more."""
    world.run()
    assert json.loads(run_erase(world, "--user", "999", "--confirm", "--json").stdout.splitlines()[-1])["complete"]
    proxy.fault(on_versions(cut_in_silence), times=None)
    code, done, _ = erase(world, "--user", "998", "--confirm", **through(proxy, world))
    assert (code, done["complete"]) == (1, False)


def test_the_note_of_a_diploma_without_identity_goes_with_its_person(world: World) -> None:
    """What was quarantined since its number is none is found by person, and by the folder that its row gives it."""
    user = plant_person(world)["id"]
    mine = [key for key, diploma in world.sandbox.diplomas.items() if diploma.user["id"] == user]
    world.sandbox.overrides[mine[0]] = {"random_certificate_number": 1.5, "id": 7.5}
    world.run()
    segments = {key.split("/")[1] for key in world.bucket.keys_below("quarantine/")}
    (segment,) = segments
    assert segment.startswith("d-h")
    code, answer, _ = erase(world, "--certificate", segment)
    assert (code, {each["key"].split("/")[1] for each in answer["keys"]}) == (0, {segment})
    code, answer, _ = erase(world, "--user", str(user), "--confirm")
    assert (code, answer["complete"]) == (0, True)
    assert where_is(world.bucket, CANARY) == set()
    assert "quarantined" not in with_marks(world).counts()
    assert where_is(world.bucket, CANARY) == set()


def test_records_go_last_and_versions_before_their_delete_markers(person: World, proxy: S3Proxy) -> None:
    """A crash amid an erasure leaves the records, which say whose the rest is, and nothing comes back to sight."""
    mine = [record["file"]["key"] for record in person.bucket.records() if record["user"]["id"] == USER]
    person.bucket.client.delete_object(Bucket=person.bucket.name, Key=f"{person.bucket.prefix}/{mine[0]}")
    (marker,) = [
        row["VersionId"]
        for row in person.bucket.client.list_object_versions(Bucket=person.bucket.name).get("DeleteMarkers", ())
        if mine[0] in row["Key"]
    ]
    assert erase(person, "--user", str(USER), "--confirm", **through(proxy, person))[0] == 0
    gone = [one.key for one in proxy.requests if one.method == "DELETE" and "/diplomas/" in one.key]
    records = [key.endswith(".json") for key in gone]
    assert records == sorted(records)
    assert len(set(records)) == 2
    index = [one.key for one in proxy.requests if one.method == "DELETE" and one.key]
    last_entry = max(place for place, key in enumerate(index) if "/certificates/" in key)
    assert last_entry < min(place for place, key in enumerate(index) if "/diplomas/" in key and key.endswith(".json"))
    of_first = [one.query["versionId"] for one in proxy.requests if one.method == "DELETE" and mine[0] in one.key]
    assert len(of_first) == 2  # the marker, which hides the file, went after it
    assert of_first[-1] == marker
