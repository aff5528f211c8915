"""What FrontCore sends, made safe: odd values are coerced, what cannot be coerced is refused by field name.

The oddities are those of FRONTCORE.md: ids and numbers as strings, booleans as 0/1, `[]` for an empty object.
A refusal names the field and never its value, since the value is somebody's personal data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    SecretStr,
    ValidationError,
)

from diploma_archive.errors import ListingError
from diploma_archive.model.coercion import OddNumber, coerce_flag, coerce_id, coerce_number, coerce_text, or_none
from diploma_archive.model.keys import Place, places_of
from diploma_archive.model.source_time import NO_DATE, read_source_date


def _empty_object(value: object) -> object:
    if value is None or (isinstance(value, list) and not value):
        return {}
    if not isinstance(value, Mapping):
        raise ValueError("is not an object")
    return value


def _required(value: int | None) -> int:
    if not value:
        raise ValueError("is missing")
    return value


# PlainValidator, since pydantic's own `str` refuses lone surrogates, which JSON may carry.
Id = Annotated[int | None, PlainValidator(coerce_id)]
RequiredId = Annotated[int, PlainValidator(lambda value: _required(coerce_id(value)))]
LenientId = Annotated[int | None, PlainValidator(lambda value: or_none(coerce_id, value))]
LenientText = Annotated[str | None, PlainValidator(lambda value: or_none(coerce_text, value))]
Flag = Annotated[bool | None, PlainValidator(coerce_flag)]
Text = Annotated[str | None, PlainValidator(coerce_text)]
Number = Annotated[str | None, PlainValidator(coerce_number)]
Link = Annotated[SecretStr | None, PlainValidator(lambda v: None if v is None else SecretStr(coerce_text(v) or ""))]


class SourceModel(BaseModel):
    """Base of all items: unknown fields are ignored, and its repr shows no personal data."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__


class User(SourceModel):
    """The person, as `/v2/diplomas` shows them."""

    id: Id = None
    firstname: Text = None
    lastname: Text = None
    email: Text = None
    phone: Text = None
    date_of_birth: Text = None
    gender: Text = None
    nationality: Text = None
    national_identification_number: Text = None
    position: Text = None
    company_employee_number: Text = None
    created_at: Text = None
    updated_at: Text = None


class Course(SourceModel):
    """The course."""

    id: Id = None
    title: Text = None
    reference: Text = None
    created_at: Text = None
    updated_at: Text = None


class Location(SourceModel):
    """Where a course date was held."""

    id: Id = None
    title: Text = None
    address: Text = None
    zipcode: Text = None
    city: Text = None
    country: Text = None


class CourseDate(SourceModel):
    """When and where the course was held."""

    id: Id = None
    start_at: Text = None
    end_at: Text = None
    deadline_at: Text = None
    location: Annotated[Location, BeforeValidator(_empty_object)] = Location()


class Links(SourceModel):
    """The short-lived token URLs; secrets, since the token in them is the whole credential."""

    download: Link = None
    stream: Link = None


class Diploma(SourceModel):
    """One item of `/v2/diplomas`. Only its id is required: everything else may be null (FRONTCORE.md)."""

    id: RequiredId
    participant_id: Id = None
    user: Annotated[User, BeforeValidator(_empty_object)] = User()
    course: Annotated[Course, BeforeValidator(_empty_object)] = Course()
    coursedate: Annotated[CourseDate, BeforeValidator(_empty_object)] = CourseDate()
    passed_note: Text = None
    is_participated: Flag = None
    is_completed: Flag = None
    is_passed: Flag = None
    is_assessment_completed: Flag = None
    is_diploma_printed: Flag = None
    is_sent: Flag = None
    certificate_number: Number = Field(default=None, validation_alias="random_certificate_number")
    serial: Number = None
    result_updated_at: Text = None
    created_at: Text = None
    updated_at: Text = None
    deleted_at: Text = None
    links: Annotated[Links, BeforeValidator(_empty_object)] = Links()

    RESULT_FIELDS: ClassVar[tuple[str, ...]] = (
        "passed_note",
        "is_participated",
        "is_completed",
        "is_passed",
        "is_assessment_completed",
        "is_diploma_printed",
        "is_sent",
    )

    @property
    def is_withdrawn(self) -> bool:
        """Return whether the source says that this diploma was deleted: with a date that can be read."""
        return read_source_date(self.deleted_at).moment is not None

    @property
    def was_once_taken_for_withdrawn(self) -> bool:
        """Return whether earlier versions took a zero or odd date for a deletion: their record may say so."""
        return not self.is_withdrawn and bool((self.deleted_at or "").strip("0-: \t\r\n"))

    @property
    def odd_numbers(self) -> tuple[str, ...]:
        """Return which of its numbers are none, by the names that FrontCore gives them: it cannot be archived."""
        named = (("random_certificate_number", self.certificate_number), ("serial", self.serial))
        return tuple(name for name, number in named if isinstance(number, OddNumber))

    @property
    def places(self) -> tuple[Place, ...]:
        """Return where it lies: where it is archived now, then where an earlier version may have archived it."""
        return places_of(self.serial, self.certificate_number, self.id)

    def __repr__(self) -> str:
        return f"<Diploma {self.id}>"

    __str__ = __repr__


