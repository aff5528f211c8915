"""How `verify` reads: what quick can prove, what S3 refuses or cannot do now, and what happens meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from diploma_archive.errors import Kind, SettingsError, StoreError
from diploma_archive.sandbox import LocalS3
from diploma_archive.verify.sampling import Choice, group_of, one_certificate, sample
from tests.support.rclone import RcloneS3
from tests.support.s3_proxy import Answer, DropChecksum, FlipAnswer, S3Proxy, S3Request
from tests.support.verifying import archive_small_school, check, delete, flip, found, parts_of, swap
from tests.support.world import World, new_bucket


@pytest.fixture
def proxy(s3: LocalS3, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    """A proxy in front of the archived small school's bucket."""
    archive_small_school(world)
    with S3Proxy(s3.endpoint_url) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", between.endpoint_url)
        yield between


def bodies_read(proxy: S3Proxy) -> list[str]:
    return [one.key for one in proxy.requests if one.method == "GET" and one.key.endswith((".pdf", ".bin"))]


def test_quick_reads_no_pdf_and_no_index_entry(world: World, proxy: S3Proxy) -> None:
    """A diploma costs one HEAD and one GET of its record; the rest is in the listing."""
    assert found(check(world)) == {}
    assert bodies_read(proxy) == []
    below = [(one.method, one.key.split("/")[2]) for one in proxy.requests if one.key.count("/") > 3]
    diplomas = [("GET", "diplomas")] * 6 + [("HEAD", "diplomas")] * 6
    assert sorted(below) == sorted([*diplomas, ("GET", "runs"), ("GET", "runs"), ("HEAD", "runs"), ("GET", "state")])


def test_full_reads_every_pdf(world: World, proxy: S3Proxy) -> None:
    """Every byte is hashed."""
    assert found(check(world, full=True)) == {}
    assert len(bodies_read(proxy)) == 6
    assert not [one for one in proxy.requests if one.method == "HEAD" and "diplomas/" in one.key]


def test_quick_counts_what_no_checksum_proves(world: World, proxy: S3Proxy) -> None:
    """Where the server keeps no checksum and the ETag is no MD5, quick says so, and it is no finding."""
    proxy.fault(DropChecksum(etag=True), method="HEAD", times=None)
    result = check(world)
    assert (found(result), result.checked["not_proven"], bodies_read(proxy)) == ({}, 6, [])
    assert check(world, full=True).checked["not_proven"] == 0


def test_one_certificate_is_never_left_unproven(world: World, proxy: S3Proxy) -> None:
    """Whoever asks about one diploma gets an answer, also where S3 keeps no checksum."""
    one = parts_of(world.bucket, 12345)
    proxy.fault(DropChecksum(etag=True), method="HEAD", times=None)
    only = one_certificate("ABC123456")
    assert check(world, chain=False, choice=only).checked["not_proven"] == 0
    flip(world.bucket, one.file)
    assert found(check(world, chain=False, choice=only)) == {one.file: "altered_file"}


def test_a_sample_reads_what_has_no_checksum(world: World, proxy: S3Proxy) -> None:
    """Also where nothing else in the part that is checked has one."""
    one = parts_of(world.bucket, 12345)
    flip(world.bucket, one.file)
    only = Choice(prefix=one.file)
    assert found(check(world, chain=False, choice=only)) == {one.file: "altered_file"}


def test_quick_reads_the_one_that_has_no_checksum_among_those_that_have(world: World, proxy: S3Proxy) -> None:
    """This program always sends a checksum: an object without one was put there otherwise."""
    one = parts_of(world.bucket, 12345)
    world.bucket.put(one.file, world.bucket.body(one.file))
    result = check(world)
    assert (found(result), result.checked["not_proven"]) == ({}, 0)
    assert bodies_read(proxy) == [f"acme/prod/{one.file}"]
    flip(world.bucket, one.file)
    assert found(check(world)) == {one.file: "altered_file"}


@pytest.mark.parametrize("full", [False, True], ids=["quick", "full"])
@pytest.mark.parametrize("code", ["AccessDenied", "InvalidObjectState"])
def test_an_object_that_s3_refuses_is_unreadable(world: World, proxy: S3Proxy, code: str, full: bool) -> None:
    """One 403 concerns one object: it is named, and everything else is checked."""
    one, other = parts_of(world.bucket, 12345), parts_of(world.bucket, 500001)
    proxy.fault(Answer(403, code), key=one.file, times=None)
    proxy.fault(Answer(403, code), key=other.record, times=None)
    assert found(check(world, full=full)) == {one.file: "unreadable", other.record: "unreadable"}


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
@pytest.mark.parametrize("full", [False, True], ids=["quick", "full"])
def test_an_object_in_cold_storage_is_unreadable(world: World, proxy: S3Proxy, storage_class: str, full: bool) -> None:
    """Nobody can hand it over now, whatever its checksum says."""
    one = parts_of(world.bucket, 12345)
    for key in (one.file, one.record):
        body = world.bucket.body(key)
        world.bucket.client.put_object(
            Bucket=world.bucket.name,
            Key=f"acme/prod/{key}",
            Body=body,
            StorageClass=storage_class,
            ChecksumAlgorithm="SHA256",
        )
    assert found(check(world, full=full)) == {one.file: "unreadable", one.record: "unreadable"}


def test_an_object_that_s3_fails_to_give_could_not_be_checked(world: World, proxy: S3Proxy) -> None:
    """A server error for one object is no claim about the object."""
    one = parts_of(world.bucket, 12345)
    proxy.fault(Answer(500, "InternalError"), key=one.file, times=None)
    assert found(check(world)) == {one.file: "could_not_check"}


