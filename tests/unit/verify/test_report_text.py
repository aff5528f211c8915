"""What a check found, as text: a key may hold anything a stranger chose."""

from __future__ import annotations

from diploma_archive.verify.report_text import printable


def test_what_cannot_be_printed_is_escaped() -> None:
    """A key never writes to the terminal."""
    assert printable("diplomas/\N{LATIN SMALL LETTER AE}") == "diplomas/\N{LATIN SMALL LETTER AE}"
    assert printable("a\x1b[31m\n\N{RIGHT-TO-LEFT OVERRIDE}").isprintable()
