"""Listings against real S3 servers: complete, sorted, relative, and never quietly short."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from diploma_archive.errors import StoreError
from diploma_archive.model.payload import Payload
from diploma_archive.store.objects import Listed
from diploma_archive.store.store import JSON_TYPE, Store
from tests.support.s3_proxy import Answer, CutAnswer, S3Proxy
from tests.support.world import Bucket

MANY = 1_010  # more than one page of 1,000
DENIED = Answer(403, "AccessDenied")


@pytest.fixture
def many(bucket: Bucket, proxy: S3Proxy) -> Iterator[list[str]]:
    """The keys of more objects than a page lists, in order."""
    keys = sorted(f"certificates/c-{number % 37}/{number}.json" for number in range(MANY))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: bucket.put(key, b"x"), keys))
    bucket.put("certificatesx", b"a neighbour of the folder")
    proxy.reset()
    yield keys


def test_more_than_a_page_is_complete_and_sorted(store: Store, many: list[str], proxy: S3Proxy) -> None:
    """Every key comes once, in order, without the prefix, in as few requests as pages; a lost answer costs no row.

    A page that is refused ends the listing with an error, never as if it were complete.
    """
    assert [row.key for row in store.list("certificates/")] == many
    assert len(proxy.requests) == 2
    assert [row.key for row in store.list("certificates/", at_most=1_005)] == many[:1_005]

    proxy.fault(CutAnswer(), skip=1)
    assert [row.key for row in store.list("certificates/")] == many

    proxy.fault(DENIED, skip=1, times=None)
    seen: list[Listed] = []
    with pytest.raises(StoreError):
        seen.extend(store.list("certificates/"))
    rows = store.list("certificates/")
    proxy.clear()
    proxy.fault(DENIED, skip=1, times=None)
    assert [next(rows).key for _ in range(1_000)] == many[:1_000]
    with pytest.raises(StoreError):
        next(rows)


def test_absent_is_none_and_a_listing_is_sorted_and_relative(store: Store) -> None:
    """What is not there is not there; keys come back without the prefix, in order, and no more than asked for."""
    assert store.get("nothing") is None
    assert not store.exists("nothing")
    assert list(store.list("nothing/")) == []
    for number in range(12):
        store.create(f"many/{number:02d}", Payload.of(b"x" * number), JSON_TYPE)
    rows = list(store.list("many/"))
    assert [(row.key, row.size) for row in rows] == [(f"many/{number:02d}", number) for number in range(12)]
    assert list(store.list("many/", at_most=3)) == rows[:3]
    assert list(store.list("many/", at_most=12)) == rows
    assert list(store.list("many/", at_most=13)) == rows


def test_the_order_is_that_of_the_bytes(store: Store) -> None:
    """Keys are compared whole, byte by byte: `-` and `.` come before `/`, digits after it, capitals before `_`."""
    names = ["s/Z", "s/_x", "s/a-b/1", "s/a.b", "s/a/1", "s/a/2", "s/a0"]
    for name in reversed(names):
        store.create(name, Payload.of(b"x"), JSON_TYPE)
    assert [row.key for row in store.list("s/")] == names
    assert [row.key for row in store.list("s/a")] == names[2:]


def test_a_bounded_listing_reads_no_page_too_many(store: Store, proxy: S3Proxy) -> None:
    """Whether there is anything at all costs one request."""
    for number in range(3):
        store.create(f"many/{number}", Payload.of(b"x"), JSON_TYPE)
    proxy.reset()
    assert len(list(store.list("many/", at_most=1))) == 1
    assert len(proxy.requests) == 1


def test_only_this_prefix_is_seen(store: Store, bucket: Bucket) -> None:
    """Another archive in the same bucket, and one whose prefix begins the same, are not listed."""
    for key in ("acme/prod2/a", "acme/a", "a"):
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"x")
    store.create("a", Payload.of(b"x"), JSON_TYPE)
    assert [row.key for row in store.list("")] == ["a"]
