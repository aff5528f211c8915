"""Files as makers and servers write them, from link to record: kept as they came, judged as a viewer does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from diploma_archive.sandbox import Sandbox
from diploma_archive.sandbox import answer_faults as faults
from diploma_archive.sandbox.certificate import CertificateText, draw
from tests.support.odd_pdfs import GOOD
from tests.support.world import World

FILES = sorted((Path(__file__).parents[2] / "pdfs").glob("*.pdf"))
ODDITIES = {
    "ok_bom_before": ["junk-before"],
    "ok_newline_before": ["junk-before"],
    "ok_php_notice_before": ["junk-before"],
    "ok_eof_without_of": ["damaged-end"],
    "ok_trailing_nuls_3004": ["junk-behind"],
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A school of as many persons as there are files."""
    with Sandbox(participants=len(FILES), persons=len(FILES), seed=7, requests_per_second=None) as server:
        yield server


def test_files_of_many_makers(world: World) -> None:
    """All that viewers show whole is archived as it came, and says what is odd; what they do not is quarantined."""
    served = dict(zip(sorted(world.sandbox.diplomas), FILES, strict=True))
    for diploma_id, file in served.items():
        world.sandbox.diplomas[diploma_id].pdf = file.read_bytes()
    done = world.command("sync", "--all", "--json")
    assert done.returncode == 1, done.stderr
    assert f'"quarantined": {sum(file.stem.startswith("bad_") for file in FILES)}' in done.stdout
    for diploma_id, file in served.items():
        records = world.bucket.records(diploma_id)
        if file.stem.startswith("bad_"):
            number = world.sandbox.diplomas[diploma_id].random_certificate_number
            (kept,) = [key for key in world.bucket.keys_below(f"quarantine/c-{number}/") if key.endswith(".bin")]
            assert (records, world.bucket.body(kept)) == ([], file.read_bytes()), file.stem
            continue
        (record,) = records
        assert record["file"]["oddities"] == ODDITIES.get(file.stem, []), file.stem
        assert world.bucket.body(record["file"]["key"]) == file.read_bytes(), file.stem
    assert world.command("verify", "--full").returncode == 0


def test_a_wrong_label_is_no_reason_to_lose_a_diploma(world: World) -> None:
    """A server that calls its PDFs HTML: archived, and the record says so."""
    world.sandbox.fault("download", faults.Status(200, GOOD, {"Content-Type": "text/html; charset=utf-8"}), id=12345)
    assert world.counts(participants="987654") == {"archived": 1}
    (record,) = world.bucket.records(12345)
    assert (record["file"]["oddities"], record["file"]["content_type"]) == (["wrong-label"], "application/pdf")


def test_another_persons_file_is_quarantined(world: World) -> None:
    """A file with another's name and number, rendered anew so that its bytes are nobody's yet, is not archived."""
    other = world.sandbox.diplomas[500001]
    text = CertificateText(
        "Course", "Somebody Else", "1990-01-01", "Oslo", "2024", str(other.random_certificate_number), ""
    )
    world.sandbox.diplomas[12345].pdf = draw(text)
    world.run(participants="900001")
    world.sandbox.change(500001, {"passed_note": "listed again in the run that follows"})
    counts = world.counts()
    assert counts["quarantined"] == 1
    (note,) = [key for key in world.bucket.keys_below("quarantine/") if key.endswith(".json")]
    assert "another person's diploma" in world.bucket.document(note)["reason"]
    assert world.bucket.records(12345) == []


def test_what_a_file_names_is_noted(world: World) -> None:
    """The record tells a person whether the file has the number, the holder, or nothing of its diploma."""
    world.run()
    assert {record["file"]["names"] for record in world.bucket.records()} == {"certificate"}
    world.sandbox.diplomas[12345].pdf = GOOD
    world.counts(force=True, participants="987654")
    assert world.bucket.records(12345)[-1]["file"]["names"] == "no-text"
