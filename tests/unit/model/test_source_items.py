"""What FrontCore sends, made safe: the oddities of FRONTCORE.md."""

from __future__ import annotations

import pytest

from diploma_archive.errors import ListingError
from diploma_archive.model.coercion import coerce_flag, coerce_id, coerce_text
from diploma_archive.model.source_items import (
    OMITTABLE_FIELDS,
    BadItem,
    Diploma,
    Participant,
    read_diploma,
    read_item,
    undocumented_fields,
)

CANARY = "canary-Kari-Nordmann"


def diploma(raw: object) -> Diploma:
    item = read_diploma(raw)
    assert isinstance(item, Diploma), item
    return item


def bad(raw: object) -> BadItem:
    item = read_diploma(raw)
    assert isinstance(item, BadItem), item
    return item


def test_the_documented_example_is_read_in_full(example):
    """Every documented field arrives under its own name."""
    item = diploma(example)
    assert (item.id, item.participant_id) == (12345, 987654)
    assert item.user.model_dump() == example["user"]
    assert item.course.model_dump() == example["course"]
    assert item.coursedate.model_dump() == example["coursedate"]
    assert (item.certificate_number, item.serial) == ("ABC123456", "2024-SAFE-001")
    assert (item.is_participated, item.is_sent, item.deleted_at) == (True, True, None)
    assert item.links.download is not None
    assert item.links.download.get_secret_value() == example["links"]["download"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (2996, 2996),
        ("2996", 2996),
        (" 2996\n", 2996),
        ("007", 7),
        (2996.0, 2996),
        (0, 0),
        (2**63 - 1, 2**63 - 1),
        (str(2**63 - 1), 2**63 - 1),
        (None, None),
        ("", None),
        ("  ", None),
    ],
)
def test_ids_are_whole_numbers(raw, expected):
    """Ids come as numbers or as strings, and are one thing."""
    value = coerce_id(raw)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    "raw",
    [
        True,
        False,
        -1,
        "-1",
        "+1",
        1.5,
        "1.5",
        "1e3",
        float("nan"),
        float("inf"),
        1e300,
        2**63,
        str(2**63),
        pytest.param(10**5000, id="huge"),
        pytest.param("9" * 5000, id="huge text"),
        "0x10",
        "1_000",
        "\u0661\u0662",
        "\u00b2",
        "12 34",
        CANARY,
        [],
        {},
        [1],
        {"id": 1},
    ],
)
def test_what_is_no_id_is_refused(raw):
    """A flag, a fraction, a negative or a huge number is no id, and the refusal does not quote it."""
    with pytest.raises(ValueError, match=r"^is not a whole number$"):
        coerce_id(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        *[(value, True) for value in (True, 1, "1", "true", "True", " TRUE ")],
        *[(value, False) for value in (False, 0, "0", "false", "False", " FALSE ")],
        (None, None),
        ("", None),
    ],
)
def test_flags_have_many_spellings(raw, expected):
    """PHP's ways to write true and false are all read; null stays null."""
    assert coerce_flag(raw) is expected


@pytest.mark.parametrize(
    "raw", [2, -1, "2", "yes", "on", "10", pytest.param(10**5000, id="huge"), [], {}, [True], CANARY]
)
def test_what_is_no_flag_is_refused(raw):
    """A guess about `passed` would falsify evidence."""
    with pytest.raises(ValueError, match=r"."):
        coerce_flag(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("x", "x"),
        ("", ""),
        (" x ", " x "),
        (5, "5"),
        (0, "0"),
        (150, "150"),
        (1.5, "1.5"),
        (None, None),
        ("\ud800",) * 2,
    ],
)
def test_text_is_kept_as_it_came(raw, expected):
    """Text is never trimmed, and numbers (a zip code, a serial) become their digits."""
    assert coerce_text(raw) == expected


@pytest.mark.parametrize("raw", [True, False, [], {}, ["x"]])
def test_what_is_no_text_is_refused(raw):
    """A list where a text should be is refused, not written down as "[]"."""
    with pytest.raises(ValueError, match=r"^is not text$"):
        coerce_text(raw)


@pytest.mark.parametrize("empty", [[], {}, None])
@pytest.mark.parametrize("field", ["user", "course", "coursedate", "links"])
def test_php_writes_an_empty_object_as_a_list(example, field, empty):
    """`[]` and null for an object are an empty object, and the diploma is good."""
    example[field] = empty
    item = diploma(example)
    assert set(getattr(item, field).model_dump(exclude={"location"}).values()) == {None}


@pytest.mark.parametrize("empty", [[], {}, None])
def test_a_location_may_be_an_empty_list(example, empty):
    """The innermost object can be `[]` too."""
    example["coursedate"]["location"] = empty
    assert diploma(example).coursedate.location.city is None


@pytest.mark.parametrize("wrong", ["text", 5, True, [1], [{}]])
@pytest.mark.parametrize("field", ["user", "course", "coursedate", "coursedate.location", "links"])
def test_what_is_no_object_is_refused_by_name(example, field, wrong):
    """A full list or a text where an object should be is refused, and the field is named."""
    place = example["coursedate"] if "." in field else example
    place[field.rpartition(".")[2]] = wrong
    assert f"{field} is not an object" in bad(example).reason


def test_only_the_id_is_required():
    """A diploma of which nothing but the id is known can still be archived."""
    item = diploma({"id": "7"})
    assert (item.id, item.participant_id, item.certificate_number, item.serial, item.is_passed) == (
        7,
        None,
        None,
        None,
        None,
    )


