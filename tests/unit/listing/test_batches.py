"""From participants to units: a person with several enrolments in a batch is asked for once."""

from __future__ import annotations

import pytest

from diploma_archive.frontcore.source import Question
from diploma_archive.listing.batches import MAX_SEEN, Batch, Reading
from diploma_archive.listing.enrolments import Enrolments
from diploma_archive.listing.unit_of_work import Unit
from diploma_archive.model.source_items import Participant, read_item

pytestmark = pytest.mark.anyio


def enrolments(pairs):
    """Return enrolments of (participant id, person id or None) pairs."""
    found = Enrolments()
    for participant_id, person_id in pairs:
        found.add(participant_id, person_id)
    return found


@pytest.mark.parametrize(
    ("participants", "units"),
    [
        ([], []),
        ([(1, 10)], [((1,), None)]),
        ([(1, None)], [((1,), None)]),
        ([(1, 10), (2, 20)], [((1,), None), ((2,), None)]),
        ([(1, 10), (2, 10)], [((1, 2), 10)]),
        ([(1, 10), (2, 20), (3, 10), (4, 10)], [((1, 3, 4), 10), ((2,), None)]),
        ([(1, None), (2, None)], [((1,), None), ((2,), None)]),
        ([(10, None), (1, 10), (2, 10)], [((10,), None), ((1, 2), 10)]),
        ([(10, 5), (5, None)], [((10,), None), ((5,), None)]),
        ([(1, 0), (2, 0)], [((1,), None), ((2,), None)]),
    ],
)
def test_enrolments_of_one_person_are_one_unit(participants, units):
    """Units come in the order of their first participant, and nobody without a person is lumped together."""
    assert [(unit.participants, unit.user_id) for unit in enrolments(participants).units()] == units


def test_an_enrolment_that_surely_has_no_certificate_need_not_show():
    """What costs a request of its own is only an enrolment that FrontCore may have a diploma for."""
    found = Enrolments()
    for participant_id, is_expected in ((1, True), (2, False), (3, True)):
        found.add(participant_id, 10, is_expected=is_expected)
    found.add(4, 11, is_expected=False)
    assert list(found.units()) == [Unit((1, 2, 3), 10, (1, 3)), Unit((4,))]


def test_no_participant_is_lost_in_grouping():
    """Every participant is in exactly one unit."""
    pairs = [(number, number % 7 or None) for number in range(1, 200)]
    covered = [participant for unit in enrolments(pairs).units() for participant in unit.participants]
    assert sorted(covered) == list(range(1, 200))


@pytest.mark.parametrize(
    ("unit", "question"),
    [
        (Unit((5,)), Question(participant_id=5)),
        (Unit((5, 6), user_id=7), Question(user_id=7)),
        (Unit(user_id=7), Question(user_id=7)),
    ],
)
def test_what_a_unit_asks(unit, question):
    """One enrolment is asked for by itself, several by their person."""
    assert unit.question() == question
    assert len(question.parameters()) == 1


def test_a_batch_is_labelled_by_ids():
    """The label names ids and nobody."""
    assert Batch((Unit((900_050,)), Unit((900_001, 900_002), user_id=3))).label() == "participants 900001 to 900050"
    assert Batch((Unit(user_id=9), Unit(user_id=4))).label() == "persons 4 to 9"


def test_a_batch_survives_being_written_down():
    """A batch that Prefect keeps as plain numbers is the same batch afterwards."""
    batch = Batch((Unit((5,)), Unit((6, 7), user_id=3, expected=(7,)), Unit(user_id=9)))
    assert Batch.from_ids(batch.to_ids()) == batch


def test_reading_keeps_the_newest_time():
    """The newest `updated_at` of all rows is kept, whatever their order and form; unreadable ones do not count."""
    reading = Reading()
    times = ["2026-03-01 12:00:00", "2026-03-01T11:30:00+00:00", "0000-00-00 00:00:00", None, "2026-02-01"]
    for number, updated_at in enumerate(times, start=1):
        reading.note(read_item(Participant, {"id": number, "updated_at": updated_at}), f"row {number}")
    assert reading.participants == 5
    assert str(reading.newest) == "2026-03-01 12:30:00"


def test_reading_remembers_the_rows_of_the_last_day():
    """What the overlap will show again is known by id and digest; older rows and rows without a time are not kept."""
    reading = Reading()
    for number, updated_at in enumerate(["2026-03-01 11:59:59", "2026-03-02 12:00:00", "2026-03-01 12:00:00", None], 1):
        reading.note(read_item(Participant, {"id": number, "updated_at": updated_at}), f"row {number}")
    assert reading.seen() == {2: "row 2", 3: "row 3"}


def test_too_many_rows_of_one_day_are_not_remembered():
    """The cursor stays small: where everything changed on one day, the next run lists it once more."""
    reading = Reading()
    for number in range(1, MAX_SEEN + 2):
        reading.note(read_item(Participant, {"id": number, "updated_at": "2026-03-01 12:00:00"}), "row")
    assert reading.seen() == {}