def test_what_goes_away_by_itself_is_no_finding(world: World, proxy: S3Proxy) -> None:
    """What does not fit is read once more: a flipped answer and a passing refusal are gone by then."""
    one, other = parts_of(world.bucket, 12345), parts_of(world.bucket, 500001)
    proxy.fault(FlipAnswer(), method="GET", key=one.file)
    proxy.fault(Answer(403, "AccessDenied"), key=other.file)
    assert found(check(world, full=True)) == {}


def test_a_run_that_writes_meanwhile_is_no_finding(world: World, proxy: S3Proxy) -> None:
    """What was written since the check began is left to the next one."""
    world.sandbox.diplomas[500001].course = {**world.sandbox.diplomas[500001].course, "title": "Another course"}
    ran = []

    def on_request(request: S3Request) -> None:
        if request.query.get("list-type") and not ran:
            ran.append(True)
            world.run()

    proxy.on_request = on_request
    assert found(check(world)) == {}
    assert ran


def test_a_file_whose_record_is_still_to_come_is_no_finding(world: World, proxy: S3Proxy) -> None:
    """A slow run has stored the PDF and not the record, at the first look and at the second."""
    one = parts_of(world.bucket, 12345)
    new = f"{one.file.rpartition('/')[0]}/{'0' * 64}.pdf"
    stored = []

    def on_request(request: S3Request) -> None:
        if request.query.get("list-type") and not stored:
            stored.append(new)
            time.sleep(1.1)  # moto tells the time of a write in whole seconds
            world.bucket.put(new, b"")

    proxy.on_request = on_request
    assert found(check(world)) == {}
    proxy.on_request = None
    assert found(check(world)) == {new: "orphan_file"}


def test_what_a_run_finished_between_two_readings_is_no_finding(world: World, proxy: S3Proxy) -> None:
    """An index entry that is missing at first and there at the second look is a run at work."""
    one = parts_of(world.bucket, 12345)
    entry = world.bucket.body(one.index)
    delete(world.bucket, one.index)
    heads = []

    def on_request(request: S3Request) -> None:
        if request.method == "HEAD" and "diplomas/" in request.key:
            heads.append(request.key)
            if len(heads) == 6:
                world.bucket.put(one.index, entry)

    proxy.on_request = on_request
    assert found(check(world)) == {}


def test_no_permission_at_all_ends_the_check(world: World, proxy: S3Proxy) -> None:
    """Where the bucket may not be listed, nothing can be said: that is an error and not a clean archive."""
    proxy.fault(Answer(403, "AccessDenied"), method="GET", key="", times=None, skip=1)
    with pytest.raises(StoreError) as caught:
        check(world)
    assert caught.value.kind is Kind.FATAL


def test_a_sample_is_a_part_and_the_days_cover_everything(world: World, proxy: S3Proxy) -> None:
    """Each certificate has its day in the rota, and damage is found on that day alone."""
    one = parts_of(world.bucket, 12345)
    flip(world.bucket, one.file)
    results = [check(world, chain=False, choice=sample("25%", date(2026, 3, 1) + timedelta(day))) for day in range(4)]
    assert sorted(len(found(result)) for result in results) == [0, 0, 0, 1]
    assert sum(result.checked["certificates"] for result in results) == 6


def test_one_certificate_or_one_folder(world: World, proxy: S3Proxy) -> None:
    """Only what was chosen is read; a certificate is named by its number or by its segment."""
    one, other = parts_of(world.bucket, 12345), parts_of(world.bucket, 500001)
    swap(world.bucket, one.file, other.file)
    for name in ("ABC123456", "c-ABC123456"):
        assert found(check(world, chain=False, choice=one_certificate(name))) == {one.file: "altered_file"}
    for prefix in ("diplomas/s-2024-SAFE-001", one.file, one.index, "certificates/c-ABC"):
        assert found(check(world, chain=False, choice=Choice(prefix=prefix))) == {one.file: "altered_file"}


@pytest.mark.parametrize("choice", [one_certificate("NOBODY"), Choice(prefix="diplomas/s-9")], ids=["number", "prefix"])
def test_a_choice_of_nothing_is_never_clean(world: World, proxy: S3Proxy, choice: Choice) -> None:
    """A misspelt number must not look like a sound certificate."""
    with pytest.raises(SettingsError, match="nothing lies in the archive"):
        check(world, chain=False, choice=choice)


def test_the_groups_are_about_even() -> None:
    """No night does the work of ten."""
    sizes = [0] * 50
    for number in range(50_000):
        sizes[group_of(f"c-{number}", 50)] += 1
    assert 800 < min(sizes) <= max(sizes) < 1200


def test_on_a_server_that_ignores_conditions_and_echoes_checksums(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rclone: quick sees sizes and strangers, full sees flipped bytes on its disk."""
    with RcloneS3() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        world.s3_environment = server.environment()
        world.bucket = new_bucket(server, versioned=False)  # type: ignore[arg-type]
        world.run()
        world.run()
        assert found(check(world)) == {}
        assert found(check(world, full=True)) == {}
        one = parts_of(world.bucket, 12345)
        path = server.root / world.bucket.name / "acme/prod" / one.file
        good = path.read_bytes()
        path.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
        assert found(check(world, full=True)) == {one.file: "altered_file"}
        path.write_bytes(good)
        delete(world.bucket, one.record)
        assert found(check(world)) == {one.record: "missing_record"}
