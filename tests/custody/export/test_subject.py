"""`subject`: all that is held on one person, and nothing that is on anybody else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from diploma_archive.archive.open_archive import open_reader
from diploma_archive.export.subject import Held, subject
from diploma_archive.model.quarantine_note import ANOTHERS_REASON
from diploma_archive.sandbox import answer_faults as faults
from tests.support.exports import key_of, last_json, objects, overview, validate
from tests.support.world import World

JOHN, NORNA = 289252, 700001


def held_on(world: World, user: int, to: Path) -> Held:
    """Make the bag in this process, which is faster than the command."""
    with open_reader(world.as_settings().archive) as reader:
        return subject(reader, user, to, workers=8, tell=lambda _: None)


def page(root: Path) -> str:
    """Return what the person reads."""
    return (root / "data/subject.html").read_text("utf-8")


def diplomas_of(world: World, user: int) -> set[int]:
    """Return the diplomas of a person at the source."""
    return {one.id for one in world.sandbox.diplomas.values() if one.user["id"] == user}


def note(world: World, **fields: Any) -> str:
    """Put a file into quarantine and return the key of its bytes."""
    body = fields.pop("body", b"%PDF-" + str(len(world.bucket.planted)).encode())
    sha256 = hashlib.sha256(body).hexdigest()
    key = f"quarantine/{fields.pop('segment', 'c-x')}/{sha256}"
    document = {"diploma_id": 1, "participant_id": 1, "reason": "no page", "sha256": sha256, **fields}
    world.bucket.put(f"{key}.bin", body)
    world.bucket.put(f"{key}.json", json.dumps(document).encode())
    return f"{key}.bin"


def test_a_person_gets_all_of_theirs_and_a_page_that_says_so(world: World, tmp_path: Path) -> None:
    """All diplomas of the person with PDF, record and index entry, in a valid bag; nobody else's."""
    world.counts()
    done = world.command("subject", "--user", str(NORNA), "--to", str(tmp_path / "bag"), "--json")
    assert done.returncode == 0, done.stderr
    mine = diplomas_of(world, NORNA)
    assert last_json(done.stdout)["diplomas"] == len(mine) == 3
    validate(tmp_path / "bag")
    assert {int(row["diploma id"]) for row in overview(tmp_path / "bag")} == mine
    texts = b"".join(body for key, body in objects(tmp_path / "bag").items() if key.endswith(".json"))
    assert not [one for one in world.sandbox.diplomas if one not in mine and str(one).encode() in texts]
    for diploma_id in mine:
        assert world.sandbox.pdf_of(diploma_id) in objects(tmp_path / "bag").values()
        assert f"Diploma <bdi>{diploma_id}</bdi>" in page(tmp_path / "bag")
    (base_url,) = {record["source"]["base_url"] for record in world.bucket.records()}
    assert base_url in page(tmp_path / "bag")
    for text in ("Norna", "M\u00e5nestr\u00e5le"):
        assert text in page(tmp_path / "bag")
        assert text not in done.stdout + done.stderr


def test_older_revisions_are_found_by_the_person_they_name(world: World, tmp_path: Path) -> None:
    """A diploma that went over to another person belongs to both, each revision to whom it names."""
    world.counts()
    world.sandbox.reissue(12345, "2025-01-01 10:00:00", user={**world.sandbox.persons[NORNA]})
    world.counts()
    held_on(world, JOHN, tmp_path / "john")
    held_on(world, NORNA, tmp_path / "norna")
    assert [row["user id"] for row in overview(tmp_path / "john")] == [str(JOHN)]
    assert "12345" in [row["diploma id"] for row in overview(tmp_path / "norna")]
    assert {row["user id"] for row in overview(tmp_path / "norna")} == {str(NORNA)}
    assert "Doe" not in page(tmp_path / "norna")


def test_a_withdrawn_revision_without_a_person_goes_along(world: World, tmp_path: Path) -> None:
    """The source may name nobody in a deleted diploma: it is still theirs."""
    world.counts()
    world.sandbox.overrides[12345] = {"user": [], "deleted_at": "2025-02-01 10:00:00"}
    world.run(participants="987654")
    held = held_on(world, JOHN, tmp_path / "bag")
    assert (held.exported.records, held.unnamed) == (2, 0)


def test_records_that_name_nobody_are_counted(world: World, tmp_path: Path) -> None:
    """Where the archive leaves out the person, that it cannot answer is said."""
    world.settings["omit_fields"] = ("user",)
    world.counts()
    held = held_on(world, JOHN, tmp_path / "bag")
    assert (held.is_nothing, held.unnamed) == (True, 6)
    done = world.command("subject", "--user", str(JOHN), "--to", str(tmp_path / "bag"))
    assert done.returncode == 1
    assert "6 records of the archive name no person" in done.stderr


