"""The whole index in memory: small, and it answers only what it can prove."""

from __future__ import annotations

from datetime import UTC, datetime

from diploma_archive.archive.bulk_index import BulkIndex
from diploma_archive.model.keys import CERTIFICATES, IndexName
from diploma_archive.store.objects import Listed

ONE, TWO = "0123456789abcdef", "fedcba9876543210"


def rows(*names):
    """Return the rows of a LIST of the index."""
    keys = sorted(f"{CERTIFICATES}{name}" for name in names)
    return [Listed(key, 1, "", datetime(2026, 3, 1, tzinfo=UTC), "STANDARD") for key in keys]


def test_a_certificate_with_one_entry_is_answered_without_a_request():
    """Known, unknown, or to be asked of the bucket: nothing is guessed."""
    index = BulkIndex.of(rows(f"c-A/5.{ONE}.json", f"c-B/5.{ONE}.json", f"c-B/6.{TWO}.json", f"c-C/7.{ONE}.2.json"))
    assert index.names("c-A", 5, ONE) == [IndexName(5, ONE)]
    assert index.names("c-A", 5, TWO) is None
    assert index.names("c-B", 6, TWO) is None
    assert index.names("c-C", 7, ONE) is None
    assert index.names("c-D", 5, ONE) == []


def test_every_entry_counts_for_its_record():
    """A record without an entry is found, whatever else its certificate has."""
    index = BulkIndex.of(rows(f"c-A/5.{ONE}.json", f"c-B/6.{ONE}.json", f"c-B/6.{TWO}.3.json", "c-B/notes.txt"))
    entries = [("c-A", ONE, 1), ("c-B", ONE, 1), ("c-B", TWO, 3)]
    assert all(index.has_record(*entry) for entry in entries)
    absent = [("c-A", ONE, 2), ("c-A", TWO, 1), ("c-B", TWO, 1), ("c-B", TWO, 2), ("c-C", ONE, 1)]
    assert not any(index.has_record(*entry) for entry in absent)


def test_what_a_run_wrote_itself_is_known():
    """A second diploma under a number of this run is looked at in the bucket, so that the conflict is seen."""
    index = BulkIndex.of([])
    index.note("c-A", IndexName(5, ONE))
    index.note("c-A", IndexName(5, ONE))
    assert index.names("c-A", 5, ONE) == [IndexName(5, ONE)]
    assert index.names("c-A", 6, TWO) is None
    index.note("c-A", IndexName(6, TWO))
    assert index.names("c-A", 5, ONE) is None
    assert index.has_record("c-A", ONE, 1)
    assert index.has_record("c-A", TWO, 1)
