"""For how long diplomas of which courses are kept: the operator's own table, from a small TOML or JSON file.

Rule: it only says what is older than its period; nothing here removes anything.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diploma_archive.errors import SettingsError
from diploma_archive.model.source_time import to_source_time

DEFAULT = "default"
NO_PERIOD = "no period"
Years = Annotated[int, Field(ge=1, le=100)]


class _Strict(BaseModel):
    # A misspelt name would give a course another period than somebody meant.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, strict=True)


class CourseClass(_Strict):
    """Courses that share a period: patterns (`*`, `?`) for the reference or the id of a course."""

    name: Annotated[str, Field(min_length=1)]
    courses: Annotated[list[str], Field(min_length=1)]
    years: Years


class Periods(_Strict):
    """The table: the first class that fits a course counts, else the default; without one it is kept."""

    default_years: Years | None = None
    classes: Annotated[list[CourseClass], Field(alias="class")] = []

    def of_course(self, reference: str | None, course_id: int | None) -> tuple[str, int | None]:
        """Return class and period (years) of a course; None: it has no period."""
        names = [name for name in (reference, None if course_id is None else str(course_id)) if name is not None]
        for each in self.classes:
            if any(fnmatchcase(name, pattern) for name in names for pattern in each.courses):
                return each.name, each.years
        return (NO_PERIOD if self.default_years is None else DEFAULT), self.default_years


@dataclass(frozen=True)
class Since:
    """The day that a period runs from, and whether it is that of the course or that of the archiving."""

    day: date
    is_course: bool

    def ends(self, years: int) -> date:
        """Return the first day on which a period is over; of 29 February it is 1 March."""
        try:
            return self.day.replace(year=self.day.year + years)
        except ValueError:
            return date(self.day.year + years, 3, 1) if self.day.year + years <= date.max.year else date.max


def since_when(ends_at: object, starts_at: object, archived_at: object) -> Since | None:
    """Return from when a period runs: the end of the course date, or else the day it was archived; None: unknown.

    A zero or odd date of the course says nothing (`model/source_time.py`): nobody is erased for one.
    """
    for text in (ends_at, starts_at):
        moment = to_source_time(text) if isinstance(text, str) else None
        if moment is not None:
            return Since(moment.date(), is_course=True)
    day = _day(archived_at)
    return None if day is None else Since(day, is_course=False)


def read_periods(file: Path | None, years: int | None) -> Periods:
    """Return the table of a file, or one period for everything.

    Args:
        file: TOML, or JSON where its name ends so: `default_years`, and `class` with `name`, `courses` and `years`.
        years: the period where no class fits; it counts before `default_years`.

    Raises:
        SettingsError: there is neither, the file cannot be read, or something in it is wrong.
    """
    if years is not None and not 1 <= years <= 100:
        raise SettingsError("--years is not between 1 and 100", fix="Give a whole number of years")
    if file is None and years is None:
        raise SettingsError(
            "there is no period", fix="Give --years, or --periods with a file (docs/data-protection.md)"
        )
    try:
        raw = {} if file is None else _parsed(file)
        periods = Periods.model_validate(raw)
    except ValidationError as error:
        detail = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in detail["loc"]) or "it"
        raise SettingsError(
            f"in the file of --periods {place} is wrong: {detail['msg'].lower()}", fix="Put it right and start again"
        ) from None
    names = [each.name for each in periods.classes]
    if len(set(names)) < len(names) or {DEFAULT, NO_PERIOD} & set(names):
        raise SettingsError(
            f"in the file of --periods a class has the name of another one, or is called {DEFAULT} or {NO_PERIOD}",
            fix="Give each class a name of its own",
        )
    return periods if years is None else periods.model_copy(update={"default_years": years})


def _parsed(file: Path) -> object:
    try:
        text = file.read_text(encoding="utf-8-sig")
        return json.loads(text) if file.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"the file of --periods cannot be read ({error.strerror})", fix="Check its name") from None
    except (ValueError, RecursionError):
        raise SettingsError(
            "the file of --periods is neither TOML nor JSON", fix="Put it right and start again"
        ) from None


def _day(text: object) -> date | None:
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text.strip()).date()
    except ValueError:
        return None