def test_quarantined_files_of_their_diplomas_are_in_the_bag(world: World, tmp_path: Path) -> None:
    """What was set aside is held too: found by person, by diploma or by participant."""
    world.counts()
    world.sandbox.fault("download", faults.Truncated(with_content_length=False), id=12345)
    by_person = note(world, user_id=JOHN)
    by_diploma = note(world, diploma_id=12345)
    by_participant = note(world, participant_id=987654)
    others = [note(world, user_id=NORNA, diploma_id=12345), note(world)]
    held = held_on(world, JOHN, tmp_path / "bag")
    assert held.quarantined == 3
    kept = set(objects(tmp_path / "bag"))
    assert {by_person, by_diploma, by_participant} <= kept
    assert not {*others} & kept
    validate(tmp_path / "bag")
    assert "Files set aside" in page(tmp_path / "bag")


def test_quarantine_alone_is_something(world: World, tmp_path: Path) -> None:
    """A person whose only file was no good diploma is not told that there is nothing."""
    world.counts()
    note(world, user_id=55)
    done = world.command("subject", "--user", "55", "--to", str(tmp_path / "bag"), "--json")
    assert (done.returncode, last_json(done.stdout)["quarantined"]) == (0, 1), done.stderr


def test_another_persons_file_under_their_number_is_withheld(world: World, tmp_path: Path) -> None:
    """A mixed-up file shows another person: it is counted on the page and not handed over."""
    world.counts()
    theirs = note(world, user_id=JOHN, reason="the same bytes as the file of diploma 500001 under c-KRT507919")
    mine = note(world, user_id=JOHN, reason="the same bytes as the file of diploma 12345 under c-ABC123456")
    by_text = note(world, user_id=JOHN, reason=f"serial came as no number; {ANOTHERS_REASON}")
    note(world, user_id=NORNA, body=world.sandbox.pdf_of(12345))
    held = held_on(world, JOHN, tmp_path / "bag")
    assert (held.quarantined, held.withheld) == (1, 2)
    kept = set(objects(tmp_path / "bag"))
    assert mine in kept
    assert not {theirs, by_text} & kept
    assert "KRT507919" not in page(tmp_path / "bag")
    assert "2 files came under a number" in page(tmp_path / "bag")
    assert "1 further copies" in page(tmp_path / "bag")


@pytest.mark.parametrize("damage", [b"{", b"", b"[]", None])
def test_what_cannot_be_read_may_be_theirs(world: World, tmp_path: Path, damage: bytes | None) -> None:
    """A record or note that is damaged is named: the answer may be incomplete, and says so."""
    world.counts()
    bytes_key = note(world, user_id=NORNA)
    note_key = bytes_key.removesuffix(".bin") + ".json"
    record_key = key_of(world, 500001, ".json")
    if damage is None:
        world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"{world.bucket.prefix}/{note_key}")
        damage, note_key = b"{", bytes_key
    else:
        world.bucket.put(note_key, damage)
    world.bucket.put(record_key, damage)
    held = held_on(world, JOHN, tmp_path / "bag")
    assert {key for key, _ in held.exported.not_exported} == {note_key, record_key}
    assert not held.exported.is_complete
    assert "2 objects could not be read" in page(tmp_path / "bag")


def test_nobody_is_said_and_leaves_no_folder(world: World, tmp_path: Path) -> None:
    """That nothing is held is an answer; a mistyped number leaves nothing behind."""
    world.counts()
    done = world.command("subject", "--user", "999999", "--to", str(tmp_path / "bag"))
    assert done.returncode == 1
    assert done.stdout == "the archive holds nothing on person 999999\n"
    assert not (tmp_path / "bag").exists()


def test_the_page_shows_text_as_text(world: World, tmp_path: Path) -> None:
    """Markup, control characters and marks of direction in a name or title do nothing."""
    world.sandbox.diplomas[12345].course["title"] = '<script>alert(1)</script>"&\x00\u202egpj\ud800'
    world.counts()
    held_on(world, JOHN, tmp_path / "bag")
    assert "<script" not in page(tmp_path / "bag")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;\\x00\\u202egpj\\ud800" in page(tmp_path / "bag")


def test_no_index_is_needed(world: World, tmp_path: Path) -> None:
    """A lost index hides nothing of a person; that it is lost is named."""
    world.counts()
    for key in world.bucket.keys_below("certificates/"):
        world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"{world.bucket.prefix}/{key}")
    held = held_on(world, NORNA, tmp_path / "bag")
    assert (held.exported.diplomas, held.exported.problems) == (3, 3)


def test_the_bag_of_another_person_is_not_added_to(world: World, tmp_path: Path) -> None:
    """Two persons never share a bag."""
    world.counts()
    held_on(world, NORNA, tmp_path / "bag")
    done = world.command("subject", "--user", str(JOHN), "--to", str(tmp_path / "bag"), "--json")
    assert (done.returncode, last_json(done.stdout)["kind"]) == (2, "usage")
    assert held_on(world, NORNA, tmp_path / "bag").exported.diplomas == 3
