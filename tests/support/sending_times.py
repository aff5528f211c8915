"""When requests are sent, as those who send them know it: arrivals at a server on a busy machine say something else.

All processes of a machine share the monotonic clock.
"""

from __future__ import annotations

import os
from pathlib import Path

from diploma_archive.frontcore.rate_limiter import RateLimiter
from diploma_archive.sandbox.request_counts import busiest_second

ROOT = Path(__file__).resolve().parents[2]


class SendingTimes:
    """The moments at which the processes with this environment let requests out."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @property
    def environment(self) -> dict[str, str]:
        """Return what such a process needs."""
        path = os.pathsep.join([str(ROOT / "tests/support/sending"), str(ROOT)])
        return {"PYTHONPATH": path, "SENDING_TIMES": str(self.file)}

    @property
    def moments(self) -> list[float]:
        """Return the moments so far, in order (seconds, monotonic)."""
        text = self.file.read_text(encoding="ascii") if self.file.exists() else ""
        return sorted(map(float, text.split()))

    @property
    def busiest_second(self) -> int:
        """Return how many were sent in the busiest sliding second."""
        return busiest_second(self.moments)


def note_in(file: str) -> None:
    """Let every limiter of this process note the moments of its slots."""
    slot = RateLimiter.slot

    async def noted(self: RateLimiter, *arguments: float) -> bool:
        taken = await slot(self, *arguments)
        if taken:
            # By the limiter's own clock: on a busy machine, now is later than when the slot was taken.
            moment = self._not_before - self._interval_seconds * self._stretch
            _note(file, moment)
        return taken

    RateLimiter.slot = noted  # type: ignore[method-assign]


def _note(file: str, moment: float) -> None:
    with Path(file).open("a", encoding="ascii") as moments:
        moments.write(f"{moment!r}\n")
