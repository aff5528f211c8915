"""The key segments that a person may mean by what was typed or pasted: a number, or a folder seen in the S3 console.

Rule: what was typed is first of all the number itself, so that a number which looks like a folder is found too.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from diploma_archive.model.keys import certificate_segment, escape, is_blank, serial_segment

WITHOUT_NUMBER = "d-"  # begins the segment of each diploma that has no certificate number

_CERTIFICATE = re.compile(r"c-[A-Za-z0-9._-]{1,120}|d-(?:[1-9][0-9]{0,18}|h[0-9a-f]{32})")
_SERIAL = re.compile(r"s-[A-Za-z0-9._-]{1,120}|no-serial")
_ESCAPED = re.compile(r"_([0-9A-F]{2})")
_HASHED = re.compile(r"_h[0-9a-f]{32}")


def certificate_segments(text: str) -> tuple[str, ...]:
    """Return the one or two certificate segments to look under, the likelier first; none for blank text.

    A blank certificate number has no segment of its own: those diplomas lie under `d-{diploma id}`.
    """
    if is_blank(text):
        return ()
    return _segments(text, _CERTIFICATE, lambda number: certificate_segment(number, 0))


def serial_segments(text: str) -> tuple[str, ...]:
    """Return the one or two serial segments to look under, the likelier first; `no-serial` for blank text."""
    return _segments(text, _SERIAL, serial_segment)


def number_of(segment: str) -> str | None:
    """Return the number (in NFC) that a `c-` or `s-` segment was made of; None where it does not say.

    A hashed segment does not say, nor do `d-...` and `no-serial`.
    """
    kind, dash, escaped = segment.partition("-")
    if kind not in ("c", "s") or not dash or _HASHED.search(escaped):
        return None
    raw = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), escaped)
    try:
        number = raw.encode("latin-1").decode("utf-8", "surrogatepass")
    except UnicodeError:
        return None
    return number if escape(number) == escaped else None


def _segments(text: str, folder: re.Pattern[str], segment: Callable[[str], str]) -> tuple[str, ...]:
    stripped = text.strip()
    pasted = stripped.removesuffix("/")
    # A number with outer blanks may be in the archive; most often they came with the pasting.
    meant = pasted if folder.fullmatch(pasted) else segment(stripped)
    return tuple(dict.fromkeys((segment(text), meant)))
