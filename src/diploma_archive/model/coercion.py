"""FrontCore's odd ways to write numbers, flags and text (FRONTCORE.md), made one.

Rule: what cannot be coerced is refused by a text that never quotes the value, since it is somebody's personal data.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

CoercedT = TypeVar("CoercedT")

MAX_ID = 2**63 - 1
MAX_FLOAT_ID = 2**53  # from here on a float stands for several whole numbers
_TRUE = frozenset({"1", "true"})
_FALSE = frozenset({"0", "false"})


def coerce_id(value: object) -> int | None:
    """Return an id as a whole number (`"2996"` is 2996), or None for null and blank text.

    Raises:
        ValueError: it is no whole number from 0 to 2^63-1.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str) and len(value) < 40 and value.strip().isascii() and value.strip().isdigit():
        value = int(value)
    if isinstance(value, float) and value.is_integer() and value < MAX_FLOAT_ID:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_ID:
        raise ValueError("is not a whole number")
    return value


def coerce_flag(value: object) -> bool | None:
    """Return `true`, `1`, `"1"`, `"true"` as True, their opposites as False, null and blank text as None.

    Raises:
        ValueError: it is neither.
    """
    if value is None or isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, (int, str)) else ""
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if isinstance(value, str) and not value.strip():
        return None
    raise ValueError("is neither true nor false")


def coerce_text(value: object) -> str | None:
    """Return text as it came, a number as its digits, null as None. Lone surrogates are text too.

    Raises:
        ValueError: it is neither text nor a number.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise ValueError("is not text")


class OddNumber(str):
    """What came as a certificate number or serial and is none: a float, a flag, a list, an object.

    Its text is how versions of this program that took a float for a number wrote it.
    """

    __slots__ = ()


def coerce_number(value: object) -> str | None:
    """Return a certificate number or serial as text: text as it came, an integer as its digits, null as None.

    Whatever else came is an `OddNumber`: which number was meant, nobody knows any more (`1200000.0` from `12E5`).
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return OddNumber(str(value) if isinstance(value, float) else json.dumps(value, sort_keys=True))


def is_written_as_a_float(text: str | None) -> bool:
    """Return whether a number is spelled just as versions of this program that took a float for one spelled it."""
    try:
        return text is not None and text == repr(float(text))
    except ValueError:
        return False


def or_none(coerce: Callable[[object], CoercedT], value: object) -> CoercedT | None:
    """Return a coerced value, or None where it cannot be coerced."""
    try:
        return coerce(value)
    except ValueError:
        return None
