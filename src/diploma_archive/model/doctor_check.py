"""What `doctor` says of one thing that it looked at.

Rule: a problem must be put right before the first run; a warning is a net that is not there; what was not asked is
never called ok. No text here carries a key, a token or a person's name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from diploma_archive.errors import DiplomaArchiveError
from diploma_archive.model.header_date import header_date

CLOCK_WARNING_SECONDS = 60
CLOCK_PROBLEM_SECONDS = 300  # which revision is current goes by our clock; S3 refuses requests from 15 minutes on


class Result(StrEnum):
    """How it is with one thing."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    NOT_ASKED = "not asked"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was seen, and what to do where it is not as it should be."""

    name: str
    result: Result
    seen: str
    fix: str = ""

    def to_document(self) -> dict[str, str]:
        """Return it as JSON has it."""
        return asdict(self)


def ok(name: str, seen: str) -> Check:
    """Return that something is as it should be."""
    return Check(name, Result.OK, seen)


def warning(name: str, seen: str, fix: str) -> Check:
    """Return that the archive works, with one safety net less."""
    return Check(name, Result.WARNING, seen, fix)


def problem(name: str, seen: str, fix: str) -> Check:
    """Return that something must be put right first."""
    return Check(name, Result.PROBLEM, seen, fix)


def not_asked(name: str, seen: str) -> Check:
    """Return that nobody looked, and why."""
    return Check(name, Result.NOT_ASKED, seen)


def from_error(name: str, error: DiplomaArchiveError) -> Check:
    """Return the problem that an error is."""
    return problem(name, error.what, error.fix)


def clock_check(whose: str, date_header: str | None, now: datetime) -> Check:
    """Return how our clock stands against a server's.

    Args:
        date_header: the `Date` of an answer.
        now: when it came.
    """
    name = f"clock against {whose}"
    moment = header_date(date_header)
    if moment is None:
        return not_asked(name, f"{whose} does not say what time it is")
    seconds = round((now - moment).total_seconds())
    # The header has whole seconds, and the answer was on its way for a while.
    if abs(seconds) <= 2:
        return ok(name, "the same")
    seen = f"this machine is {abs(seconds)} s {'ahead' if seconds > 0 else 'behind'}"
    fix = "Set this machine's clock (NTP): records say when they were archived, and the newest one counts"
    if abs(seconds) > CLOCK_PROBLEM_SECONDS:
        return problem(name, seen, fix)
    return warning(name, seen, fix) if abs(seconds) > CLOCK_WARNING_SECONDS else ok(name, seen)
