"""How often, and how soon, S3 is asked again where what came is not what it should be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from botocore.exceptions import ClientError

from diploma_archive.store.s3_errors import error_code, status_code

T = TypeVar("T")

TRIES = 4
FIRST_WAIT_SECONDS = 0.1  # then twice as long each time
CONFLICT_TRIES = 6  # 409 ConditionalRequestConflict: botocore does not retry it, S3 says to


def tries() -> Iterator[int]:
    """Yield how many tries are left after this one, down to 0, with a wait before each but the first."""
    for left in reversed(range(TRIES)):
        yield left
        if left:
            time.sleep(FIRST_WAIT_SECONDS * 2 ** (TRIES - 1 - left))


def past_conflicts(write: Callable[[], T], *codes: str) -> T:
    """Return what a write gives that is tried again after a 409, or an error that S3 names by one of `codes`.

    Raises:
        ClientError: S3 refused, or failed each time.
    """
    for left in reversed(range(CONFLICT_TRIES)):
        try:
            return write()
        except ClientError as error:
            if not left or (status_code(error) != 409 and error_code(error) not in codes):
                raise
            time.sleep(FIRST_WAIT_SECONDS * 2 ** (CONFLICT_TRIES - 1 - left))
    raise AssertionError("the loop above returns or raises")


def until_found(look: Callable[[], T | None]) -> T | None:
    """Return what `look` finds of something that S3 said is there, or None where it is gone each time.

    A server that overwrites by deleting and renaming (rclone) has no object for a moment, while others write it.
    """
    for _ in tries():
        found = look()
        if found:
            return found
    return None
