"""Create-only writes against real S3 servers over HTTP (DESIGN.md section 6)."""

from __future__ import annotations

import base64
import hashlib
import io
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from diploma_archive.errors import Kind, StoreError
from diploma_archive.model.keys import Place, escape, index_prefix, serial_segment
from diploma_archive.model.payload import Payload
from diploma_archive.store.store import JSON_TYPE, PDF_TYPE, Created, Store
from tests.contract.store.conftest import Backend
from tests.support.s3_proxy import S3Proxy
from tests.support.world import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

RACERS = 8


def test_what_was_created_can_be_read(store: Store, bucket: Bucket, backend: Backend) -> None:
    """Bytes and a checksum that S3 can give back later are stored below the prefix."""
    assert store.create("a/b.json", Payload.of(b"one"), JSON_TYPE, look_first=backend.look_first) is Created.NEW
    stored = store.get("a/b.json")
    assert stored is not None
    assert stored.body == b"one"
    head = bucket.client.head_object(Bucket=bucket.name, Key="acme/prod/a/b.json", ChecksumMode="ENABLED")
    assert ("ChecksumSHA256" in head) == backend.keeps_checksums
    assert head["ContentType"] == JSON_TYPE


def test_every_write_is_conditional_and_names_its_digest(store: Store, proxy: S3Proxy) -> None:
    """No PUT leaves without a condition and a SHA-256: a real S3 can refuse to overwrite, and to store damage."""
    store.create("a", Payload.of(b"one"), JSON_TYPE)
    store.overwrite("certificates/c", b"1")  # the one exception: it follows from its record
    puts = [one for one in proxy.requests if one.method == "PUT"]
    assert [one.headers.get("if-none-match") for one in puts] == ["*", None]
    assert all("x-amz-checksum-sha256" in one.headers for one in puts)


def test_nothing_is_overwritten(store: Store, bucket: Bucket, backend: Backend, proxy: S3Proxy) -> None:
    """A second create of a key leaves the first bytes alone and says whether they are the same."""

    def create(body: bytes) -> Created:
        return store.create("k", Payload.of(body), JSON_TYPE, look_first=backend.look_first)

    assert [create(body) for body in (b"one", b"one", b"two", b"longer")] == [
        Created.NEW,
        Created.SAME,
        Created.OTHER,
        Created.OTHER,
    ]
    assert bucket.body("k") == b"one"
    assert proxy.written() == ["acme/prod/k"]


def test_looking_first_needs_no_put(store: Store, proxy: S3Proxy) -> None:
    """Whoever looks first does not send a body to a server that has the object."""
    store.create("k", Payload.of(b"one"), JSON_TYPE)
    proxy.reset()
    assert store.create("k", Payload.of(b"two"), JSON_TYPE, look_first=True) is Created.OTHER
    assert {one.method for one in proxy.requests} <= {"HEAD", "GET"}
    proxy.reset()
    assert store.create("k", Payload.of(b"one"), JSON_TYPE, look_first=True) is Created.SAME
    assert store.create("k", Payload.of(b"longer"), JSON_TYPE, look_first=True) is Created.OTHER
    assert {one.method for one in proxy.requests} == {"HEAD"}  # the ETag and the size tell; nothing is read back


def test_a_blind_create_tells_the_servers_apart(store: Store, bucket: Bucket, backend: Backend) -> None:
    """The probe of a run relies on it: the same bytes again are NEW only where the condition was ignored."""
    store.create("k", Payload.of(b"one"), JSON_TYPE)
    again = store.create("k", Payload.of(b"one"), JSON_TYPE)
    assert again is (Created.SAME if backend.honours_conditions else Created.NEW)
    assert bucket.body("k") == b"one"


def test_a_file_is_sent_from_its_start(store: Store, bucket: Bucket) -> None:
    """A spooled file that was read before is stored whole."""
    file = io.BytesIO(b"x" * 300_000)
    file.seek(7)
    digest = hashlib.sha256(file.getvalue()).hexdigest()
    md5 = hashlib.md5(file.getvalue(), usedforsecurity=False).hexdigest()
    assert store.create("f", Payload(file, digest, md5, 300_000), PDF_TYPE) is Created.NEW
    assert bucket.body("f") == file.getvalue()


