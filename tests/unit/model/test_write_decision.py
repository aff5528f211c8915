"""What to do with one listed diploma, decided from what the archive has of it."""

from __future__ import annotations

from typing import Any

import pytest

from diploma_archive.model.keys import IndexName
from diploma_archive.model.write_decision import History, Plan, plan

A, B, W = "a" * 16, "b" * 16, "c" * 16  # two issued revisions and a withdrawal
ME, OTHER = 12345, 99


class Bucket:
    """The index entries under one certificate, in the order they were archived."""

    def __init__(self, *written: tuple[str, str] | tuple[str, str, int]) -> None:
        self.entries: dict[IndexName, dict[str, Any]] = {}
        for revision, status, *owner in written:
            self.write(revision, status, owner[0] if owner else ME)

    def write(self, revision: str, status: str, diploma_id: int = ME, sha256: str | None = None) -> IndexName:
        generation = 1 + sum(name.revision == revision and name.diploma_id == diploma_id for name in self.entries)
        name = IndexName(diploma_id, revision, generation)
        number = len(self.entries)
        default = f"{number:064x}" if status == "issued" else None
        self.entries[name] = {
            "diploma_id": diploma_id,
            "revision": revision,
            "status": status,
            "sha256": sha256 or default,
            "archived_at": f"2026-03-01T00:00:00.{number:06d}Z",
        }
        return name

    def plan(self, revision: str, status: str = "issued", *, force: bool = False) -> Plan:
        history = History.of(sorted(self.entries), ME)
        read = [self.entries[name] for name in history.worth_reading(force=force)]
        return plan(history, read, revision, status, force=force)


UNCHANGED = (False, None)


@pytest.mark.parametrize(
    ("written", "listed", "expected"),
    [
        # what lies there already | what is listed | (write, generation), supersedes
        ([], (A, "issued"), ((True, 1), None)),
        ([], (W, "withdrawn"), ((True, 1), None)),
        ([(A, "issued")], (A, "issued"), UNCHANGED),
        ([(W, "withdrawn")], (W, "withdrawn"), UNCHANGED),
        ([(A, "issued")], (B, "issued"), ((True, 1), A)),
        ([(A, "issued"), (B, "issued")], (B, "issued"), UNCHANGED),
        ([(A, "issued"), (B, "issued")], (A, "issued"), UNCHANGED),
        ([(B, "issued"), (A, "issued")], (W, "withdrawn"), ((True, 1), A)),
        ([(A, "issued")], (W, "withdrawn"), ((True, 1), A)),
        ([(A, "issued"), (W, "withdrawn")], (W, "withdrawn"), UNCHANGED),
        # withdrawn and came back as it was
        ([(A, "issued"), (W, "withdrawn")], (A, "issued"), ((True, 2), W)),
        ([(A, "issued"), (W, "withdrawn"), (A, "issued")], (A, "issued"), UNCHANGED),
        # withdrawn and came back changed
        ([(A, "issued"), (W, "withdrawn")], (B, "issued"), ((True, 1), W)),
        ([(A, "issued"), (W, "withdrawn"), (B, "issued")], (B, "issued"), UNCHANGED),
        # withdrawn a second time with the same deleted_at
        ([(A, "issued"), (W, "withdrawn"), (A, "issued")], (W, "withdrawn"), ((True, 2), A)),
        ([(A, "issued"), (W, "withdrawn"), (A, "issued"), (W, "withdrawn")], (W, "withdrawn"), UNCHANGED),
        ([(A, "issued"), (W, "withdrawn"), (A, "issued"), (W, "withdrawn")], (A, "issued"), ((True, 3), W)),
        # a certificate number that another diploma has too
        ([(A, "issued", OTHER)], (A, "issued"), ((True, 1), None)),
        ([(A, "issued", OTHER)], (B, "issued"), ((True, 1), None)),
        ([(A, "issued"), (B, "issued", OTHER)], (A, "issued"), UNCHANGED),
        ([(A, "issued"), (W, "withdrawn", OTHER)], (A, "issued"), UNCHANGED),
        ([(A, "issued"), (B, "issued", OTHER)], (W, "withdrawn"), ((True, 1), A)),
    ],
)
def test_what_to_do(written, listed, expected):
    """A known state is never written twice, and a state that came back is never taken for known."""
    planned = Bucket(*written).plan(*listed)
    what, supersedes = expected
    if what is False:
        assert not planned.write
    else:
        assert (planned.write, planned.generation) == what
        assert planned.supersedes == supersedes
        assert planned.known_sha256 is None


