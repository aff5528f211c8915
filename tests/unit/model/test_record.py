"""The record and its index entry: everything that must stand in them, and nothing else."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from diploma_archive.errors import StoreError
from diploma_archive.model.json_document import from_json, to_json, utc_text
from diploma_archive.model.keys import Place
from diploma_archive.model.record import ArchivedFile, Provenance, build_record, current_entry, index_entry
from diploma_archive.model.source_items import Diploma, read_diploma

REVISION = "0123456789abcdef"
FILE_KEY = f"diplomas/s-2024-SAFE-001/c-ABC123456/{'a' * 64}.pdf"
FILE = ArchivedFile(FILE_KEY, "a" * 64, 4321, "application/pdf", 2, ("junk-before",), "certificate")
PROVENANCE = Provenance("https://api.frontcore.com/v2", datetime(2026, 3, 1, 2, 15, tzinfo=UTC), "run-1")
PLACE = Place("s-2024-SAFE-001", "c-ABC123456")
ALWAYS = [
    "format",
    "revision",
    "status",
    "generation",
    "certificate_number",
    "serial",
    "diploma_id",
    "participant_id",
    "user",
    "course",
    "coursedate",
    "result",
    "source",
    "file",
    "supersedes",
    "conflict",
    "archived_at",
    "tool",
    "run_id",
]
DEFAULT_OMITTED = ("user.national_identification_number",)


def build(raw: dict[str, Any], **changes: Any) -> dict[str, Any]:
    diploma = read_diploma(raw)
    assert isinstance(diploma, Diploma)
    parts: dict[str, Any] = {
        "revision": REVISION,
        "generation": 1,
        "file": FILE,
        "supersedes": None,
        "conflict": (),
        "provenance": PROVENANCE,
        "archived_at": datetime(2026, 3, 1, 2, 16, tzinfo=UTC),
        "omit_fields": DEFAULT_OMITTED,
    }
    return build_record(diploma, **{**parts, **changes})


def test_the_record_of_the_documented_example(example):
    """The record holds every field of the design, with the source's values under the source's names."""
    record = build(example, supersedes="fedcba9876543210", conflict={99, 5}, generation=2)
    user = {name: value for name, value in example["user"].items() if name != "national_identification_number"}
    assert record.pop("tool").startswith("diploma-archive ")
    assert record == {
        "format": 1,
        "revision": REVISION,
        "status": "issued",
        "generation": 2,
        "certificate_number": "ABC123456",
        "serial": "2024-SAFE-001",
        "diploma_id": 12345,
        "participant_id": 987654,
        "user": user,
        "course": example["course"],
        "coursedate": example["coursedate"],
        "result": {
            "passed_note": "Excellent performance",
            "is_participated": True,
            "is_completed": True,
            "is_passed": True,
            "is_assessment_completed": True,
            "is_diploma_printed": True,
            "is_sent": True,
        },
        "source": {
            "base_url": "https://api.frontcore.com/v2",
            "created_at": "2024-02-15 16:30:00",
            "updated_at": "2024-02-16 10:00:00",
            "result_updated_at": "2024-02-16 10:00:00",
            "deleted_at": None,
            "listed_at": "2026-03-01T02:15:00.000000Z",
        },
        "file": {
            "key": FILE.key,
            "sha256": "a" * 64,
            "size": 4321,
            "content_type": "application/pdf",
            "pages": 2,
            "oddities": ["junk-before"],
            "names": "certificate",
        },
        "supersedes": "fedcba9876543210",
        "conflict": [5, 99],
        "archived_at": "2026-03-01T02:16:00.000000Z",
        "run_id": "run-1",
    }


@pytest.mark.parametrize("omit", [(), DEFAULT_OMITTED, ("user", "course", "coursedate", "passed_note")])
@pytest.mark.parametrize("bare", [True, False])
def test_every_field_is_always_there(example, bare, omit):
    """A reader never has to ask whether a field exists: absent things are null."""
    record = build({"id": 7} if bare else example, file=None, omit_fields=omit)
    assert list(record) == ALWAYS
    assert set(record["source"]) == {
        "base_url",
        "created_at",
        "updated_at",
        "result_updated_at",
        "deleted_at",
        "listed_at",
    }
    assert record["file"] is record["supersedes"] is record["conflict"] is None


@pytest.mark.parametrize(
    ("field", "canary"),
    [
        ("user.national_identification_number", "canary-nin"),
        ("user.email", "canary-email"),
        ("course.title", "canary-title"),
        ("coursedate.start_at", "canary-start"),
        ("coursedate.location.address", "canary-address"),
        ("passed_note", "canary-note"),
        ("result.passed_note", "canary-note"),
    ],
)
def test_an_omitted_field_is_gone(example, field, canary):
    """What ARCHIVE_OMIT_FIELDS names is in no record, neither as a name nor as a value."""
    *folders, name = field.removeprefix("result.").split(".")
    place = example
    for folder in folders:
        place = place[folder]
    place[name] = canary
    kept = json.dumps(build(example, omit_fields=()))
    record = json.dumps(build(example, omit_fields=(field,)))
    assert canary in kept
    assert canary not in record
    assert record.count(f'"{name}"') == kept.count(f'"{name}"') - 1


def test_an_omitted_field_takes_no_neighbour_with_it(example):
    """Leaving out the course's title leaves the location's title alone."""
    record = build(example, omit_fields=("course.title",))
    assert "title" not in record["course"]
    assert record["coursedate"]["location"]["title"] == "Training Center Oslo"


@pytest.mark.parametrize("group", ["user", "course", "coursedate"])
def test_a_whole_group_can_be_left_out(example, group):
    """Omitting a whole object leaves null and none of its values."""
    record = build(example, omit_fields=(group,))
    assert record[group] is None
    for value in example[group].values():
        if isinstance(value, str) and not value.startswith("20"):
            assert f'"{value}"' not in json.dumps({**record, "coursedate": None})


def test_a_whole_location_can_be_left_out(example):
    """Omitting the location leaves the rest of the course date."""
    record = build(example, omit_fields=("coursedate.location",))
    assert "location" not in record["coursedate"]
    assert record["coursedate"]["id"] == 12654406


def test_no_link_enters_a_record(example):
    """The token URL of a PDF is a credential: it is nowhere in the record."""
    example["links"] = {"download": "https://canary.example/a?token=canary", "stream": "https://canary.example/b"}
    text = json.dumps(build(example, omit_fields=()))
    assert "canary" not in text
    assert "token" not in text
    assert "links" not in text


def test_undocumented_fields_are_dropped(example):
    """A field that nobody described never enters the archive."""
    example["secret_extra"] = example["user"]["secret_extra"] = "canary"
    assert "canary" not in json.dumps(build(example, omit_fields=()))


def test_a_withdrawn_diploma_has_no_file(example):
    """`deleted_at` makes the record a withdrawal, and the raw text is kept."""
    example["deleted_at"] = "2024-05-01 12:00:00"
    record = build(example, file=None)
    assert (record["status"], record["file"]) == ("withdrawn", None)
    assert record["source"]["deleted_at"] == "2024-05-01 12:00:00"


@pytest.mark.parametrize("deleted_at", [None, "", "  "])
def test_a_blank_deleted_at_withdraws_nothing(example, deleted_at):
    """Blank is not a time: the diploma stays issued."""
    example["deleted_at"] = deleted_at
    assert build(example)["status"] == "issued"


def test_moments_are_kept_in_utc(example):
    """archived_at and listed_at are UTC, whatever zone the program was in."""
    oslo_summer = timezone(timedelta(hours=2))
    record = build(
        example,
        archived_at=datetime(2026, 7, 1, 0, 30, tzinfo=oslo_summer),
        provenance=Provenance("https://x", datetime(2026, 7, 1, 1, 30, 0, 5, tzinfo=oslo_summer), "r"),
    )
    assert record["archived_at"] == "2026-06-30T22:30:00.000000Z"
    assert record["source"]["listed_at"] == "2026-06-30T23:30:00.000005Z"


def test_moments_sort_as_text():
    """A whole second sorts before its fractions, as text too."""
    second = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
    moments = [second - timedelta(microseconds=1), second, second + timedelta(microseconds=1)]
    texts = [utc_text(moment) for moment in moments]
    assert texts == sorted(texts)


def test_raw_times_of_the_source_are_kept(example):
    """The source's naive times have no documented zone: they are kept as they came."""
    example["updated_at"] = "2025-11-11T10:29:12+01:00"
    assert build(example)["source"]["updated_at"] == "2025-11-11T10:29:12+01:00"


