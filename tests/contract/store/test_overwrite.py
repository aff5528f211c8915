"""The one kind of object that is overwritten, an index entry that does not fit, against real S3 servers."""

from __future__ import annotations

import pytest

from diploma_archive.errors import StoreError
from diploma_archive.store.store import Store
from tests.support.s3_proxy import Answer, CutAnswer, FlipBytes, Reset, S3Proxy
from tests.support.world import Bucket

KEY = "certificates/c-1/1.json"


def test_what_does_not_fit_is_written_anew(store: Store, bucket: Bucket) -> None:
    """No server needs a condition for it."""
    assert store.overwrite(KEY, b"1")
    assert store.overwrite(KEY, b"22")
    assert bucket.body(KEY) == b"22"


@pytest.mark.parametrize(
    "key", ["diplomas/s/c/r.json", "archive.json", "state/cursor/0000000001-r.json", "runs/r.json"]
)
def test_nothing_else_is_ever_overwritten(store: Store, key: str) -> None:
    """Not by a mistake in this program either."""
    with pytest.raises(AssertionError):
        store.overwrite(key, b"1")


def test_a_refusal_is_told_and_no_error(store: Store, proxy: S3Proxy) -> None:
    """Credentials that may create and never overwrite: the caller goes by the record."""
    proxy.fault(Answer(403, "AccessDenied"), method="PUT")
    assert not store.overwrite(KEY, b"1")


def test_a_lost_answer_and_a_reset_are_tried_again(store: Store, bucket: Bucket, proxy: S3Proxy) -> None:
    """What never reached the server, or whose answer was lost, is sent again."""
    proxy.fault(CutAnswer(), method="PUT")
    assert store.overwrite(KEY, b"1")
    proxy.fault(Reset(), method="PUT", times=2)
    assert store.overwrite(KEY, b"2")
    assert bucket.body(KEY) == b"2"


def test_wrong_bytes_on_the_way_are_noticed(store: Store, proxy: S3Proxy) -> None:
    """An entry that changed on the way is refused."""
    proxy.fault(FlipBytes(), method="PUT", times=None)
    with pytest.raises(StoreError):
        store.overwrite(KEY, b"new")