def test_coming_and_going_for_ever_is_written_once_each_time():
    """Every withdrawal and every return makes one new record, and the run after it makes none."""
    bucket = Bucket()
    for round_number in range(1, 5):
        for revision, status in ((A, "issued"), (W, "withdrawn")):
            planned = bucket.plan(revision, status)
            assert (planned.write, planned.generation) == (True, round_number)
            bucket.write(revision, status)
            assert not bucket.plan(revision, status).write
            assert not bucket.plan(revision, status, force=status == "withdrawn").write


def test_an_unchanged_diploma_names_the_generation_that_is_archived():
    """The run report points to the newest record of an unchanged revision."""
    bucket = Bucket((A, "issued"), (W, "withdrawn"), (A, "issued"))
    assert bucket.plan(A).known_generation == 2


def test_force_knows_the_bytes_that_are_archived():
    """With --force the newest archived bytes of this revision are named, so that they are not written again."""
    bucket = Bucket()
    bucket.write(A, "issued", sha256="1" * 64)
    bucket.write(A, "issued", sha256="2" * 64)
    bucket.write(B, "issued", sha256="3" * 64)
    planned = bucket.plan(A, force=True)
    assert (planned.write, planned.generation, planned.known_generation, planned.known_sha256) == (True, 3, 2, "2" * 64)


def test_force_never_writes_over_a_generation():
    """Other bytes under --force go to the next free generation."""
    bucket = Bucket((A, "issued"))
    for expected in (2, 3, 4):
        planned = bucket.plan(A, force=True)
        assert (planned.write, planned.generation) == (True, expected)
        bucket.write(A, "issued")


def test_force_of_something_new_is_an_ordinary_write():
    """An unknown revision is generation 1 under --force too, with nothing to compare."""
    planned = Bucket((A, "issued")).plan(B, force=True)
    assert (planned.write, planned.generation, planned.known_sha256, planned.supersedes) == (True, 1, None, A)


def test_force_of_a_return_writes_in_any_case():
    """What came back is written even if the bytes are the same: the withdrawal must not stay the last word."""
    planned = Bucket((A, "issued"), (W, "withdrawn")).plan(A, force=True)
    assert (planned.write, planned.generation, planned.known_sha256) == (True, 2, None)


def test_force_does_not_repeat_a_withdrawal():
    """A withdrawal has no bytes to compare, so --force leaves it unchanged."""
    assert not Bucket((A, "issued"), (W, "withdrawn")).plan(W, "withdrawn", force=True).write


def test_force_ignores_the_bytes_of_another_diploma():
    """Under a shared certificate number the other diploma's bytes are not taken for known."""
    bucket = Bucket((A, "issued"))
    bucket.write(A, "issued", OTHER, sha256="9" * 64)
    assert bucket.plan(A, force=True).known_sha256 == "0" * 64


def test_history_tells_mine_from_others():
    """Other diplomas under the certificate number are named once each, in order, without this one."""
    names = [IndexName(ME, A), IndexName(500, A), IndexName(OTHER, A), IndexName(OTHER, B), IndexName(ME, B, 2)]
    history = History.of(names, ME)
    assert history.mine == (IndexName(ME, A), IndexName(ME, B, 2))
    assert history.others == (OTHER, 500)
    assert (history.generation_of(A), history.generation_of(B), history.generation_of(W)) == (1, 2, 0)


def test_the_steady_run_reads_no_entries():
    """A diploma with one revision costs a LIST and no GET, run after run."""
    assert History.of([IndexName(ME, A), IndexName(OTHER, B)], ME).worth_reading(force=False) == ()
    assert History.of([], ME).worth_reading(force=False) == ()


def test_other_diplomas_entries_are_never_read():
    """What is read to plan is this diploma's own, also under --force."""
    history = History.of([IndexName(ME, A), IndexName(ME, W), IndexName(OTHER, B)], ME)
    for force in (False, True):
        assert {name.diploma_id for name in history.worth_reading(force=force)} == {ME}


def test_an_older_state_that_was_archived_last_gives_way_to_the_newer_one():
    """A slow run may archive an older listing after a faster one: the newer state, listed again, becomes current."""
    bucket = Bucket((A, "issued"), (B, "issued"))
    history = History.of(sorted(bucket.entries), ME)
    entries = list(bucket.entries.values())
    entries[0]["source_updated_at"], entries[1]["source_updated_at"] = "2026-02-02 10:00:00", "2026-01-01 10:00:00"
    again = plan(history, entries, A, "issued", updated_at="2026-02-02 10:00:00", force=False)
    assert (again.write, again.generation, again.supersedes) == (True, 2, B)
    assert not plan(history, entries, B, "issued", updated_at="2026-01-01 10:00:00", force=False).write
