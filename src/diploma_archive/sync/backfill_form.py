"""What a person filled into the backfill form, checked in full before anything is asked (DESIGN.md section 12).

Rule: Prefect's API checks neither dates nor numbers in text, so nothing is taken for granted; an empty form is
refused, never "everything".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from diploma_archive.errors import SettingsError
from diploma_archive.listing.selection import Before, Scope, Selection, choose
from diploma_archive.model.coercion import coerce_id

DateField = Literal["updated", "created"]


@dataclass(frozen=True)
class BackfillForm:
    """The fields of the form, as they came: text may be blank, dates may be text."""

    participants: object = ""
    persons: object = ""
    course_id: object = None
    coursedate_id: object = None
    customer_id: object = None
    from_date: object = None
    to_date: object = None
    date_field: object = "updated"

    def selection(self) -> Selection:
        """Return what is to be archived.

        Raises:
            SettingsError: nothing is chosen, or something is wrong; the text names the field.
        """
        participants, persons = _text(self.participants, "participants"), _text(self.persons, "persons")
        filters = self._filters()
        if participants or persons:
            if filters:
                raise SettingsError(
                    "participants or persons cannot be combined with a course, customer or dates",
                    fix="Fill in one or the other",
                )
            return choose([participants], [persons])
        if not filters:
            raise SettingsError("nothing is chosen", fix="Fill in participants, persons, a course, a customer or dates")
        return Selection(Scope.BACKFILL, filters=tuple(filters.items()), before=self._before())

    def label(self) -> str:
        """Return what the run is called, without names: `backfill 120 participants`."""
        try:
            selection = self.selection()
        except SettingsError:
            return "backfill (not valid)"
        if selection.names_ids:
            groups = ((len(selection.participants), "participant"), (len(selection.users), "person"))
            return "backfill " + " and ".join(f"{n} {what}{'s' * (n != 1)}" for n, what in groups if n)
        return "backfill " + " ".join(f"{name.removesuffix('_id')} {value}" for name, value in selection.filters)

    def _filters(self) -> dict[str, str | int]:
        filters: dict[str, str | int] = {}
        for name in ("course_id", "coursedate_id", "customer_id"):
            identifier = _id(getattr(self, name), name.replace("_id", " id"))
            if identifier is not None:
                filters[name] = identifier
        first, last = _date(self.from_date, "from date"), _date(self.to_date, "to date")
        if first and last and not first < last:
            raise SettingsError("the from date must lie before the to date", fix="The to date itself is not included")
        if first:
            filters[f"{self._field()}_min"] = f"{first.isoformat()} 00:00:00"
        if last:
            filters[f"{self._field()}_max"] = f"{last.isoformat()} 00:00:00"
        return filters

    def _before(self) -> Before | None:
        last = _date(self.to_date, "to date")
        return None if last is None else Before(self._field(), datetime(last.year, last.month, last.day))  # noqa: DTZ001  naive, as the API's filters are

    def _field(self) -> str:
        if self.date_field not in ("updated", "created"):
            raise SettingsError("the date field must be updated or created", fix="Choose one of the two")
        return f"{self.date_field}_at"


def _text(value: object, what: str) -> str:
    if value is None or isinstance(value, str):
        return (value or "").strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise SettingsError(f"{what} must be text with ids and ranges", fix="Write 900-950, 987654")


def _id(value: object, what: str) -> int | None:
    try:
        identifier = coerce_id(value)
    except ValueError:
        identifier = 0
    if identifier == 0:
        raise SettingsError(f"the {what} must be a whole number above 0", fix="Look it up in FrontCore")
    return identifier


def _date(value: object, what: str) -> date | None:
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        # Prefect's picker sends a date, or a moment at midnight.
        return date.fromisoformat(value.strip().partition("T")[0]) if isinstance(value, str) else _no_date(what)
    except ValueError:
        return _no_date(what)


def _no_date(what: str) -> date:
    raise SettingsError(f"the {what} is no date that exists", fix="Write it as 2026-03-01")