@pytest.mark.parametrize("missing", [{}, {"id": None}, {"id": ""}, {"id": 0}])
def test_a_diploma_without_an_id_is_refused(missing):
    """Without an id nobody could say which diploma this is."""
    item = bad({**missing, "participant_id": "987654"})
    assert "id is missing" in item.reason
    assert not item.diploma_id
    assert item.participant_id == 987654


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", CANARY),
        ("participant_id", CANARY),
        ("is_passed", CANARY),
        ("passed_note", [CANARY]),
        ("user.id", CANARY),
        ("user.firstname", [CANARY]),
        ("user.national_identification_number", {"nin": CANARY}),
        ("coursedate.location.city", [CANARY]),
        ("links.download", [CANARY]),
        ("user", CANARY),
    ],
)
def test_a_refusal_names_the_field_and_never_the_value(example, path, value):
    """An error text says where to look, and shows nobody's data."""
    *folders, name = path.split(".")
    place = example
    for folder in folders:
        place = place[folder]
    place[name] = value
    item = bad(example)
    assert path in item.reason
    assert CANARY not in repr(item)
    for secret in ("John", "Doe", "eyJ0eXAi", "john.doe@example.com"):
        assert secret not in repr(item)


def test_a_bad_item_keeps_its_ids(example):
    """What is known of an unreadable diploma stands in the report."""
    example["is_passed"] = "maybe"
    item = bad(example)
    assert (item.diploma_id, item.participant_id) == (12345, 987654)
    example["id"], example["participant_id"] = "12345", "not a number"
    item = bad(example)
    assert (item.diploma_id, item.participant_id) == (12345, None)


@pytest.mark.parametrize("raw", [None, True, 5, "text", [], [1, 2], 1.5])
def test_an_item_that_is_no_object_is_a_bad_item(raw):
    """Rubbish in the list is one failed item, never a crash."""
    assert bad(raw) == BadItem(None, None, "an item in FrontCore's list is not an object.")


def test_many_problems_are_one_short_sentence(example):
    """A thoroughly broken item does not fill the report."""
    for name in ("is_participated", "is_completed", "is_passed", "is_sent", "passed_note", "serial"):
        example[name] = ["x"]
    assert len(bad(example).reason) < 250


@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_no_name_and_no_token_is_shown(example, show):
    """Whoever logs a model by accident logs no person and no credential."""
    item = diploma(example)
    for shown in (
        item,
        item.user,
        item.links,
        item.course,
        item.coursedate,
        item.coursedate.location,
        [item],
        {1: item},
    ):
        for secret in ("John", "Doe", "eyJ0eXAi", "1990-01-15", "+47", "Oslo", "289252", "ABC123456"):
            assert secret not in show(shown)


def test_a_link_is_hidden_in_a_dump(example):
    """Dumping a diploma does not give its token away."""
    assert "eyJ0eXAi" not in repr(diploma(example).model_dump())


def test_a_diploma_cannot_be_changed(example):
    """What was listed stays what was listed."""
    with pytest.raises(Exception, match="frozen"):
        diploma(example).serial = "x"  # type: ignore[misc]


@pytest.mark.parametrize(("deleted_at", "withdrawn"), [(None, False), ("", False), (" ", False), ("2024-05-01", True)])
def test_withdrawn_is_a_deleted_at(deleted_at, withdrawn):
    """A diploma is withdrawn exactly if the source says when."""
    assert diploma({"id": 1, "deleted_at": deleted_at}).is_withdrawn is withdrawn


@pytest.mark.parametrize(
    ("raw", "person"),
    [
        ({"id": 1, "user": {"id": "5"}}, 5),
        ({"id": 1, "user_id": "5"}, 5),
        ({"id": 1, "user": {"id": 5}, "user_id": 6}, 5),
        ({"id": 1, "user": [], "user_id": 5}, 5),
        ({"id": 1, "user": None, "user_id": 5}, 5),
        ({"id": 1, "user": {"id": None}, "user_id": 5}, 5),
        ({"id": 1}, None),
        ({"id": 1, "user": [], "user_id": ""}, None),
    ],
)
def test_the_person_of_a_participant(raw, person):
    """The person is found as `user.id` or as `user_id`, and a participant without one is read all the same."""
    assert read_item(Participant, raw).person_id == person


def test_a_bad_participant_is_refused_by_name():
    """A participant whose id cannot be read is named by field, not by value."""
    with pytest.raises(ListingError) as caught:
        read_item(Participant, {"id": CANARY, "user": {"id": CANARY}})
    assert "id is not a whole number" in caught.value.what
    assert CANARY not in caught.value.diagnostics()


def test_documented_fields_are_not_called_undocumented(example):
    """The documented example is documented in full."""
    assert list(undocumented_fields(example)) == []


def test_undocumented_fields_are_named_with_their_place(example):
    """New fields at the source are noticed by name, at every depth, without their values."""
    example["score"] = CANARY
    example["user"]["nickname"] = CANARY
    example["coursedate"]["room"] = {"x": CANARY}
    example["coursedate"]["location"]["floor"] = 3
    example["certificate_number"] = CANARY  # our word, not the source's
    assert sorted(undocumented_fields(example)) == [
        "certificate_number",
        "coursedate.location.floor",
        "coursedate.room",
        "score",
        "user.nickname",
    ]


@pytest.mark.parametrize("raw", [None, [], "x", {"user": [], "coursedate": {"location": "x"}}])
def test_nothing_is_undocumented_in_nothing(raw):
    """Odd values do not break the search for new fields."""
    assert list(undocumented_fields(raw)) == []


def test_what_says_which_diploma_this_is_cannot_be_left_out():
    """Ids and numbers that name a diploma are no omittable fields."""
    assert not OMITTABLE_FIELDS & {
        "id",
        "diploma_id",
        "participant_id",
        "serial",
        "certificate_number",
        "revision",
        "file",
    }
    assert {"user", "user.email", "coursedate.location.address", "passed_note"} <= OMITTABLE_FIELDS
