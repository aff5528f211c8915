"""The create-only store against a real S3 over HTTP (DESIGN.md section 6)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from diploma_archive.archive.s3_client import build_clients
from diploma_archive.archive.store import JSON_TYPE, Created, Payload, Store
from diploma_archive.errors import Kind, StoreError
from diploma_archive.sandbox import LocalS3
from tests.support.world import Bucket, new_bucket


@pytest.fixture
def bucket(s3: LocalS3, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty, versioned bucket."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    return new_bucket(s3)


@pytest.fixture
def store(bucket: Bucket) -> Iterator[Store]:
    """The store below the prefix of the bucket."""
    _, client = build_clients(4, bucket.name)
    yield Store(client, bucket.name, bucket.prefix)
    client.close()


def test_what_was_created_can_be_read(store: Store, bucket: Bucket) -> None:
    """Bytes and a checksum that S3 can give back later are stored below the prefix."""
    assert store.create("a/b.json", Payload.of(b"one"), JSON_TYPE) is Created.NEW
    stored = store.get("a/b.json")
    assert stored is not None
    assert stored.body == b"one"
    head = bucket.client.head_object(Bucket=bucket.name, Key="acme/prod/a/b.json", ChecksumMode="ENABLED")
    assert "ChecksumSHA256" in head
    assert head["ContentType"] == JSON_TYPE


def test_nothing_is_overwritten(store: Store, bucket: Bucket) -> None:
    """A second create of a key leaves the first bytes alone and says whether they are the same."""
    store.create("k", Payload.of(b"one"), JSON_TYPE)
    assert store.create("k", Payload.of(b"one"), JSON_TYPE) is Created.SAME
    assert store.create("k", Payload.of(b"two"), JSON_TYPE) is Created.OTHER
    assert store.create("k", Payload.of(b"longer"), JSON_TYPE, look_first=True) is Created.OTHER
    assert bucket.body("k") == b"one"
    assert bucket.versions() == {"k": 1}


def test_a_file_is_sent_from_its_start(store: Store, bucket: Bucket) -> None:
    """A spooled file that was read before is stored whole."""
    file = io.BytesIO(b"x" * 300_000)
    file.seek(7)
    digest = hashlib.sha256(file.getvalue()).hexdigest()
    md5 = hashlib.md5(file.getvalue(), usedforsecurity=False).hexdigest()
    assert store.create("f", Payload(file, digest, md5, 300_000), "application/pdf") is Created.NEW
    assert bucket.body("f") == file.getvalue()


def test_of_many_racers_one_wins(store: Store, bucket: Bucket) -> None:
    """Create-only holds when many threads write the same key one after the other."""
    store.create("race", Payload.of(b"first"), JSON_TYPE)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: store.create("race", Payload.of(b"racer %d" % n), JSON_TYPE), range(16)))
    assert set(results) == {Created.OTHER}
    assert bucket.versions() == {"race": 1}


def test_an_object_without_a_usable_checksum_is_read_and_hashed(store: Store, bucket: Bucket) -> None:
    """Where neither checksum nor ETag proves anything, the bytes themselves are compared."""
    place = {"Bucket": bucket.name, "Key": "acme/prod/multi"}
    upload = bucket.client.create_multipart_upload(**place)["UploadId"]
    part = bucket.client.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"bytes")
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    bucket.client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)
    assert store.create("multi", Payload.of(b"bytes"), JSON_TYPE) is Created.SAME
    assert store.compare("multi", Payload.of(b"other")) is Created.OTHER
    assert store.compare("nothing", Payload.of(b"other")) is None


def test_absent_is_none_and_listing_is_sorted_and_relative(store: Store) -> None:
    """What is not there is not there; keys come back without the prefix, in order, more than a page of them too."""
    assert store.get("nothing") is None
    assert not store.exists("nothing")
    for number in range(12):
        store.create(f"many/{number:02d}", Payload.of(b"x"), JSON_TYPE)
    assert [row.key for row in store.list("many/")] == [f"many/{number:02d}" for number in range(12)]
    assert [row.key for row in store.list("many/", at_most=3)] == ["many/00", "many/01", "many/02"]


def test_replace_wants_the_version_that_was_read(store: Store) -> None:
    """The cursor is only moved by whoever read it last."""
    assert store.replace("c", b"1", None)
    assert not store.replace("c", b"0", None)
    first = store.get("c")
    assert first is not None
    assert store.replace("c", b"2", first.etag)
    assert not store.replace("c", b"3", first.etag)
    second = store.get("c")
    assert second is not None
    assert second.body == b"2"


def test_a_missing_bucket_is_fatal_and_named(bucket: Bucket) -> None:
    """A person learns which setting is wrong."""
    _, client = build_clients(1, "no-such-bucket-here")
    with pytest.raises(StoreError, match="does not exist at this endpoint") as caught:
        Store(client, "no-such-bucket-here", "").get("archive.json")
    assert caught.value.kind is Kind.FATAL
    client.close()
