"""The training provider's data behind the API; the rule: plain dicts and attributes that a test changes as it likes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final

from diploma_archive.sandbox.seed import Seeder, example_diploma, example_participant, example_user

Item = dict[str, Any]

MISSING: Final = object()
"""In `overrides`: take this field out of the item."""

_NOT_IN_ITEM = frozenset({"pdf"})


@dataclass(slots=True)
class SandboxDiploma:
    """One diploma; every attribute but `pdf` is a field of the item that `/v2/diplomas` returns."""

    id: int
    participant_id: int
    user: Item
    course: Item
    coursedate: Item
    passed_note: str | None
    is_participated: bool
    is_completed: bool
    is_passed: bool
    is_assessment_completed: bool
    is_diploma_printed: bool
    is_sent: bool
    random_certificate_number: str | None
    serial: str | None
    result_updated_at: str | None
    created_at: str | None
    updated_at: str | None
    deleted_at: str | None
    pdf: bytes | None = None
    """Bytes to send in place of the drawn certificate."""

    def item(self) -> Item:
        """Return the fields as the API names and orders them, without `links`."""
        return {name: getattr(self, name) for name in _ITEM_FIELDS}


_ITEM_FIELDS = tuple(field.name for field in fields(SandboxDiploma) if field.name not in _NOT_IN_ITEM)


class School:
    """Participants, persons and diplomas; the same arguments make the same data.

    A person and a course are one dict that all their diplomas share: a change of a name shows everywhere.
    Give `reissue` a dict of its own to change one diploma only.
    """

    def __init__(self, participants: int, persons: int, seed: int) -> None:
        """Make the data; raise ValueError for fewer than one person, or more persons than participants."""
        if not 1 <= persons <= participants:
            raise ValueError("at least one person, and no more persons than participants")
        self.persons: dict[int, Item] = {}
        self.participants: dict[int, Item] = {}
        self.diplomas: dict[int, SandboxDiploma] = {}
        self._by_participant: dict[int, list[int]] = {}
        self._by_user: dict[int, list[int]] = {}
        self._sorted_ids: list[int] = []
        self._sorted_for: tuple[int, int | None] = (0, None)
        self._seeder = Seeder(seed)
        self._fill(participants, persons)

    def add_participant(self, user_id: int | None = None, **attributes: object) -> Item:
        """Add an enrolment (of a new person unless `user_id` is given) without a diploma, and return its item."""
        if user_id is None:
            user_id = max(self.persons) + 1
        if user_id not in self.persons:
            self.persons[user_id] = self._seeder.person(user_id)
        participant_id = max(self.participants, default=900_000) + 1
        item = {**self._seeder.late_participant(participant_id, user_id), **attributes}
        self.participants[item["id"]] = item
        return item

    def add_diploma(self, participant_id: int, **attributes: object) -> SandboxDiploma:
        """Add a diploma to an enrolment and return it; attributes not given are made up, numbers unique."""
        participant = self.participants[participant_id]
        diploma_id = max(self.diplomas, default=500_000) + 1
        user = attributes.get("user") or self.persons[participant["user"]["id"]]
        made = self._seeder.diploma(diploma_id, participant, user)
        return self._keep(SandboxDiploma(**{**made, **attributes}))

    def reissue(self, diploma_id: int, updated_at: str, **changes: object) -> SandboxDiploma:
        """Change a diploma as FrontCore would on a new issue; its participant's `updated_at` does not move."""
        diploma = self.diplomas[diploma_id]
        self.change(diploma_id, {"updated_at": updated_at, **changes})
        return diploma

    def change(self, diploma_id: int, changes: dict[str, object]) -> None:
        """Set attributes of a diploma; raise KeyError when there is no such diploma, ValueError for an unknown one."""
        diploma = self.diplomas[diploma_id]
        # `replace` refuses unknown names before the first attribute is touched.
        try:
            replace(diploma, **changes)  # type: ignore[arg-type]
        except TypeError as error:
            raise ValueError(str(error)) from error
        if changes.get("id", diploma_id) != diploma_id or "participant_id" in changes:
            raise ValueError("a diploma's id and participant_id stay")
        self._unindex_user(diploma)
        for name, value in changes.items():
            setattr(diploma, name, value)
        self._index_user(diploma)

    def touch_participant(self, participant_id: int, updated_at: str) -> None:
        """Set a participant's `updated_at` (`2025-11-11T10:29:12+01:00`)."""
        self.participants[participant_id]["updated_at"] = updated_at

    def participant_ids(self) -> list[int]:
        """Return all participant ids, ascending."""
        last = next(reversed(self.participants), None)
        # Tests insert into and delete from the plain dict; its length and newest key tell when to sort again.
        if self._sorted_for != (len(self.participants), last):
            self._sorted_ids = sorted(self.participants)
            self._sorted_for = (len(self._sorted_ids), last)
        return self._sorted_ids

    def diplomas_of(self, participant_id: int | None, user_id: int | None) -> list[SandboxDiploma]:
        """Return the diplomas of an enrolment, of a person, or of both at once."""
        if participant_id is not None:
            ids = self._by_participant.get(participant_id, [])
        else:
            ids = self._by_user.get(user_id or 0, [])
        found = [diploma for diploma in map(self.diplomas.get, list(ids)) if diploma is not None]
        if participant_id is not None and user_id is not None:
            found = [diploma for diploma in found if user_of(diploma) == user_id]
        return found

    def _fill(self, participants: int, persons: int) -> None:
        others = [700_000 + position for position in range(1, persons)]
        for user_id in others:
            self.persons[user_id] = self._seeder.person(user_id)
        example = example_user()
        self.persons[example["id"]] = example
        owners = self._seeder.owners(others or [example["id"]], participants - 1)
        for position, user_id in enumerate(owners, start=1):
            # The example's id lies in the middle of the row.
            participant_id = 900_000 + position + (900_000 + position >= example_participant()["id"])
            participant = self._seeder.participant(participant_id, user_id, position / participants)
            self.participants[participant_id] = participant
            self._keep(SandboxDiploma(**self._seeder.diploma(500_000 + position, participant, self.persons[user_id])))
        participant = example_participant()
        self.participants[participant["id"]] = participant
        self._keep(SandboxDiploma(**{**example_diploma(), "user": example}))

    def _keep(self, diploma: SandboxDiploma) -> SandboxDiploma:
        self.diplomas[diploma.id] = diploma
        self._by_participant.setdefault(diploma.participant_id, []).append(diploma.id)
        self._index_user(diploma)
        return diploma

    def _index_user(self, diploma: SandboxDiploma) -> None:
        user_id = user_of(diploma)
        if user_id is not None:
            self._by_user.setdefault(user_id, []).append(diploma.id)

    def _unindex_user(self, diploma: SandboxDiploma) -> None:
        user_id = user_of(diploma)
        if user_id is not None and diploma.id in self._by_user.get(user_id, ()):
            self._by_user[user_id].remove(diploma.id)


def user_of(diploma: SandboxDiploma) -> int | None:
    """Return the person's id, or None when a test has put something else in the place of the person."""
    user: object = diploma.user
    found = user.get("id") if isinstance(user, dict) else None
    return found if isinstance(found, int) else None
