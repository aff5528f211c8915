"""Fingerprints against a second computation from DESIGN.md section 5.

Rule: the name of a revision says what a certificate attests, the same for everybody who has the design.
"""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from diploma_archive.model.revision import revision_of
from diploma_archive.model.source_items import Diploma, read_diploma
from tests.support import oracle

TEXT = st.none() | st.text(st.characters(), max_size=12)  # lone surrogates too
ID = st.none() | st.integers(1, 2**63 - 1)
FLAG = st.none() | st.booleans()
KINDS = {"id": ID, "text": TEXT, "flag": FLAG}
KIND_AT = dict(oracle.EVIDENCE.values())

# Everything else that FRONTCORE.md describes: it must never make a new revision.
OTHER_TEXTS = (
    *[f"user.{name}" for name in ("email", "phone", "gender", "nationality", "national_identification_number")],
    *[f"user.{name}" for name in ("position", "company_employee_number", "created_at", "updated_at")],
    *["course.created_at", "course.updated_at", "coursedate.deadline_at"],
    *["coursedate.location.address", "coursedate.location.zipcode", "created_at", "links.download", "links.stream"],
)
OTHER_FLAGS = ("is_assessment_completed", "is_diploma_printed", "is_sent")


def put(item: dict[str, Any], path: str, value: Any) -> None:
    *folders, name = path.split(".")
    for folder in folders:
        item = item.setdefault(folder, {})
    item[name] = value


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    """An item of /v2/diplomas in which every evidence field has any value of its kind, or is missing."""
    item: dict[str, Any] = {}
    for path, kind in oracle.EVIDENCE.values():
        if path == "id":
            put(item, path, draw(st.integers(1, 2**63 - 1)))
        elif draw(st.integers(0, 7)):
            put(item, path, draw(KINDS[kind]))
    return item


def revision(item: Any) -> str:
    diploma = read_diploma(item)
    assert isinstance(diploma, Diploma)
    return revision_of(diploma)


def respelt(item: dict[str, Any], chance: random.Random, folder: str = "") -> dict[str, Any]:
    """The same item as PHP may write it: its values in another spelling, null left out, nothing as `[]`."""
    odd: dict[str, Any] = {}
    for name, value in item.items():
        if isinstance(value, dict):
            odd[name] = respelt(value, chance, f"{folder}{name}.") or chance.choice([[], {}, None])
        elif value is not None or chance.random() < 0.5:
            odd[name] = respelt_value(value, KIND_AT[f"{folder}{name}"], chance)
    return odd


def respelt_value(value: Any, kind: str, chance: random.Random) -> Any:
    if kind == "text":
        return value
    if value is None:
        return chance.choice([None, "", " "])
    if kind == "flag":
        return chance.choice([value, int(value), str(int(value)), str(value).lower(), str(value)])
    return chance.choice([value, str(value), f" {value} ", *([float(value)] if value < 2**53 else [])])


@settings(max_examples=200)
@given(items())
def test_a_revision_is_what_the_design_says(item):
    """Whoever computes it from the design and the item gets the same 16 digits."""
    assert revision(item) == oracle.revision(item)


@settings(max_examples=200)
@given(items(), st.randoms(use_true_random=False))
def test_phps_spelling_makes_no_revision(item, chance):
    """Strings for numbers, 0 and 1 for flags, [] for an empty object and missing for null are the same state."""
    odd = respelt(item, chance)
    assert revision(odd) == revision(item) == oracle.revision(item)


@settings(max_examples=200)
@given(items(), st.data())
def test_contact_data_links_and_tokens_make_no_revision(item, data):
    """A new phone number, link or token, or a field that nobody knows, archives nothing twice."""
    before = revision(item)
    for path in data.draw(st.lists(st.sampled_from(OTHER_TEXTS), min_size=1, unique=True)):
        put(item, path, data.draw(st.text(max_size=8)))
    for path in data.draw(st.lists(st.sampled_from(OTHER_FLAGS), unique=True)):
        put(item, path, data.draw(FLAG))
    for path in data.draw(st.lists(st.sampled_from(["new", "user.new", "course.new", "coursedate.location.new"]))):
        put(item, path, data.draw(TEXT | ID))
    assert revision(item) == before


@settings(max_examples=200)
@given(items(), st.data())
def test_every_change_of_evidence_makes_a_revision(item, data):
    """What a certificate attests cannot change unnoticed: each field by itself names another revision."""
    path, kind = data.draw(st.sampled_from(list(oracle.EVIDENCE.values())))
    before, other = revision(item), data.draw(KINDS[kind] if path != "id" else st.integers(1, 2**63 - 1))
    changed = oracle.coerced(oracle.at(item, path), kind) != other
    put(item, path, other)
    assert (revision(item) != before) is changed
