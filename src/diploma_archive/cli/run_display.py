"""Shows a run on stderr: a live bar on a terminal, plain lines otherwise.

Rule: only ids and counts are shown; stdout is left to results.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from diploma_archive.model.outcome import UNLISTED, Finding, Outcome
from diploma_archive.sync.green_run import NOT_GREEN, Tally

PLAIN_EVERY_SECONDS = 5.0
MAX_PROBLEM_LINES = 50  # a source that is down would fill the screen; the report has all of them


class RunDisplay:
    """An observer for a person; use it as a context manager around the run.

    Args:
        console: where to write; its `is_terminal` decides between bar and lines.
        requests: returns how many requests went to FrontCore so far.
    """

    def __init__(self, console: Console) -> None:
        self.requests: Callable[[], int] = lambda: 0
        self._console = console
        self._tally = Tally()
        self._problems = 0
        self._listings = 0
        self._total: int | None = None
        self._started = self._last_line = time.monotonic()
        self._task: TaskID | None = None
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[state]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(elapsed_when_finished=True),
                console=console,
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begun(self, total: int | None) -> None:
        """Begin the bar, which only moves without a total, or give it its total."""
        self._total = total
        if self._bar is None:
            return
        if self._task is not None:
            self._bar.update(self._task, total=total)
        else:
            self._task = self._bar.add_task("Archiving", total=total, state="")

    def found(self, finding: Finding) -> None:
        """Count one diploma, and name it where something is wrong with it."""
        self._tally.add(finding)
        if finding.outcome in NOT_GREEN:
            self._problems += 1
            if self._problems <= MAX_PROBLEM_LINES:
                self._console.print(_problem_line(finding), highlight=False, markup=False, soft_wrap=True)
            elif self._problems == MAX_PROBLEM_LINES + 1:
                self._console.print("... more problems follow; the run report names them all", highlight=False)
        self._show()

    def listed(self, listings: int) -> None:
        """Move the bar on."""
        self._listings += listings
        self._show()

    def _show(self) -> None:
        now = time.monotonic()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._listings, state=self._state(now))
        elif self._bar is None and now - self._last_line >= PLAIN_EVERY_SECONDS:
            self._last_line = now
            of = "" if self._total is None else f" of {self._total}"
            self._console.print(
                f"so far {self._listings}{of} listings, {self._state(now)}", highlight=False, soft_wrap=True
            )

    def _state(self, now: float) -> str:
        rate = self.requests() / max(now - self._started, 0.001)
        return f"{self._tally.listed} diplomas: {self._tally.sentence()}; {rate:.1f} requests/s"


def _problem_line(finding: Finding) -> str:
    who = f"diploma {finding.diploma_id}" if finding.diploma_id else "listing"
    where = f" of participant {finding.participant_id}" if finding.participant_id else ""
    what = "not listed" if finding.outcome == UNLISTED else Outcome(finding.outcome).value
    return f"{who}{where}: {what}: {finding.error or ''}".rstrip(": ")