def test_a_large_file_goes_from_disk_to_the_bucket(store: Store, bucket: Bucket, backend: Backend) -> None:
    """Five megabytes that were spooled to disk arrive whole, and are recognised the second time."""
    body = bytes(range(256)) * 20_480
    with tempfile.SpooledTemporaryFile(max_size=1 << 20) as file:
        file.write(body)
        whole = Payload.of(body)
        payload = Payload(file, whole.sha256, whole.md5, whole.size)  # type: ignore[arg-type]
        assert store.create("big", payload, PDF_TYPE, look_first=backend.look_first) is Created.NEW
        assert store.create("big", payload, PDF_TYPE, look_first=backend.look_first) is Created.SAME
    assert bucket.body("big") == body


def test_an_empty_object_is_an_object(store: Store, backend: Backend) -> None:
    """No bytes are bytes too: stored, recognised, and told from one byte."""
    assert store.create("empty", Payload.of(b""), JSON_TYPE, look_first=backend.look_first) is Created.NEW
    assert store.create("empty", Payload.of(b""), JSON_TYPE, look_first=backend.look_first) is Created.SAME
    assert store.create("empty", Payload.of(b"x"), JSON_TYPE, look_first=backend.look_first) is Created.OTHER
    assert store.exists("empty")


@pytest.mark.parametrize(
    "name",
    ["a_b", "..", ".hidden", "a..b-", "Å/ø %2F?#&+=", "\ud800", "x" * 400, "\u00e9" * 400, "-", "CON", "a\nb\0"],
    ids=[
        "underscore",
        "dots",
        "hidden",
        "inner-dots",
        "reserved",
        "surrogate",
        "long",
        "long-utf8",
        "dash",
        "con",
        "nul",
    ],
)
def test_every_name_of_the_key_scheme_is_a_key(store: Store, bucket: Bucket, backend: Backend, name: str) -> None:
    """What a serial or certificate number may become can be stored, found again and listed under its own name."""
    key = Place(serial_segment(name), f"c-{escape(name)}").pdf_key("0" * 64)
    assert store.create(key, Payload.of(b"x"), PDF_TYPE, look_first=backend.look_first) is Created.NEW
    assert store.exists(key)
    assert [row.key for row in store.list("diplomas/")] == [key]
    assert bucket.keys_below() == [key]


def test_a_long_prefix_of_names_is_no_prefix_of_another(store: Store, backend: Backend) -> None:
    """The folder of a certificate is not found in that of another one whose number begins the same."""
    for certificate in ("c-A", "c-AB", "c-A.B", "c-A-B"):
        store.create(f"{index_prefix(certificate)}1.json", Payload.of(b"x"), JSON_TYPE, look_first=backend.look_first)
    assert [row.key for row in store.list(index_prefix("c-A"))] == ["certificates/c-A/1.json"]


def test_a_key_that_is_too_long_is_a_plain_error(store: Store, bucket: Bucket) -> None:
    """The server's limit of 1,024 bytes fails one object, not the run, and nothing is stored."""
    key = "/".join(["long" * 25] * 11)
    for attempt in (
        lambda: store.create(key, Payload.of(b"x"), JSON_TYPE),
        lambda: store.create(key, Payload.of(b"x"), JSON_TYPE, look_first=True),
        lambda: store.overwrite(f"certificates/{key}", b"x"),
    ):
        with pytest.raises(StoreError) as caught:
            attempt()
        assert caught.value.kind is Kind.ITEM
    assert bucket.keys_below() == []


