"""How long a command over many objects goes on when S3 fails at one after the other.

Rule: one object that cannot be had is an item; when nothing can be had any more, the command ends instead of trying
each of 300,000 objects until it gives up.
"""

from __future__ import annotations

import threading

from diploma_archive.errors import Kind, StoreError

FAILURES_IN_A_ROW = 25


class FailureLimit:
    """Counts failures in a row, over all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0

    def succeeded(self) -> None:
        """S3 has answered."""
        with self._lock:
            self._failures = 0

    def failed(self, error: StoreError) -> None:
        """S3 has failed at an object, after its own retries.

        Raises:
            StoreError: it did nothing else for a while; fatal.
        """
        if error.kind is not Kind.RETRIABLE:
            return
        with self._lock:
            self._failures += 1
            if self._failures < FAILURES_IN_A_ROW:
                return
        raise StoreError(
            f"S3 failed {FAILURES_IN_A_ROW} times in a row; the last time: {error.what}",
            fix="Start the same command again when S3 is well: it goes on from here",
            kind=Kind.FATAL,
        )
