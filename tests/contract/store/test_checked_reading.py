"""What S3 gives back counts only where it is what S3 says of it (checked_reading.py)."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from mypy_boto3_s3.client import S3Client

from diploma_archive.errors import IntegrityError, StoreError, TooLargeError
from diploma_archive.model.payload import Payload
from diploma_archive.model.size_limits import REPORT_HEAD_BYTES, size_limit
from diploma_archive.store.objects import Listed
from diploma_archive.store.store import JSON_TYPE, Created, Store
from tests.support.s3_proxy import HalfAnswer, Rewrite, S3Proxy
from tests.support.world import Bucket

KEY, BODY = "diplomas/s/c/r.json", b'{"record": "' + b"x" * 3_000 + b'"}'
HTML = b"<!doctype html><title>Welcome</title><p>Please sign in"
ALL_HEADERS = frozenset({"etag", "x-amz-checksum-sha256", "x-amz-checksum-type", "last-modified", "x-amz-request-id"})
NO_WITNESS = frozenset({"x-amz-checksum-sha256", "x-amz-checksum-type"})

DISTURBED: dict[str, Rewrite | HalfAnswer] = {
    "nothing": Rewrite(lambda *_: b""),
    "nothing, by a gateway": Rewrite(lambda *_: b"", ALL_HEADERS),
    "a half with its own length": Rewrite(lambda body, _: body[: len(body) // 2]),
    "a half without a checksum": Rewrite(lambda body, _: body[: len(body) // 2], NO_WITNESS),
    "a page of HTML": Rewrite(lambda *_: HTML, ALL_HEADERS),
    "HTML of the same length": Rewrite(lambda body, _: HTML.ljust(len(body)), ALL_HEADERS),
    "one bit": Rewrite(lambda body, _: body[:-9] + bytes([body[-9] ^ 1]) + body[-8:], NO_WITNESS),
    "cut on the way": HalfAnswer(),
}


def get(store: Store) -> bytes:
    """Read it as records are read."""
    stored = store.get(KEY)
    assert stored is not None
    return stored.body


def copy(store: Store) -> bytes:
    """Read it as files are copied, behind something that is in the file already."""
    file = io.BytesIO(b"before ")
    file.seek(0, io.SEEK_END)
    came = store.read_into(KEY, file)
    assert file.getvalue().startswith(b"before ")
    assert Payload.of(file.getvalue()[7:]).sha256 == came.sha256
    return file.getvalue()[7:]


def digest(store: Store) -> bytes:
    """Read it as reports are hashed."""
    read = store.digest(KEY)
    assert read is not None
    return BODY if (read.size, read.sha256) == (len(BODY), Payload.of(BODY).sha256) else b"other"


def start(store: Store) -> bytes:
    """Read it as the head of a report is read, here where it is all of it."""
    (row,) = store.list(KEY)
    return store.get_start(row, REPORT_HEAD_BYTES) or b""


WAYS: list[Callable[[Store], bytes]] = [get, copy, digest, start]


@pytest.fixture
def store(client: S3Client, bucket: Bucket) -> Store:
    """The store by boto3 alone: the short way neither lists nor reads."""
    return Store(client, bucket.name, bucket.prefix)


@pytest.fixture
def filled(store: Store, proxy: S3Proxy) -> Store:
    """A store with one object."""
    store.create(KEY, Payload.of(BODY), JSON_TYPE)
    proxy.reset()
    return store


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", DISTURBED.values(), ids=DISTURBED)
def test_what_is_not_the_object_is_read_again(
    filled: Store, proxy: S3Proxy, way: Callable[[Store], bytes], fault: Rewrite
) -> None:
    """One odd answer in some hundred costs a moment, and nothing of it is believed."""
    proxy.fault(fault, method="GET", key=re.escape(KEY), times=3)
    assert way(filled) == BODY


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", DISTURBED.values(), ids=DISTURBED)
def test_what_is_never_the_object_is_an_error(
    filled: Store, proxy: S3Proxy, way: Callable[[Store], bytes], fault: Rewrite
) -> None:
    """Where it stays so, that is said, and no value comes back."""
    assert get(filled) == BODY  # the server's ETags are MD5s
    proxy.fault(fault, method="GET", key=re.escape(KEY), times=None)
    with pytest.raises(StoreError) as raised:
        way(filled)
    assert "acme" not in raised.value.diagnostics()


def test_etags_of_another_kind_are_a_servers_custom(
    filled: Store, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server whose ETags have 32 hex digits and are no MD5s is read all the same, as long as it says the same."""
    monkeypatch.setattr("diploma_archive.store.checked_reading._MD5_SERVERS", set())
    (right,) = [row.etag for row in filled.list(KEY)]
    other = "0123456789abcdef" * 2

    proxy.fault(Rewrite(lambda body, _: body, NO_WITNESS, {"etag": f'"{other}"'}), key=re.escape(KEY), times=None)
    assert right != other
    assert get(filled) == BODY
    proxy.clear()
    assert get(filled) == BODY  # an MD5 was seen now
    proxy.fault(Rewrite(lambda body, _: body, NO_WITNESS, {"etag": f'"{other}"'}), key=re.escape(KEY), times=None)
    with pytest.raises(StoreError):
        get(filled)