class UnidentifiedDiploma(Diploma):
    """A diploma whose id is none (1.5): `id` is 0, and `id_as_it_came` is JSON."""

    id: Annotated[int, PlainValidator(lambda _: 0)] = 0
    _id_as_it_came: str = PrivateAttr("null")

    @classmethod
    def read(cls, raw: Mapping[str, object]) -> UnidentifiedDiploma:
        """Return the item of a listing.

        Raises:
            ListingError: another field cannot be coerced.
        """
        item = read_item(cls, raw)
        item._id_as_it_came = json.dumps(raw.get("id"), sort_keys=True)
        return item

    @property
    def id_as_it_came(self) -> str:
        """Return the id as JSON."""
        return self._id_as_it_came

    @property
    def odd_numbers(self) -> tuple[str, ...]:
        """Return which of its numbers are none: its id, too."""
        return ("id", *super().odd_numbers)


class Participant(SourceModel):
    """One item of `/v2/participants`, as far as a run needs it.

    Only its id must be readable: the person's id saves requests and `updated_at` moves the cursor, but a participant
    in which they are odd is archived all the same.
    """

    id: RequiredId
    user_id: LenientId = None
    nested_user_id: LenientId = Field(default=None, validation_alias=AliasPath("user", "id"))
    created_at: LenientText = None
    updated_at: LenientText = None
    certificate_issued_at: object = ""

    @property
    def surely_has_no_certificate(self) -> bool:
        """Return whether the source says that no certificate was issued, with an explicit null or a zero date."""
        issued_at = self.certificate_issued_at
        if isinstance(issued_at, str) and issued_at.strip():
            return read_source_date(issued_at) == NO_DATE
        return issued_at is None

    @property
    def person_id(self) -> int | None:
        """Return the person's id, from `user.id` or `user_id`, or None where the source names nobody."""
        return self.nested_user_id or self.user_id

    def __repr__(self) -> str:
        return f"<Participant {self.id}>"

    __str__ = __repr__


ItemT = TypeVar("ItemT", bound=SourceModel)

PLAIN_ZERO_DATES = ("0000-00-00", "0000-00-00 00:00:00")


@dataclass(frozen=True)
class BadItem:
    """An item that cannot be read: what is known of it, and which field is wrong."""

    diploma_id: int | None
    participant_id: int | None
    reason: str


def odd_dates(item: SourceModel) -> Iterator[str]:
    """Yield the dotted names of the date fields of an item that hold something, and no date that can be read.

    MySQL's plain zero date is so usual that it is not odd.
    """
    for name in ("created_at", "updated_at", "result_updated_at", "deleted_at", "certificate_issued_at"):
        value = getattr(item, name, None)
        text = value.strip() if isinstance(value, str) else ""
        if text and text not in PLAIN_ZERO_DATES and read_source_date(text).moment is None:
            yield name


def read_item(kind: type[ItemT], raw: object) -> ItemT:
    """Return one item of a listing as a model.

    Raises:
        ListingError: it is no object, or a field cannot be coerced; the text names the field, not the value.
    """
    if not isinstance(raw, Mapping):
        raise ListingError("an item in FrontCore's list is not an object")
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        problems = [_field_problem(dict(detail)) for detail in error.errors(include_input=False, include_url=False)]
        raise ListingError(f"FrontCore sent an item in which {'; '.join(problems[:3])}") from None


def read_diploma(raw: object) -> Diploma | BadItem:
    """Return one item of `/v2/diplomas`, or what is known of it where it cannot be read."""
    try:
        return read_item(Diploma, raw)
    except ListingError as error:
        known = raw if isinstance(raw, Mapping) else {}
        if _is_unidentified(known):
            with suppress(ListingError):
                return UnidentifiedDiploma.read(known)
        return BadItem(
            or_none(coerce_id, known.get("id")), or_none(coerce_id, known.get("participant_id")), error.diagnostics()
        )


def _is_unidentified(raw: Mapping[str, object]) -> bool:
    """Return whether an item has no id that can be read, and a number that is none: its id or another."""
    if or_none(coerce_id, raw.get("id")):
        return False
    numbers = (raw.get("random_certificate_number"), raw.get("serial"))
    return isinstance(raw.get("id"), float) or any(isinstance(coerce_number(one), OddNumber) for one in numbers)


def undocumented_fields(raw: object, kind: type[SourceModel] = Diploma, path: str = "") -> Iterator[str]:
    """Yield the dotted names of the fields that FRONTCORE.md does not describe."""
    if not isinstance(raw, Mapping):
        return
    fields = {str(info.validation_alias or name): info.annotation for name, info in kind.model_fields.items()}
    for name, value in raw.items():
        if name not in fields:
            yield f"{path}{name}"
            continue
        nested = fields[name]
        if isinstance(nested, type) and issubclass(nested, SourceModel):
            yield from undocumented_fields(value, nested, f"{path}{name}.")


def _field_problem(detail: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in detail["loc"]) or "the item"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{name} {'is missing' if detail['type'] == 'missing' else message}"


def _omittable() -> Iterator[str]:
    for group, model in (("user", User), ("course", Course), ("coursedate", CourseDate)):
        yield group
        yield from (f"{group}.{name}" for name in model.model_fields)
    yield from (f"coursedate.location.{name}" for name in Location.model_fields)
    yield from Diploma.RESULT_FIELDS
    yield from (f"result.{name}" for name in Diploma.RESULT_FIELDS)


OMITTABLE_FIELDS = frozenset(_omittable())
"""What `ARCHIVE_OMIT_FIELDS` may name: everything but the fields that say which diploma this is."""
