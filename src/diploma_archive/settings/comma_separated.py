"""Settings that hold several values, separated by commas."""

from __future__ import annotations

from typing import Annotated

from pydantic_settings import NoDecode

CommaSeparated = Annotated[tuple[str, ...], NoDecode]


def split_commas(value: object) -> object:
    """Return the parts of a text without the blanks around them; what is no text comes back as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
