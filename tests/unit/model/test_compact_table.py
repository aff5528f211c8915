"""The compact table and set: small, and never wrong about what they have."""

from __future__ import annotations

from diploma_archive.model.compact_table import CompactSet, CompactTable, digest64


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
