"""Which records of the archive an export is about: pure.

Rule: all revisions of a diploma go together, but nobody gets a revision that names another person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from diploma_archive.model.coercion import coerce_id, or_none
from diploma_archive.model.json_document import Document
from diploma_archive.model.typed_certificate_number import certificate_segments


@dataclass(frozen=True)
class Choice:
    """What somebody wants to have exported; a record that fits one of them is chosen.

    Args:
        everything: the whole archive, run reports, quarantine and cursor too.
        certificates: certificate numbers as a diploma shows them, or segments of keys (`d-12345`).
        users: ids of persons.
        courses: ids of courses.
    """

    everything: bool = False
    certificates: frozenset[str] = frozenset()
    users: frozenset[int] = frozenset()
    courses: frozenset[int] = frozenset()
    segments: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", frozenset().union(*map(certificate_segments, self.certificates)))

    @property
    def is_certificates_alone(self) -> bool:
        """Return whether the index finds all of it, so that the archive need not be walked."""
        return bool(self.certificates) and not (self.everything or self.users or self.courses)

    def to_document(self) -> Document:
        """Return the choice as an export keeps it, to know it again."""
        return {
            "everything": self.everything,
            "certificates": sorted(self.certificates),
            "users": sorted(self.users),
            "courses": sorted(self.courses),
        }

    def wanted(self) -> dict[str, Iterable[Any]]:
        """Return what was asked for, by option."""
        return {"--certificate": self.certificates, "--user": self.users, "--course": self.courses}


def chosen(choice: Choice, certificate: str, records: Sequence[Document]) -> list[int]:
    """Return the positions of the chosen ones among the records of one folder, ascending.

    Args:
        certificate: the certificate segment of the folder.
    """
    by_diploma: defaultdict[int, list[int]] = defaultdict(list)
    for position, record in enumerate(records):
        by_diploma[record["diploma_id"]].append(position)
    groups = (_of_diploma(choice, certificate, records, positions) for positions in by_diploma.values())
    return sorted(position for group in groups for position in group)


def fits(choice: Choice, certificate: str, record: Document) -> Iterator[tuple[str, Any]]:
    """Yield what of `choice.wanted()` this record is an answer to, as option and value."""
    yield from (("--certificate", one) for one in choice.certificates if certificate in certificate_segments(one))
    if user_id(record) in choice.users:
        yield "--user", user_id(record)
    if _nested_id(record, "course") in choice.courses:
        yield "--course", _nested_id(record, "course")


def user_id(record: Document) -> int | None:
    """Return the id of the person that a record names, or None where it names nobody."""
    return _nested_id(record, "user")


def _of_diploma(choice: Choice, certificate: str, records: Sequence[Document], mine: list[int]) -> list[int]:
    if choice.everything or certificate in choice.segments:
        return mine
    if any(_nested_id(records[position], "course") in choice.courses for position in mine):
        return mine
    named = {user_id(records[position]) for position in mine} - {None}
    if not named & choice.users:
        return []
    # A revision without a person (withdrawn at the source) is theirs if no other revision names somebody else.
    theirs = {*choice.users, None} if named <= choice.users else choice.users
    return [position for position in mine if user_id(records[position]) in theirs]


def _nested_id(record: Document, name: str) -> int | None:
    nested = record.get(name)
    return or_none(coerce_id, nested.get("id")) if isinstance(nested, dict) else None
