"""Names and tables of an export, for every text that anybody could think of."""

from __future__ import annotations

import csv
import io
import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from diploma_archive.export.csv_table import BYTE_ORDER_MARK, MAX_CELL_CHARACTERS, cell, table
from diploma_archive.export.file_names import MAX_NAME_CHARACTERS, candidates, is_export_name, object_name, stem

NASTY = st.sampled_from(list('._-/\\%: \t\r\n\x00aA0=+@;",\u202e\u2028\u00e5\u030a\ufdfa\ud800\udfff\U0001f393\uff1d'))
TEXTS = st.one_of(
    st.text(st.characters(), max_size=60), st.text(NASTY, max_size=200), st.sampled_from(["con", "NUL.x"])
)
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


@settings(max_examples=500)
@given(st.none() | TEXTS, st.none() | TEXTS, st.integers(1, 2**63 - 1), st.booleans(), TEXTS)
@example("\ufdfa" * 500, "\u0130" * 500, 2**63 - 1, True, "k")
def test_every_name_is_good_on_every_file_system(serial, certificate, diploma_id, several, key):
    """No separator, no trailing dot, no name of a device, no odd character, at most 120 characters."""
    name = stem(serial, certificate, diploma_id) + ("_0123456789abcdef.999999999" if several else "")
    for file in [*candidates("records", name, ".json", key), object_name(key)]:
        last = file.rpartition("/")[2]
        assert is_export_name(file)
        assert len(last) <= MAX_NAME_CHARACTERS
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*[A-Za-z0-9]", last)
        assert not RESERVED.fullmatch(last)


@settings(max_examples=500)
@given(st.lists(st.lists(st.none() | st.booleans() | st.integers() | TEXTS, min_size=2, max_size=4), max_size=4))
def test_every_table_is_read_back_row_by_row(rows):
    """Whatever the cells hold, a reader finds as many rows and cells as there are, and no formula."""
    body = b"".join(table(["one", "two"], rows))
    assert body.startswith(BYTE_ORDER_MARK)
    text = body.decode("utf-8-sig")
    assert text.count("\r\n") == len(rows) + 1 == len(text.split("\r\n")) - 1
    read = list(csv.reader(io.StringIO(text, newline=""), delimiter=";", strict=True))
    assert [len(row) for row in read[1:]] == [len(row) for row in rows]
    assert read[1:] == [[cell(value) for value in row] for row in rows]


@settings(max_examples=500)
@given(TEXTS, st.sampled_from(["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", " =", "\u00a0+"]))
@example("=" * 100_000, "=")
def test_no_text_is_a_formula(text, start):
    """A course named `=HYPERLINK(...)` is text in Excel too."""
    shown = cell(start + text)
    assert shown.startswith("'")
    assert len(shown) <= MAX_CELL_CHARACTERS + 3
    shown.encode("utf-8")
