"""What may be odd about a PDF that every viewer shows all the same; the record says it (DESIGN.md section 5)."""

from __future__ import annotations

from enum import StrEnum


class Oddity(StrEnum):
    """The fixed list of `file.oddities`."""

    JUNK_BEFORE = "junk-before"
    JUNK_BEHIND = "junk-behind"
    DAMAGED_END = "damaged-end"
    SHORTER_THAN_IT_SAYS = "shorter-than-it-says"
    WRONG_LABEL = "wrong-label"
    BLANK_PAGE = "blank-page"


class Names(StrEnum):
    """The fixed list of `file.names`: what the text of a PDF names of the diploma it came for. A hint, no verdict."""

    CERTIFICATE = "certificate"
    HOLDER = "holder"
    NOTHING = "nothing"
    NO_TEXT = "no-text"
