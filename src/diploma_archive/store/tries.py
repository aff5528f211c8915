"""How often, and how soon, S3 is asked again where what came is not what it should be."""

from __future__ import annotations

import time
from collections.abc import Iterator

TRIES = 4
FIRST_WAIT_SECONDS = 0.1  # then twice as long each time


def tries() -> Iterator[int]:
    """Yield how many tries are left after this one, down to 0, with a wait before each but the first."""
    for left in reversed(range(TRIES)):
        yield left
        if left:
            time.sleep(FIRST_WAIT_SECONDS * 2 ** (TRIES - 1 - left))
