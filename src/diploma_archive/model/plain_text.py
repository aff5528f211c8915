"""Text from outside, made harmless for terminals and logs; what is kept stays exact, only what is shown is changed.

Rule: nothing that moves a cursor, starts an escape sequence, breaks a line or turns the writing direction is shown.
"""

from __future__ import annotations

_LINE_BREAKS = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029")


def without_controls(text: str) -> str:
    """Return text on one line, with a replacement character for each one that is not printable."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() and character not in _LINE_BREAKS else "\N{REPLACEMENT CHARACTER}"
