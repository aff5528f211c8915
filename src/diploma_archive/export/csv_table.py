"""The overview of an export as a table that Excel opens: UTF-8 with a byte order mark, semicolons, CRLF.

Rule: no value is ever a formula, and none breaks its cell. Semicolons, since Excel takes the list separator of the
country it runs in, and FrontCore's customers sit where that is the semicolon (a comma would put each row in one cell).
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Sequence

BYTE_ORDER_MARK = codecs.BOM_UTF8
MAX_CELL_CHARACTERS = 32_000  # Excel holds 32,767 in a cell and lets the rest run over into the next ones

# With their full-width forms, which Excel takes for the same in some languages.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def cell(value: object) -> str:
    """Return a value as the text of a cell: null is empty, flags are yes and no, and no text is a formula.

    Control characters, line breaks, marks that turn the direction of writing and lone surrogates are spelt out
    (`\\n`, `\\u202e`); text that Excel would take for a formula gets an apostrophe before it.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    guard = "'" if text.lstrip(" \u00a0\u3000").startswith(_FORMULA_STARTS) else ""
    spelt = guard + visible(text)
    return spelt if len(spelt) <= MAX_CELL_CHARACTERS else f"{spelt[:MAX_CELL_CHARACTERS]}..."


def visible(text: str) -> str:
    """Return text with everything spelt out that would not show, or would change how the rest is shown."""
    return "".join(_spelt(one) if _is_odd(one) else one for one in text)


def line(values: Iterable[object]) -> bytes:
    """Return one row of the table."""
    row = io.StringIO()
    csv.writer(row, delimiter=";", lineterminator="\r\n").writerow([cell(value) for value in values])
    return row.getvalue().encode("utf-8")


def table(header: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterable[bytes]:
    """Yield a whole table, row by row, the byte order mark and the header first."""
    yield BYTE_ORDER_MARK + line(header)
    for row in rows:
        yield line(row)


def _is_odd(one: str) -> bool:
    return (
        one < " "
        or "\x7f" <= one <= "\x9f"
        or "\ud800" <= one <= "\udfff"
        or one in _DIRECTIONS
        or one in "\u2028\u2029"
    )


def _spelt(one: str) -> str:
    return one.encode("unicode_escape").decode("ascii")
