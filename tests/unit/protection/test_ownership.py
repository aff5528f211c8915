"""Whose the objects of a folder are: a record that names the person decides, and nothing is guessed."""

from __future__ import annotations

import json

import pytest

from diploma_archive.protection.ownership import (
    NAMELESS,
    UNREADABLE,
    UNREFERENCED,
    Claim,
    FolderView,
    decide,
    read_claim,
)

ME, OTHER = 5, 6
MINE, THEIRS = "d/s/c/a.json", "d/s/c/b.json"
PDF = "d/s/c/x.pdf"


def claim(user: int | None, diploma: int | None = 1, file: str | None = None) -> Claim:
    return Claim(diploma, user, None, file)


def test_a_folder_that_is_mine_alone_goes_whole() -> None:
    """Files no record names and strangers too, where nobody else is."""
    owned = decide(FolderView({MINE: [claim(ME)]}, [PDF, "d/s/c/note.txt"]), ME)
    assert owned.mine == {MINE, PDF, "d/s/c/note.txt"}
    assert (owned.unclear, owned.is_sole) == ({}, True)


def test_any_version_that_names_me_is_enough() -> None:
    """A record that was overwritten with damage is still that of its older version."""
    assert decide(FolderView({MINE: [None, claim(ME)]}), ME).mine == {MINE}


def test_the_others_files_stay() -> None:
    """In a shared folder each keeps what its own record names; what both name stays; what nobody names is unclear."""
    claims = {MINE: [claim(ME, 1, "p1"), claim(ME, 1, "p3")], THEIRS: [claim(OTHER, 2, "p2"), claim(OTHER, 2, "p3")]}
    owned = decide(FolderView(claims, ["p1", "p2", "p3", "p4"]), ME)
    assert (owned.mine, owned.shared, owned.unclear) == ({MINE, "p1"}, {"p3"}, {"p4": UNREFERENCED})


@pytest.mark.parametrize(("body", "why"), [([None], UNREADABLE), ([claim(None, 9)], NAMELESS)])
def test_a_record_that_names_nobody_is_unclear(body: list[Claim | None], why: str) -> None:
    """It may be anybody's, and so may the file beside it."""
    owned = decide(FolderView({THEIRS: body, MINE: [claim(ME)]}, [PDF]), ME)
    assert owned.mine == {MINE}
    assert owned.unclear == {THEIRS: why, PDF: UNREFERENCED}


@pytest.mark.parametrize(("diploma", "mine"), [(1, True), (2, False)])
def test_a_record_without_a_person_is_its_diplomas(diploma: int, mine: bool) -> None:
    """By the diploma id in it, or by that of its index entry, where only one person has that diploma."""
    known = {MINE: [claim(ME, 1)], THEIRS: [claim(OTHER, 2)]}
    by_record = decide(FolderView({**known, "d/s/c/z.json": [claim(None, diploma)]}), ME)
    index = {"z.json": frozenset({diploma})}
    by_index = decide(FolderView({**known, "d/s/c/z.json": [None]}, [], index), ME)
    for owned in (by_record, by_index):
        assert ("d/s/c/z.json" in owned.mine) is mine
        assert owned.unclear == {}


def test_a_diploma_that_changed_hands_is_guessed_by_nobody() -> None:
    """Issued to me by mistake, then to another: each record by its own person, and the nameless one by none."""
    claims = {MINE: [claim(ME, 1)], THEIRS: [claim(OTHER, 1)], "d/s/c/z.json": [None]}
    owned = decide(FolderView(claims, [], {"z.json": frozenset({1})}), ME)
    assert (owned.mine, owned.unclear) == ({MINE}, {"d/s/c/z.json": UNREADABLE})


def test_other_peoples_folders_are_none_of_mine() -> None:
    """Nothing of theirs is mine, and nothing unclear, not even a file that no record names."""
    owned = decide(FolderView({THEIRS: [claim(OTHER)]}, [PDF]), ME)
    assert (owned.mine, owned.unclear, owned.is_sole) == (set(), {}, False)


@pytest.mark.parametrize(
    "body", [None, b"", b"\xff\xfe", b"[1]", b"{", b'{"user": 5}', b'{"user": {"id": true}}', b'{"user": {"id": "5"}}']
)
def test_odd_bodies_claim_nothing(body: bytes | None) -> None:
    """Whatever lies there is read without a crash, and names nobody."""
    said = read_claim(body)
    assert said is None or said.user_id is None


def test_records_and_notes_claim_alike() -> None:
    """A record has the person under `user`, a quarantine note beside the rest."""
    record = {"diploma_id": 1, "participant_id": 2, "user": {"id": 5}, "file": {"key": "k"}}
    note = {"diploma_id": 1, "participant_id": 2, "user_id": 5}
    assert read_claim(json.dumps(record).encode()) == Claim(1, 5, 2, "k")
    assert read_claim(json.dumps(note).encode()) == Claim(1, 5, 2, None)
