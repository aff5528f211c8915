"""The compact table and what is built on it: small, and never wrong about what it has."""

from __future__ import annotations

from datetime import UTC, datetime

from diploma_archive.archive.keys import CERTIFICATES, IndexName
from diploma_archive.archive.known import KnownIndex
from diploma_archive.archive.reader import Listed
from diploma_archive.compact import CompactSet, CompactTable, digest64

ONE, TWO = "0123456789abcdef", "fedcba9876543210"


def rows(*names):
    """Return the rows of a LIST of the index."""
    keys = sorted(f"{CERTIFICATES}{name}" for name in names)
    return [Listed(key, 1, "", datetime(2026, 3, 1, tzinfo=UTC), "STANDARD") for key in keys]


def test_every_key_keeps_its_value_while_the_table_grows():
    """The table is a dict of numbers, also where many keys share their slot."""
    table, expected = CompactTable(), {}
    for number in range(5_000):
        for key in (digest64(number), (number + 1) << 32):  # the second kind all begin at one slot
            if number < 300 or key != (number + 1) << 32:
                table.set(key, number)
                expected[key] = number
    assert len(table) == len(expected)
    assert all(table.get(key) == value for key, value in expected.items())
    assert not any(digest64("absent", number) in table for number in range(5_000))
    table.set(digest64(7), 1 << 63)
    assert (table.get(digest64(7)), len(table)) == (1 << 63, len(expected))


def test_a_set_knows_what_was_added():
    """The set grows without losing anything, and adding twice is adding once."""
    known = CompactSet()
    for _ in range(2):
        for number in range(3_000):
            known.add(digest64(number))
    assert len(known) == 3_000
    assert all(digest64(number) in known for number in range(3_000))
    assert not any(digest64(number) in known for number in range(3_000, 6_000))


def test_parts_of_a_digest_do_not_run_together():
    """Two different questions have two digests."""
    assert digest64("a", "bc") != digest64("ab", "c")
    assert digest64("\ud800") != digest64("?")


def test_a_certificate_with_one_entry_is_answered_without_a_request():
    """Known, unknown, or to be asked of the bucket: nothing is guessed."""
    index = KnownIndex.of(rows(f"c-A/5.{ONE}.json", f"c-B/5.{ONE}.json", f"c-B/6.{TWO}.json", f"c-C/7.{ONE}.2.json"))
    assert index.names("c-A", 5, ONE) == [IndexName(5, ONE)]
    assert index.names("c-A", 5, TWO) is None
    assert index.names("c-B", 6, TWO) is None
    assert index.names("c-C", 7, ONE) is None
    assert index.names("c-D", 5, ONE) == []


def test_every_entry_counts_for_its_record():
    """A record without an entry is found, whatever else its certificate has."""
    index = KnownIndex.of(rows(f"c-A/5.{ONE}.json", f"c-B/6.{ONE}.json", f"c-B/6.{TWO}.3.json", "c-B/notes.txt"))
    entries = [("c-A", ONE, 1), ("c-B", ONE, 1), ("c-B", TWO, 3)]
    assert all(index.has_record(*entry) for entry in entries)
    absent = [("c-A", ONE, 2), ("c-A", TWO, 1), ("c-B", TWO, 1), ("c-B", TWO, 2), ("c-C", ONE, 1)]
    assert not any(index.has_record(*entry) for entry in absent)


def test_what_a_run_wrote_itself_is_known():
    """A second diploma under a number of this run is looked at in the bucket, so that the conflict is seen."""
    index = KnownIndex.of([])
    index.note("c-A", IndexName(5, ONE))
    index.note("c-A", IndexName(5, ONE))
    assert index.names("c-A", 5, ONE) == [IndexName(5, ONE)]
    assert index.names("c-A", 6, TWO) is None
    index.note("c-A", IndexName(6, TWO))
    assert index.names("c-A", 5, ONE) is None
    assert index.has_record("c-A", ONE, 1)
    assert index.has_record("c-A", TWO, 1)
