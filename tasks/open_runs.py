"""The runs that are open in this process, by their id.

Rule: a client, a key or a name is never the parameter of a task, since Prefect keeps parameters in its database;
a task gets the id of its run and finds the clients here.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from diploma_archive.errors import DiplomaArchiveError
from diploma_archive.frontcore.redaction import RedactingFilter
from diploma_archive.listing.selection import Selection
from diploma_archive.model.outcome import Finding, SilentObserver
from diploma_archive.settings.loading import Settings
from diploma_archive.sync.green_run import NOT_GREEN
from diploma_archive.sync.run import Run, open_run

LIBRARY_LOGGER = logging.getLogger("diploma_archive")


@dataclass
class OpenRun:
    """A run and, once it happened, the fatal error that stops it."""

    run: Run
    fatal: DiplomaArchiveError | None = field(default=None)


_OPEN: dict[str, OpenRun] = {}


class LoggingObserver(SilentObserver):
    """Writes one line for each diploma that is not well; none for the others."""

    def __init__(self) -> None:
        self._log = get_run_logger()

    def found(self, finding: Finding) -> None:
        """Log what a person must look at."""
        if finding.outcome in NOT_GREEN:
            self._log.warning(
                "diploma %s of participant %s: %s: %s",
                finding.diploma_id or "(not listed)",
                finding.participant_id or "(not known)",
                finding.outcome,
                finding.error,
            )


class _ToRunLogger(logging.Handler):
    """Passes the library's own lines on to the log of the flow run, where an operator reads them."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.addFilter(RedactingFilter())
        self._log = get_run_logger()

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one line on."""
        self._log.log(record.levelno, "%s", record.getMessage())


@contextmanager
def library_log() -> Iterator[None]:
    """Let the library's own lines show in the log of the flow run, as long as this lasts."""
    to_run_logger = _ToRunLogger()
    LIBRARY_LOGGER.addHandler(to_run_logger)
    LIBRARY_LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        LIBRARY_LOGGER.removeHandler(to_run_logger)


def find_run(run_id: str) -> OpenRun:
    """Return the open run of this id.

    Raises:
        DiplomaArchiveError: there is none in this process.
    """
    try:
        return _OPEN[run_id]
    except KeyError:
        raise DiplomaArchiveError(
            "this task was started outside its flow", fix="Start the flow archive-diplomas instead"
        ) from None


@asynccontextmanager
async def open_for_tasks(
    settings: Settings, selection: Selection, *, force: bool, dry_run: bool
) -> AsyncIterator[OpenRun]:
    """Open a run under the flow run's own id, so that tasks find it and records name it.

    Raises:
        StoreError: the bucket cannot be reached, or the archive is somebody else's.
    """
    run_id = str(flow_run.get_id()).replace("-", "")
    with library_log():
        try:
            async with open_run(
                settings, selection, force=force, dry_run=dry_run, observer=LoggingObserver(), run_id=run_id
            ) as run:
                _OPEN[run_id] = OpenRun(run)
                yield _OPEN[run_id]
        finally:
            _OPEN.pop(run_id, None)
