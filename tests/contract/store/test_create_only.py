"""What a server does with `If-None-Match: *` is tried, both ways, and disturbed tries never end in a wrong belief."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from diploma_archive.model.payload import Payload
from diploma_archive.store.create_only import RUN_PROBE, CreateOnly
from diploma_archive.store.store import JSON_TYPE, Created, Store
from tests.contract.store.conftest import Backend
from tests.support.s3_proxy import Answer, S3Proxy, S3Request, StripCondition
from tests.support.world import Bucket

RUNS = 8
NO_DELETE = Answer(403, "AccessDenied")


def puts(proxy: S3Proxy) -> int:
    """Return how often the probe was written, or tried to be."""
    return sum(request.method == "PUT" for request in proxy.requests)


def test_the_truth_about_a_server(store: Store, bucket: Bucket, backend: Backend) -> None:
    """A server that honours the condition and one that ignores it are told apart, and nothing is left."""
    honours = backend.honours_conditions
    for _ in range(3):
        assert store.try_create_only() is (CreateOnly.HONOURED if honours else CreateOnly.IGNORED)
        assert bucket.keys_below() == []


def test_a_probe_that_may_not_be_removed_is_used_again(
    store: Store, bucket: Bucket, proxy: S3Proxy, backend: Backend
) -> None:
    """Without the right to remove it the next run finds it there, and writes no second version of it."""
    proxy.fault(NO_DELETE, method="DELETE", times=None)
    for _ in range(3):
        assert store.try_create_only().looks_first is not backend.honours_conditions
    assert bucket.keys_below() == [RUN_PROBE]
    if backend.honours_conditions:
        assert puts(proxy) == 4


@pytest.mark.usefixtures("unsigned")
def test_an_ignored_condition_is_believed_after_two_tries(store: Store, proxy: S3Proxy, backend: Backend) -> None:
    """A success on what was seen there before, twice, is what "ignored" means."""
    if backend.honours_conditions:
        proxy.fault(StripCondition(), method="PUT", times=None)
    assert store.try_create_only() is CreateOnly.IGNORED
    assert [request.method for request in proxy.requests] == ["PUT", "PUT", "HEAD", "PUT", "HEAD", "PUT", "DELETE"]


@pytest.mark.parametrize("answer", [Answer(501, "NotImplemented"), Answer(412, "PreconditionFailed")])
def test_a_server_that_stops_what_it_should_let_through(
    store: Store, bucket: Bucket, proxy: S3Proxy, answer: Answer
) -> None:
    """The right condition must succeed too: else it is never sent, the program looks first, and everything works."""

    def refuse(request: S3Request) -> None:
        if request.method == "PUT" and "if-none-match" in request.headers:
            proxy.fault(answer, method="PUT", key=f"{request.key}$")

    proxy.on_request = refuse
    assert store.try_create_only() is CreateOnly.REFUSED
    assert store.create("a.json", Payload.of(b"1"), JSON_TYPE, look_first=True) is Created.NEW
    assert store.create("a.json", Payload.of(b"2"), JSON_TYPE, look_first=True) is Created.OTHER
    assert bucket.body("a.json") == b"1"


def by(other: Callable[[Bucket], None], bucket: Bucket, nth: int) -> Callable[[S3Request], None]:
    """Let another run do something right before the nth request of this one."""
    count = 0

    def look(_: S3Request) -> None:
        nonlocal count
        count += 1
        if count == nth:
            other(bucket)

    return look


def writes(bucket: Bucket) -> None:
    """Another run wrote its probe."""
    bucket.put(RUN_PROBE, b"another run's")


def removes(bucket: Bucket) -> None:
    """Another run removed the probe."""
    bucket.client.delete_object(Bucket=bucket.name, Key=f"{bucket.prefix}/{RUN_PROBE}")


def test_many_runs_that_try_at_once_never_give_up_the_condition(store: Store, backend: Backend) -> None:
    """However they disturb each other: a server that honours it is never taken for one that refuses it."""
    with ThreadPoolExecutor(RUNS) as pool:
        found = set(pool.map(lambda _: store.try_create_only(), range(RUNS * 5)))
    assert CreateOnly.REFUSED not in found
    if not backend.honours_conditions:
        assert CreateOnly.HONOURED not in found


@pytest.mark.parametrize("nth", range(1, 7))
@pytest.mark.parametrize("other", [writes, removes])
def test_two_runs_may_try_at_once(
    store: Store, bucket: Bucket, proxy: S3Proxy, backend: Backend, other: Callable[[Bucket], None], nth: int
) -> None:
    """Whatever another run does to the probe: a server that ignores is never trusted, one that honours never accused.

    What was disturbed gives the careful way.
    """
    proxy.on_request = by(other, bucket, nth)
    found = store.try_create_only()
    if backend.honours_conditions:
        assert found in (CreateOnly.HONOURED, CreateOnly.UNSURE)
    else:
        assert found.looks_first
