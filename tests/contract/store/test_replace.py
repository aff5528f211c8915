"""The one object that is overwritten, the cursor, against real S3 servers (DESIGN.md section 6)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from diploma_archive.errors import StoreError
from diploma_archive.store.store import Store
from tests.contract.store.conftest import Backend
from tests.support.s3_proxy import Answer, CutAnswer, FlipBytes, Reset, S3Proxy
from tests.support.world import Bucket

RACERS = 8
CONFLICT = Answer(409, "ConditionalRequestConflict")


def test_replace_wants_the_version_that_was_read(store: Store, bucket: Bucket, backend: Backend) -> None:
    """The cursor is only moved by whoever read it last; a server that ignores conditions lets everyone move it."""
    assert store.replace("c", b"1", None)
    assert store.replace("c", b"0", None) is not backend.honours_conditions
    first = store.get("c")
    assert first is not None
    assert store.replace("c", b"2", first.etag)
    assert store.replace("c", b"3", first.etag) is not backend.honours_conditions
    assert bucket.body("c") == (b"2" if backend.honours_conditions else b"3")


def test_nothing_replaces_what_is_not_there(store: Store, bucket: Bucket, backend: Backend) -> None:
    """A cursor that was taken away meanwhile is not brought back as if it had been read."""
    assert store.replace("c", b"1", '"0123456789abcdef0123456789abcdef"') is not backend.honours_conditions
    assert bucket.keys_below() == ([] if backend.honours_conditions else ["c"])


def test_of_those_who_read_the_same_one_moves_it(store: Store, bucket: Bucket, backend: Backend) -> None:
    """Of many simultaneous moves from one version exactly one succeeds, and its bytes are those that stay."""
    store.replace("c", b"start", None)
    start = store.get("c")
    assert start is not None
    moved = _race(store, start.etag)
    assert bucket.body("c") in {b"%d" % number for number, won in enumerate(moved) if won}
    if backend.honours_conditions:
        assert moved.count(True) == 1


def test_of_those_who_begin_one_begins(store: Store, bucket: Bucket, backend: Backend) -> None:
    """Of many first cursors exactly one is stored."""
    began = _race(store, None)
    assert bucket.body("c") in {b"%d" % number for number, won in enumerate(began) if won}
    if backend.honours_conditions:
        assert began.count(True) == 1


@pytest.mark.parametrize("etag", [False, True], ids=["first", "next"])
def test_a_lost_answer_is_our_own_move(store: Store, bucket: Bucket, proxy: S3Proxy, etag: bool) -> None:
    """After a lost answer the retry meets what we wrote, and that is a success."""
    read = None
    if etag:
        store.replace("c", b"0", None)
        stored = store.get("c")
        assert stored is not None
        read = stored.etag
    proxy.fault(CutAnswer(), method="PUT")
    assert store.replace("c", b"1", read)
    assert bucket.body("c") == b"1"


def test_a_reset_is_tried_again(store: Store, bucket: Bucket, proxy: S3Proxy) -> None:
    """What never reached the server is sent again."""
    proxy.fault(Reset(), method="PUT", times=2)
    assert store.replace("c", b"1", None)
    assert bucket.body("c") == b"1"


def test_a_conflict_is_no_move(store: Store, bucket: Bucket, proxy: S3Proxy) -> None:
    """409 means that somebody else is writing: nothing is stored, and the caller reads again."""
    proxy.fault(CONFLICT, method="PUT")
    assert not store.replace("c", b"1", None)
    assert bucket.keys_below() == []
    assert store.replace("c", b"1", None)


def test_wrong_bytes_on_the_way_move_nothing(store: Store, bucket: Bucket, proxy: S3Proxy) -> None:
    """A cursor that changed on the way is refused, and the old one stays."""
    store.replace("c", b"old", None)
    stored = store.get("c")
    assert stored is not None
    proxy.fault(FlipBytes(), method="PUT", times=None)
    with pytest.raises(StoreError):
        store.replace("c", b"new", stored.etag)
    assert bucket.body("c") == b"old"


def _race(store: Store, etag: str | None) -> list[bool]:
    together = threading.Barrier(RACERS)

    def move(number: int) -> bool:
        together.wait()
        try:
            return store.replace("c", b"%d" % number, etag)
        except StoreError:
            return False  # rclone answers 500 to some writers of one moment

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(move, range(RACERS)))
