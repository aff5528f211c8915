"""What a record says, and which of several is current; one that does not belong under its key says nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from diploma_archive.errors import StoreError
from diploma_archive.model.json_document import Document, utc_text
from diploma_archive.model.keys import Place
from diploma_archive.model.parsed_record import RecordContent, read_record_content

PLACE = Place("s-2024-SAFE-001", "c-ABC123456")
MOMENT = datetime(2026, 3, 1, 2, 15, tzinfo=UTC)
SHA256 = "ab" * 32


def record(revision: str = "0123456789abcdef", generation: int = 1, **changes: Any) -> Document:
    return {
        "format": 1,
        "revision": revision,
        "status": "issued",
        "generation": generation,
        "certificate_number": "ABC123456",
        "serial": "2024-SAFE-001",
        "diploma_id": 12345,
        "participant_id": 987654,
        "user": {"id": 289252},
        "course": {"id": 44724, "title": "Safety", "reference": "SAFE-101"},
        "coursedate": {"start_at": "2024-02-15 09:00:00"},
        "file": {"key": PLACE.pdf_key(SHA256), "sha256": SHA256, "size": 2500, "content_type": "x", "pages": 1},
        "conflict": None,
        "archived_at": utc_text(MOMENT),
        **changes,
    }


def content(**changes: Any) -> RecordContent:
    document = record(**changes)
    return read_record_content(PLACE.record_key(document["revision"], document["generation"]), document)


def test_current_is_archived_last_whatever_the_source_says() -> None:
    """ADR 5: neither the name of a revision nor its generation decides, but when it was archived."""
    times = [utc_text(MOMENT + timedelta(microseconds=step)) for step in range(4)]
    made = [  # in the order of their times, which no other order of them is
        content(revision="ffffffffffffffff", archived_at=times[0]),
        content(revision="0000000000000000", archived_at=times[1]),
        content(revision="ffffffffffffffff", generation=2, archived_at=times[2]),
        content(revision="0000000000000001", archived_at=times[3]),
    ]
    assert sorted(made, key=lambda one: one.order) == made


def test_at_the_same_moment_the_later_generation_is_current() -> None:
    """The order is total: two readers never call different revisions current."""
    first, second, tenth = content(), content(generation=2), content(generation=10)
    assert max((tenth, first, second), key=lambda one: one.order) is tenth


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"format": None},
        {"diploma_id": "12345"},
        {"diploma_id": True},
        {"diploma_id": 0},
        {"diploma_id": 2**63},
        {"generation": 0},
        {"status": "archived"},
        {"archived_at": None},
        {"archived_at": "soon"},
        {"archived_at": "2026-03-01T02:15:00.000000Z\n"},
        {"certificate_number": 7},
        {"certificate_number": "ABC123457"},
        {"serial": "2024-SAFE-002"},
        {"serial": None},
        {"file": "a.pdf"},
        {"file": {}},
        {"file": {"key": PLACE.pdf_key(SHA256), "sha256": "cd" * 32, "size": 2500}},
        {"file": {"key": "diplomas/s-other/c-OTHER/" + SHA256 + ".pdf", "sha256": SHA256, "size": 2500}},
        {"file": {"key": PLACE.pdf_key(SHA256), "sha256": SHA256, "size": "2500"}},
    ],
    ids=str,
)
def test_a_record_that_does_not_belong_under_its_key_is_refused(changes: dict[str, Any]) -> None:
    """A swapped or edited record is never shown as another diploma's, and never leads to another diploma's file."""
    key = PLACE.record_key("0123456789abcdef")
    with pytest.raises(StoreError) as caught:
        read_record_content(key, record(**changes))
    assert "diploma-archive verify" in caught.value.fix


@pytest.mark.parametrize(
    "changes", [{"user": None}, {"course": []}, {"coursedate": "x"}, {"user": {"id": "x"}}], ids=str
)
def test_what_was_left_out_or_is_odd_is_none(changes: dict[str, Any]) -> None:
    """A field that ARCHIVE_OMIT_FIELDS left out hides nothing else of the record."""
    assert content(**changes).diploma_id == 12345
