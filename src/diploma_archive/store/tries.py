"""How often, and how soon, S3 is asked again where what came is not what it should be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

TRIES = 4
FIRST_WAIT_SECONDS = 0.1  # then twice as long each time


def tries() -> Iterator[int]:
    """Yield how many tries are left after this one, down to 0, with a wait before each but the first."""
    for left in reversed(range(TRIES)):
        yield left
        if left:
            time.sleep(FIRST_WAIT_SECONDS * 2 ** (TRIES - 1 - left))


def until_found(look: Callable[[], T | None]) -> T | None:
    """Return what `look` finds of something that S3 said is there, or None where it is gone each time.

    A server that overwrites by deleting and renaming (rclone) has no object for a moment, while others write it.
    """
    for _ in tries():
        found = look()
        if found:
            return found
    return None
