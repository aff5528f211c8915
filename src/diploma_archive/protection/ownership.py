"""Whose the objects of one certificate folder are, decided from what its records say: pure.

Rule: a record that names the person decides; what nobody can tell is called unclear, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from diploma_archive.errors import StoreError
from diploma_archive.model.json_document import Document, from_json

UNREADABLE = "cannot be read, so nobody can tell whose it is"
NAMELESS = "does not say whose it is (ARCHIVE_OMIT_FIELDS leaves out user.id)"
UNREFERENCED = "is named by no record, so nobody can tell whose it is"


@dataclass(frozen=True)
class Claim:
    """What one version of a record, or of a quarantine note, says of whose it is."""

    diploma_id: int | None = None
    user_id: int | None = None
    participant_id: int | None = None
    file: str | None = None


def read_claim(body: bytes | None) -> Claim | None:
    """Return what a record or a quarantine note says, or None where it cannot be read."""
    if body is None:
        return None
    try:
        document = from_json(body, "a record")
    except StoreError:
        return None
    user, file = _object(document.get("user")), _object(document.get("file"))
    key = file.get("key")
    return Claim(
        _id(document.get("diploma_id")),
        _id(user.get("id")) or _id(document.get("user_id")),
        _id(document.get("participant_id")),
        key if isinstance(key, str) else None,
    )


@dataclass
class FolderView:
    """One certificate folder: what each version of its JSON objects says, and which other objects have bytes.

    A key that has nothing but delete markers is in neither. `index` has the diploma ids that index entries give to
    the name of a record.
    """

    claims: dict[str, list[Claim | None]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    index: Mapping[str, frozenset[int]] = field(default_factory=dict)


@dataclass
class Ownership:
    """What is the person's, what is somebody else's as well and stays, and what nobody can tell."""

    mine: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    unclear: dict[str, str] = field(default_factory=dict)
    diplomas: set[int] = field(default_factory=set)
    participants: set[int] = field(default_factory=set)
    other_diplomas: set[int] = field(default_factory=set)
    is_sole: bool = False  # nothing in the folder is anybody else's


def is_nameless(claims: Iterable[Claim | None]) -> bool:
    """Return whether no version of a record says whose it is."""
    return not any(claim is not None and claim.user_id is not None for claim in claims)


def decide(view: FolderView, user_id: int) -> Ownership:
    """Return whose the objects of a folder are, as seen from one person."""
    said = [claim for claims in view.claims.values() for claim in claims if claim is not None]
    found = Ownership(
        diplomas={claim.diploma_id for claim in said if claim.diploma_id and claim.user_id == user_id},
        participants={claim.participant_id for claim in said if claim.participant_id and claim.user_id == user_id},
        other_diplomas={
            claim.diploma_id for claim in said if claim.diploma_id and claim.user_id not in (None, user_id)
        },
    )
    rest: list[Claim] = []  # what records say that are not, or not surely, the person's
    for key, claims in view.claims.items():
        mine = _is_mine(key, claims, view, found, user_id)
        if mine:
            found.mine.add(key)
            continue
        rest += [claim for claim in claims if claim is not None]
        if mine is None:
            found.unclear[key] = UNREADABLE if None in claims else NAMELESS
    found.is_sole = bool(found.mine) and len(found.mine) == len(view.claims)
    ours = {claim.file for key in found.mine for claim in view.claims[key] if claim is not None}
    theirs = {claim.file for claim in rest}
    for key in view.others:
        if key in ours:
            (found.shared if key in theirs else found.mine).add(key)
        elif found.is_sole:
            found.mine.add(key)
        elif key not in theirs and (found.mine or not view.claims):
            found.unclear[key] = UNREFERENCED
    return found


def _is_mine(key: str, claims: Sequence[Claim | None], view: FolderView, found: Ownership, user_id: int) -> bool | None:
    """Return whether a record is the person's; None: nobody can tell."""
    users = {claim.user_id for claim in claims if claim is not None and claim.user_id is not None}
    if users:
        return user_id in users
    diplomas = {claim.diploma_id for claim in claims if claim is not None and claim.diploma_id is not None}
    diplomas |= view.index.get(key.rpartition("/")[2], frozenset())
    mine, theirs = diplomas & found.diplomas, diplomas & found.other_diplomas
    return None if bool(mine) == bool(theirs) else bool(mine)


def _object(value: object) -> Document:
    return value if isinstance(value, dict) else {}


def _id(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