def test_of_racers_at_one_moment_one_wins(store: Store, bucket: Bucket, backend: Backend) -> None:
    """Exactly one of many simultaneous creates is NEW, and the bytes stay the winner's.

    On a server that ignores conditions several may be told NEW; the bytes are then whole, and of one of those.
    """
    bodies = [b"racer %d" % number * 100 for number in range(RACERS)]
    results = _race(
        lambda number: store.create("race", Payload.of(bodies[number]), JSON_TYPE, look_first=backend.look_first)
    )
    winners = [body for body, result in zip(bodies, results, strict=True) if result is Created.NEW]
    assert bucket.body("race") in winners
    if backend.honours_conditions:
        assert len(winners) == 1
        assert results.count(Created.OTHER) == RACERS - 1
        assert bucket.versions() == {"race": 1}
    # Whoever comes later overwrites nothing on either.
    assert store.create("race", Payload.of(b"late"), JSON_TYPE, look_first=backend.look_first) is Created.OTHER


def test_racers_with_the_same_file_all_succeed(store: Store, bucket: Bucket, backend: Backend) -> None:
    """A file is named by its content: many writers of it agree, on any server."""
    results = _race(lambda _: store.create("race", Payload.of(b"same"), PDF_TYPE, look_first=backend.look_first))
    assert bucket.body("race") == b"same"
    if backend.honours_conditions:
        assert sorted(str(result) for result in results) == sorted(
            [str(Created.NEW)] + [str(Created.SAME)] * (RACERS - 1)
        )
        assert bucket.versions() == {"race": 1}
    else:
        # rclone deletes before it renames; a racer may look in between, or be answered 500 until its tries are up.
        assert {result for result in results if isinstance(result, Created)} <= {Created.NEW, Created.SAME}
        assert Created.NEW in results


def test_late_racers_find_the_first(store: Store, bucket: Bucket, backend: Backend) -> None:
    """Where an object is there already, none of many creates is NEW."""
    store.create("race", Payload.of(b"first"), JSON_TYPE, look_first=backend.look_first)
    results = _race(
        lambda number: store.create("race", Payload.of(b"%d" % number), JSON_TYPE, look_first=backend.look_first)
    )
    assert set(results) == {Created.OTHER}
    assert bucket.body("race") == b"first"


def test_an_object_without_a_usable_checksum_is_read_and_hashed(store: Store, bucket: Bucket) -> None:
    """Where neither checksum nor ETag proves anything, the bytes themselves are compared."""
    place = {"Bucket": bucket.name, "Key": "acme/prod/multi"}
    upload = bucket.client.create_multipart_upload(**place)["UploadId"]
    part = bucket.client.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"bytes")
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    bucket.client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)
    assert store.create("multi", Payload.of(b"bytes"), JSON_TYPE, look_first=True) is Created.SAME
    assert store.compare("multi", Payload.of(b"other")) is Created.OTHER
    assert store.compare("nothing", Payload.of(b"other")) is None


def test_a_checksum_of_parts_proves_nothing(store: Store, bucket: Bucket) -> None:
    """An object that another tool copied in parts, with a SHA-256 of their SHA-256s, is still recognised as ours."""
    place = {"Bucket": bucket.name, "Key": "acme/prod/parts"}
    upload = bucket.client.create_multipart_upload(**place, ChecksumAlgorithm="SHA256")["UploadId"]
    part = bucket.client.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"bytes", ChecksumAlgorithm="SHA256")
    done = {
        "ETag": part["ETag"],
        "PartNumber": 1,
        "ChecksumSHA256": base64.b64encode(hashlib.sha256(b"bytes").digest()).decode(),
    }
    bucket.client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": [done]})
    assert store.compare("parts", Payload.of(b"bytes")) is Created.SAME


def test_a_missing_bucket_is_fatal_and_named(client: S3Client) -> None:
    """A person learns which setting is wrong."""
    with pytest.raises(StoreError, match="does not exist at this endpoint") as caught:
        Store(client, "no-such-bucket-here", "").get("archive.json")
    assert caught.value.kind is Kind.FATAL


def _race(create: Callable[[int], Created]) -> list[Created | StoreError]:
    """Return what each of several creates at one moment found; an error of the store's is a finding too."""
    together = threading.Barrier(RACERS)

    def run(number: int) -> Created | StoreError:
        together.wait()
        try:
            return create(number)
        except StoreError as error:
            return error

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(run, range(RACERS)))