def test_a_checksum_of_another_writers_bytes_is_no_damage(filled: Store, proxy: S3Proxy) -> None:
    """After a race rclone has the bytes and MD5 of one writer and echoes the checksum of the other."""
    theirs = Payload.of(b"what another run wrote").digests()["ChecksumSHA256"]
    echo = {"x-amz-checksum-sha256": theirs}
    proxy.fault(Rewrite(lambda body, _: body, NO_WITNESS, echo), key=re.escape(KEY), times=None)
    assert get(filled) == BODY
    assert filled.compare(KEY, Payload.of(BODY)) is Created.SAME
    assert filled.compare(KEY, Payload.of(BODY[::-1])) is Created.OTHER
    proxy.clear()
    proxy.fault(Rewrite(lambda body, _: body[::-1], NO_WITNESS, echo), key=re.escape(KEY), times=None)
    with pytest.raises(IntegrityError):
        get(filled)


@pytest.mark.parametrize("headers", [ALL_HEADERS, frozenset({"etag"})], ids=["nothing at all", "no ETag"])
def test_a_head_that_says_nothing_is_asked_again(filled: Store, proxy: S3Proxy, headers: frozenset[str]) -> None:
    """A gateway that answers a HEAD with 200 says nothing of an object."""
    proxy.fault(Rewrite(lambda body, _: body, headers), method="HEAD", times=2)
    head = filled.head(KEY)
    assert head is not None
    assert head.size == len(BODY)
    proxy.fault(Rewrite(lambda body, _: body, headers), method="HEAD", times=None)
    with pytest.raises(StoreError):
        filled.head(KEY)


@pytest.mark.parametrize("headers", [ALL_HEADERS, frozenset({"etag"})], ids=["nothing at all", "no ETag"])
def test_a_put_that_says_nothing_is_looked_at(
    store: Store, bucket: Bucket, proxy: S3Proxy, headers: frozenset[str]
) -> None:
    """What answers a PUT with 200 and no ETag may have stored anything: the object itself is read."""
    proxy.fault(Rewrite(lambda *_: b"", headers), method="PUT", times=None)
    store.create(KEY, Payload.of(BODY), JSON_TYPE)
    assert bucket.body(KEY) == BODY
    assert any(one.method in ("GET", "HEAD") for one in proxy.requests)


def test_a_size_that_list_does_not_have_is_not_believed(filled: Store) -> None:
    """What has another size than its row of LIST is not the object that was listed."""
    (row,) = filled.list(KEY)
    other = Listed(row.key, row.size + 1, row.etag, row.modified, row.storage_class)
    with pytest.raises(StoreError):
        filled.get(KEY, listed=other)
    with pytest.raises(StoreError):
        filled.digest(KEY, listed=other)


KINDS = {
    "archive.json": 100_000,
    "state/cursor.json": 2_000_000,
    "state/cursor/0000000001-run.json": 2_000_000,
    "certificates/c-1/1.0123456789abcdef.json": 100_000,
    "diplomas/s-1/c-1/0123456789abcdef.json": 5_000_000,
    "suppressed/mark.json": 100_000,
    "erasures/receipt.json": 20_000_000,
    "quarantine/c-1/note.json": 6_000_000,
    "state/checkpoints/a/b.json": 20_000_000,
}


@pytest.mark.parametrize("key", KINDS)
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
def test_what_is_too_large_is_refused_before_it_is_read(
    store: Store, bucket: Bucket, proxy: S3Proxy, key: str, announced: bool
) -> None:
    """An object that is too large for its kind is named by its kind; nobody's memory is filled with it."""
    limit = size_limit(key)
    assert limit is not None
    bucket.put(key, b"{" + b" " * limit[1])
    if not announced:
        proxy.fault(
            Rewrite(lambda body, _: body, frozenset({"content-length"}), chunked=True), key=re.escape(key), times=None
        )
    with pytest.raises(TooLargeError, match=limit[0]):
        store.get(key)


@pytest.mark.parametrize("key", KINDS)
def test_what_nobody_would_read_is_never_written(store: Store, bucket: Bucket, proxy: S3Proxy, key: str) -> None:
    """One limit for writers and readers; nothing was sent."""
    assert (size_limit(key) or ("", 0))[1] == KINDS[key]
    body = b"{" + b" " * KINDS[key]
    with pytest.raises(TooLargeError):
        store.create(key, Payload.of(body), JSON_TYPE)
    if key.startswith("certificates/"):
        with pytest.raises(TooLargeError):
            store.overwrite(key, body)
    assert not proxy.requests
    store.create(key, Payload.of(body[:-1]), JSON_TYPE)
    assert store.get(key) is not None
