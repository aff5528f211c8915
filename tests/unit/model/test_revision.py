"""The fingerprint that names one state of a diploma as evidence."""

from __future__ import annotations

import copy
import hashlib
import re
from typing import Any

import pytest

from diploma_archive.model.revision import evidence, revision_of
from diploma_archive.model.source_items import Diploma, read_diploma

# Written by hand from section 5 of the design and the example of FRONTCORE.md.
CANONICAL = (
    '{"certificate_number":"ABC123456","course_id":44724,"course_reference":"SAFE-101",'
    '"course_title":"Safety Training Course","coursedate_end_at":"2024-02-15 16:00:00","coursedate_id":12654406,'
    '"coursedate_start_at":"2024-02-15 09:00:00","deleted_at":null,"diploma_id":12345,"is_completed":true,'
    '"is_participated":true,"is_passed":true,"location_city":"Oslo","location_country":"NO","location_id":5678,'
    '"location_title":"Training Center Oslo","participant_id":987654,"passed_note":"Excellent performance",'
    '"result_updated_at":"2024-02-16 10:00:00","serial":"2024-SAFE-001","updated_at":"2024-02-16 10:00:00",'
    '"user_date_of_birth":"1990-01-15","user_firstname":"John","user_id":289252,"user_lastname":"Doe"}'
)

EVIDENCE = [
    ("id", 12346),
    ("participant_id", 987655),
    ("random_certificate_number", "ABC123457"),
    ("serial", "2024-SAFE-002"),
    ("user.id", 289253),
    ("user.firstname", "Jon"),
    ("user.lastname", "Roe"),
    ("user.date_of_birth", "1990-01-16"),
    ("course.id", 44725),
    ("course.title", "Safety training course"),
    ("course.reference", "SAFE-102"),
    ("coursedate.id", 12654407),
    ("coursedate.start_at", "2024-02-15 09:00:01"),
    ("coursedate.end_at", "2024-02-15 16:00:01"),
    ("coursedate.location.id", 5679),
    ("coursedate.location.title", "Training Centre Oslo"),
    ("coursedate.location.city", "Bergen"),
    ("coursedate.location.country", "SE"),
    ("passed_note", "Excellent performance "),
    ("is_participated", False),
    ("is_completed", False),
    ("is_passed", False),
    ("result_updated_at", "2024-02-16 10:00:01"),
    ("updated_at", "2024-02-16 10:00:01"),
    ("deleted_at", "2024-02-17 08:00:00"),
]

NO_EVIDENCE = [
    ("user.email", "new@example.com"),
    ("user.phone", "+47 87654321"),
    ("user.gender", None),
    ("user.nationality", "SE"),
    ("user.national_identification_number", "01019012345"),
    ("user.position", "Manager"),
    ("user.company_employee_number", "77"),
    ("user.created_at", "2023-01-10 10:30:01"),
    ("user.updated_at", "2025-01-01 00:00:00"),
    ("course.created_at", "2022-05-01 09:00:01"),
    ("course.updated_at", "2025-01-01 00:00:00"),
    ("coursedate.deadline_at", "2024-02-11 23:59:59"),
    ("coursedate.location.address", "Example Street 124"),
    ("coursedate.location.zipcode", "0151"),
    ("is_assessment_completed", False),
    ("is_diploma_printed", False),
    ("is_sent", False),
    ("created_at", "2024-02-15 16:30:01"),
    ("links.download", "https://api.frontcore.com/v2/public/x?token=other"),
    ("links.stream", None),
    ("links", []),
    ("a_new_field", "something"),
    ("user.a_new_field", "something"),
]


def changed(raw: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    raw = copy.deepcopy(raw)
    *folders, name = path.split(".")
    place = raw
    for folder in folders:
        place = place[folder]
    place[name] = value
    return raw


def revision(raw: dict[str, Any]) -> str:
    diploma = read_diploma(raw)
    assert isinstance(diploma, Diploma)
    return revision_of(diploma)


def test_the_documented_example_has_the_revision_computed_by_hand(example):
    """A stranger with the design and a SHA-256 tool gets the same revision."""
    assert revision(example) == hashlib.sha256(CANONICAL.encode("ascii")).hexdigest()[:16]


def test_other_letters_are_escaped_before_hashing(example):
    """The canonical JSON is ASCII, so that no program's idea of Unicode changes a revision."""
    example["user"]["lastname"] = "Bj\u00f8rn\ud800\U0001f393"
    canonical = CANONICAL.replace('"Doe"', r'"Bj\u00f8rn\ud800\ud83c\udf93"')
    assert revision(example) == hashlib.sha256(canonical.encode("ascii")).hexdigest()[:16]


def test_an_item_of_nothing_but_an_id_has_a_revision():
    """Missing evidence is null in the canonical JSON, never left out."""
    canonical = re.sub(r'":("[^"]*"|[^,}]*)', '":null', CANONICAL).replace('"diploma_id":null', '"diploma_id":7')
    assert revision({"id": 7}) == hashlib.sha256(canonical.encode("ascii")).hexdigest()[:16]


def test_exactly_the_evidence_fields_enter(example):
    """The evidence is the list of the design: no field more, no field less."""
    listed = {part.partition(":")[0].strip('"') for part in CANONICAL.strip("{}").split(',"')}
    diploma = read_diploma(example)
    assert isinstance(diploma, Diploma)
    assert set(evidence(diploma)) == listed
    assert len(EVIDENCE) == len(listed) == 25


@pytest.mark.parametrize(("path", "value"), EVIDENCE)
def test_each_evidence_field_makes_a_new_revision(example, path, value):
    """What a certificate attests cannot change unnoticed."""
    assert revision(changed(example, path, value)) != revision(example)


@pytest.mark.parametrize(("path", "value"), NO_EVIDENCE)
def test_other_fields_make_no_new_revision(example, path, value):
    """A new phone number, link or print mark does not archive a diploma twice."""
    assert revision(changed(example, path, value)) == revision(example)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", "12345"),
        ("participant_id", " 987654 "),
        ("user.id", "289252"),
        ("course.id", 44724.0),
        ("coursedate.id", "12654406"),
        ("coursedate.location.id", "5678"),
        *[(flag, value) for flag in ("is_participated", "is_completed", "is_passed") for value in (1, "1", "true")],
    ],
)
def test_another_spelling_of_a_value_is_no_new_revision(example, path, value):
    """PHP's strings for numbers and 1 for true never make a diploma look changed."""
    assert revision(changed(example, path, value)) == revision(example)


def test_all_spellings_of_false_are_one(example):
    """0, "0", "false" and false are one state."""
    revisions = {revision(changed(example, "is_passed", value)) for value in (False, 0, "0", "false", "FALSE")}
    assert len(revisions) == 1


@pytest.mark.parametrize("path", [path for path, _ in EVIDENCE if path != "id"])
def test_missing_is_null(example, path):
    """A field that is left out is the same state as one that is null."""
    without = copy.deepcopy(example)
    *folders, name = path.split(".")
    place = without
    for folder in folders:
        place = place[folder]
    del place[name]
    assert revision(without) == revision(changed(example, path, None))


@pytest.mark.parametrize("path", ["user", "course", "coursedate", "coursedate.location"])
def test_an_empty_object_is_a_missing_one(example, path):
    """`[]`, `{}` and null for an object are one state."""
    assert len({revision(changed(example, path, empty)) for empty in ([], {}, None)}) == 1


def test_empty_text_is_not_null(example):
    """Everything but ids and flags enters as it came: "" is another state than null."""
    assert revision(changed(example, "passed_note", "")) != revision(changed(example, "passed_note", None))