def test_an_index_entry_has_exactly_its_eight_fields(example):
    """The index is enough to find a record and its file."""
    assert index_entry(build(example, generation=2), PLACE) == {
        "record": f"diplomas/s-2024-SAFE-001/c-ABC123456/{REVISION}.2.json",
        "file": FILE.key,
        "sha256": "a" * 64,
        "diploma_id": 12345,
        "revision": REVISION,
        "status": "issued",
        "source_updated_at": "2024-02-16 10:00:00",
        "archived_at": "2026-03-01T02:16:00.000000Z",
    }


def test_an_index_entry_names_nobody(example):
    """No personal data is in the index."""
    text = json.dumps(index_entry(build(example), PLACE))
    for value in (*example["user"].values(), *example["course"].values(), example["passed_note"]):
        if isinstance(value, str) and not value.startswith("20") and value != "NO":
            assert value not in text


def test_an_index_entry_of_a_withdrawal_has_no_file(example):
    """A withdrawal has neither file nor hash in the index."""
    example["deleted_at"] = "2024-05-01 12:00:00"
    entry = index_entry(build(example, file=None), PLACE)
    assert (entry["status"], entry["file"], entry["sha256"]) == ("withdrawn", None, None)


@pytest.mark.parametrize("lost", ["revision", "generation", "file", "diploma_id", "status", "source", "archived_at"])
def test_a_mutilated_record_makes_no_index_entry(example, lost):
    """A damaged record is an error in words, never a half index entry."""
    record = build(example)
    del record[lost]
    with pytest.raises(StoreError, match="record in the bucket is not complete"):
        index_entry(record, PLACE)


def test_the_current_entry_entry_wins():
    """Among the entries of a diploma the one archived last is found, in whatever order they come."""
    early, late = {"archived_at": "2026-03-01T00:00:00.000000Z"}, {"archived_at": "2026-03-01T00:00:00.000001Z"}
    assert current_entry([late, early]) is current_entry([early, late]) is late
    assert current_entry([]) is None


def test_records_are_readable_ascii(example):
    """A record opens in every editor: ASCII, indented, with a final line break."""
    example["user"]["lastname"] = "Bj\u00f8rn\ud800"
    body = to_json(build(example))
    assert body.isascii()
    assert body.endswith(b"}\n")
    assert body.count(b"\n") > 40
    assert from_json(body, "a record")["user"]["lastname"] == "Bj\u00f8rn\ud800"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe\x00", b"[" * 100_000, b'{"a": 1} x'])
def test_a_damaged_document_is_named(body):
    """What is no JSON object is refused with its name, never with its content."""
    with pytest.raises(StoreError, match="a record in the bucket is damaged"):
        from_json(body, "a record")


def test_building_a_record_changes_nothing(example):
    """Building a record leaves the listing as it was."""
    before = copy.deepcopy(example)
    build(example, omit_fields=("user.email",))
    assert example == before
