"""Whatever JSON FrontCore sends: read or refused in words, never a crash; and the same evidence is one revision."""

from __future__ import annotations

import json
import random
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diploma_archive.errors import ListingError
from diploma_archive.model.coercion import coerce_flag, coerce_id, coerce_text
from diploma_archive.model.json_document import from_json, to_json
from diploma_archive.model.revision import evidence, fingerprint, revision_of
from diploma_archive.model.source_items import (
    BadItem,
    Diploma,
    Participant,
    read_diploma,
    read_item,
    undocumented_fields,
)
from diploma_archive.model.source_time import read_filter_time, to_source_time

TEXT = st.text(st.characters(), max_size=12)  # lone surrogates too
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.just(10**4000) | st.just("9" * 5000)
FIELDS = st.sampled_from([*Diploma.model_fields, "random_certificate_number", "title", "city", "location", "download"])
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | TEXT, inner, max_size=6),
    max_leaves=20,
)

IDS = st.integers(1, 2**63 - 1)
FLAGS = st.none() | st.booleans()
WORDS = st.none() | TEXT


def objects(ids: tuple[str, ...], words: tuple[str, ...], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({**dict.fromkeys(ids, IDS | st.none()), **dict.fromkeys(words, WORDS), **more})


ITEMS = objects(
    ("participant_id",),
    ("random_certificate_number", "serial", "passed_note", "result_updated_at", "updated_at", "deleted_at"),
    id=IDS,
    is_participated=FLAGS,
    is_completed=FLAGS,
    is_passed=FLAGS,
    user=objects(("id",), ("firstname", "lastname", "date_of_birth", "email")),
    course=objects(("id",), ("title", "reference")),
    coursedate=objects(
        ("id",), ("start_at", "end_at"), location=objects(("id",), ("title", "city", "country", "address"))
    ),
)


def respelt(value: Any, chance: random.Random) -> Any:
    """The same value as PHP might write it, with its keys in another order."""
    if isinstance(value, dict):
        names = list(value)
        chance.shuffle(names)
        return {name: respelt(value[name], chance) for name in names}
    if isinstance(value, bool):
        return chance.choice([value, int(value), str(int(value)), str(value).lower()])
    if isinstance(value, int):
        return chance.choice([value, str(value)])
    return value


@settings(max_examples=200)
@given(ITEMS, st.randoms(use_true_random=False))
def test_a_revision_does_not_depend_on_spelling(item, chance):
    """Key order, ids as strings and flags as 0/1 never make a diploma look changed."""
    one, other = read_diploma(item), read_diploma(respelt(item, chance))
    assert isinstance(one, Diploma)
    assert isinstance(other, Diploma)
    assert revision_of(one) == revision_of(other)


@settings(max_examples=200)
@given(ITEMS, st.randoms(use_true_random=False))
def test_the_order_of_evidence_does_not_matter(item, chance):
    """The canonical JSON sorts by itself."""
    diploma = read_diploma(item)
    assert isinstance(diploma, Diploma)
    shuffled = list(evidence(diploma).items())
    chance.shuffle(shuffled)
    assert fingerprint(dict(shuffled)) == revision_of(diploma)


@settings(max_examples=200)
@given(ITEMS, ITEMS)
def test_other_evidence_is_another_revision(one, other):
    """Two states share a revision exactly if all their evidence is the same."""
    first, second = read_diploma(one), read_diploma(other)
    assert isinstance(first, Diploma)
    assert isinstance(second, Diploma)
    assert (revision_of(first) == revision_of(second)) is (evidence(first) == evidence(second))


@settings(max_examples=300)
@given(JSON)
@pytest.mark.parametrize(("coerce", "kind"), [(coerce_id, int), (coerce_flag, bool), (coerce_text, str)])
def test_a_value_is_coerced_or_refused(coerce, kind, value):
    """A value becomes what it should be, null, or a ValueError; nothing else ever happens."""
    try:
        result = coerce(value)
    except ValueError as error:
        assert len(str(error)) < 100
    else:
        assert result is None or type(result) is kind


@settings(max_examples=300)
@given(JSON)
def test_any_item_is_a_diploma_or_a_bad_item(raw):
    """One odd item never costs its neighbours their archiving."""
    item = read_diploma(raw)
    assert isinstance(item, (Diploma, BadItem))
    if isinstance(item, Diploma):
        assert len(revision_of(item)) == 16
    list(undocumented_fields(raw))


@settings(max_examples=300)
@given(ITEMS, st.sampled_from(["user", "course", "coursedate", "links", "serial", "is_passed", "id"]), JSON)
def test_a_good_item_with_one_odd_field_does_not_crash(item, field, value):
    """Whatever stands in one field, the item is read or refused."""
    assert isinstance(read_diploma({**item, field: value}), (Diploma, BadItem))


@settings(max_examples=300)
@given(JSON, JSON)
def test_any_participant_is_read_or_refused(raw, user):
    """A row of the participants is read, or refused in words."""
    for row in (raw, {"id": 1, "user": user}, {"id": 1, "user_id": user}):
        try:
            assert read_item(Participant, row).id > 0
        except ListingError as error:
            assert error.diagnostics()


DOCUMENTS = st.dictionaries(
    TEXT,
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=10,
    ),
    max_size=5,
)


@settings(max_examples=200)
@given(DOCUMENTS)
def test_documents_round_trip(document):
    """Every text survives the bucket, lone surrogates too, and the bytes are ASCII."""
    body = to_json(document)
    assert body.isascii()
    # JSON joins two surrogate halves that stand side by side: compare what any JSON reader would see.
    assert from_json(body, "a record") == json.loads(json.dumps(document))
    assert to_json(from_json(body, "a record")) == to_json(json.loads(json.dumps(document)))


FROM_YEAR_1000 = datetime(1000, 1, 1)  # noqa: DTZ001  hypothesis wants it naive
TIMES = (
    st.datetimes(min_value=FROM_YEAR_1000).map(str)
    | st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
    | TEXT
)


@settings(max_examples=200)
@given(TIMES)
def test_times_are_naive_or_none(raw):
    """A time from the source is naive Oslo time in whole seconds or nothing; it never fails."""
    moment = to_source_time(raw)
    assert moment is None or (moment.tzinfo is None and moment.microsecond == 0)
    given_back = read_filter_time(raw)
    assert given_back is None or read_filter_time(given_back) == given_back
