"""A part of a listing never passes for the whole, whatever a server or a gateway makes of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import pytest
from mypy_boto3_s3.client import S3Client

from diploma_archive.errors import StoreError
from diploma_archive.model.payload import Payload
from diploma_archive.store.listing import in_order
from diploma_archive.store.store import JSON_TYPE, Store
from diploma_archive.store.versions import Eraser
from tests.support.s3_proxy import Rewrite, S3Proxy, S3Request
from tests.support.world import Bucket

KEYS = [f"diplomas/s/c/{number}.json" for number in range(5)]
HTML = b"<!doctype html><html><title>Welcome</title><p>Please sign in</html>"
Change = Callable[[bytes], bytes]


def truncated(body: bytes) -> bytes:
    """More follows, it says."""
    return body.replace(b"<IsTruncated>false<", b"<IsTruncated>true<")


def next_is(token: bytes) -> Change:
    """More follows, from a place that is always the same."""
    there = b"<NextContinuationToken>%b</NextContinuationToken></ListBucketResult>" % token
    return lambda body: truncated(body).replace(b"</ListBucketResult>", there)


def first_of_them(body: bytes) -> bytes:
    """One row is lost; the number of rows is not."""
    return re.sub(rb"<(Contents|Version)>.*?</\1>", b"", body, count=1, flags=re.DOTALL)


def foreign(body: bytes) -> bytes:
    """A row is of another archive."""
    return re.sub(rb"<Key>acme(/|%2F)prod", rb"<Key>acme\1other", body, count=1)


NO_LISTINGS: dict[str, Change] = {
    "nothing": lambda _: b"",
    "half of it": lambda body: body[: len(body) // 2],
    "a page of HTML": lambda _: HTML,
    "well-formed XHTML": lambda _: b"<html><head/><body>Please sign in</body></html>",
    "no size": lambda body: re.sub(rb"<Size>.*?</Size>", b"", body),
    "fewer than it says": first_of_them,
    "a key of another archive": foreign,
}
WITHOUT_AN_END: dict[str, Change] = {
    "more, and not where": truncated,
    "the same place again": next_is(b"here"),
}

ALL = NO_LISTINGS | WITHOUT_AN_END


def on_lists(change: Change, kind: str = "list-type") -> Rewrite:
    """Change the answers to one kind of LIST."""

    def changed(body: bytes, request: S3Request) -> bytes:
        return change(body) if kind in request.query and not request.key else body

    return Rewrite(changed)


@pytest.fixture
def store(client: S3Client, bucket: Bucket) -> Store:
    """The store by boto3 alone: the short way neither lists nor reads."""
    return Store(client, bucket.name, bucket.prefix)


@pytest.fixture
def filled(store: Store, proxy: S3Proxy) -> Store:
    """A store with a few objects."""
    for key in KEYS:
        store.create(key, Payload.of(b"{}"), JSON_TYPE)
    proxy.reset()
    return store


@pytest.mark.parametrize(
    "change", [*NO_LISTINGS.values(), *WITHOUT_AN_END.values()], ids=[*NO_LISTINGS, *WITHOUT_AN_END]
)
def test_what_has_no_end_is_an_error(filled: Store, proxy: S3Proxy, change: Change) -> None:
    """Where a listing cannot be had to its end, that is said; nobody gets a short one."""
    proxy.fault(on_lists(change), times=None)
    with pytest.raises(StoreError) as raised:
        list(filled.list("diplomas/"))
    assert "acme" not in raised.value.diagnostics()


@pytest.mark.parametrize("change", NO_LISTINGS.values(), ids=NO_LISTINGS)
@pytest.mark.parametrize("times", [1, 3])
def test_what_is_no_listing_is_asked_for_again(filled: Store, proxy: S3Proxy, change: Change, times: int) -> None:
    """One odd answer in some hundred costs a moment and no key."""
    proxy.fault(on_lists(change), times=times)
    assert [row.key for row in filled.list("diplomas/")] == KEYS


@pytest.fixture
def eraser(client: S3Client, bucket: Bucket, filled: Store) -> Eraser:
    """What erases, on the same bucket."""
    return Eraser(client, bucket.name, bucket.prefix)


def backwards(body: bytes) -> bytes:
    """The last version comes first."""
    head, *versions = re.split(rb"(?=<Version>)", body.replace(b"</ListVersionsResult>", b""))
    return b"".join([head, *reversed(versions), b"</ListVersionsResult>"])


VERSIONS: dict[str, Change] = {
    "more, and not where": truncated,
    "the same place again": lambda body: truncated(body).replace(
        b"</ListVersionsResult>",
        b"<NextKeyMarker>k</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker></ListVersionsResult>",
    ),
    "a version without its key": lambda body: re.sub(rb"<Key>.*?</Key>", b"", body, count=1),
    "nothing": lambda _: b"",
    "half of it": lambda body: body[: len(body) // 2],
    "a page of HTML": lambda _: HTML,
    "a key of another archive": foreign,
    "in no order": backwards,
}


@pytest.mark.parametrize("change", VERSIONS.values(), ids=VERSIONS)
def test_versions_too(eraser: Eraser, proxy: S3Proxy, change: Change, request: pytest.FixtureRequest) -> None:
    """What is to be erased is listed whole, in order, or not at all."""
    if "rclone" in request.node.callspec.id:
        pytest.skip("rclone knows no versions: it answers with an empty list, which is asked of the plain one")
    before = [version.key for version in eraser.versions("diplomas/")]
    assert before == KEYS
    proxy.fault(on_lists(change, "versions"), times=None)
    try:
        after = [version.key for version in eraser.versions("diplomas/")]
    except StoreError as error:
        assert "acme" not in error.diagnostics()
    else:
        assert after == KEYS  # within a page they are put in order


def rows(store: Store, keys: Iterable[str]) -> list[str]:
    """Return keys as they come through the check of their order."""
    by_key = {row.key: row for row in store.list("diplomas/")}
    return [row.key for row in in_order(by_key[key] for key in keys)]


@pytest.mark.parametrize(
    "keys", [KEYS[::-1], [*KEYS, KEYS[0]], [*KEYS[1:], KEYS[0]]], ids=["backwards", "again", "late"]
)
def test_who_relies_on_the_order_checks_it(filled: Store, keys: list[str]) -> None:
    """A server that lists in another order is named, and no certificate is taken for two."""
    assert rows(filled, KEYS) == KEYS
    with pytest.raises(StoreError, match="order"):
        rows(filled, keys)


def test_a_key_twice_in_a_row_is_one(filled: Store) -> None:
    """After a race rclone lists a key twice: it is no second object."""
    assert rows(filled, [KEYS[0], *KEYS]) == KEYS


def test_empty_pages_have_an_end(filled: Store, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that goes on for ever with nothing is stopped."""
    monkeypatch.setattr("diploma_archive.store.listing.MAX_EMPTY_PAGES", 3)
    pages = itertools.count()

    def empty(body: bytes) -> bytes:
        kept = re.sub(rb"<Contents>.*</Contents>", b"", body, flags=re.DOTALL)
        return next_is(b"t%d" % next(pages))(re.sub(rb"<KeyCount>\d+<", b"<KeyCount>0<", kept))

    proxy.fault(on_lists(empty), times=None)
    with pytest.raises(StoreError):
        list(filled.list("diplomas/"))
    assert next(pages) < 10


def test_a_server_that_goes_round_in_a_circle_is_stopped(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pages that name each other as the next one have no end, though neither follows itself."""
    asked: list[str | None] = []

    def page(*, ContinuationToken: str | None = None, **_: object) -> dict[str, object]:  # noqa: N803  boto3's name
        asked.append(ContinuationToken)
        names = {None: ("a", "b"), "b": ("b", "c"), "c": ("c", "b")}
        key, following = names[ContinuationToken]
        row = {"Key": f"acme/prod/diplomas/{key}", "Size": 1, "LastModified": datetime.now(UTC), "ETag": '"x"'}
        return {"IsTruncated": True, "NextContinuationToken": following, "Contents": [row]}

    monkeypatch.setattr(filled._client, "list_objects_v2", page)
    with pytest.raises(StoreError, match="comes back"):
        list(filled.list("diplomas/"))
    assert asked == [None, "b", "c"]
