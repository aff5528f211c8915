"""The made-up school."""

from __future__ import annotations

import pytest

from diploma_archive.sandbox import Sandbox


def test_the_school_has_what_was_asked_for():
    """Forty participants are 900001 to 900039 and the documented one, of 25 persons, with a diploma each."""
    sandbox = Sandbox(participants=40, persons=25)
    assert sorted(sandbox.participants) == [*range(900_001, 900_040), 987_654]
    assert {item["user"]["id"] for item in sandbox.participants.values()} == set(sandbox.persons)
    assert len(sandbox.persons) == 25
    assert sorted(diploma.participant_id for diploma in sandbox.diplomas.values()) == sorted(sandbox.participants)


def test_the_same_seed_gives_the_same_school():
    """Data depends on the arguments only, and on the seed."""
    one, same, other = Sandbox(seed=7), Sandbox(seed=7), Sandbox(seed=8)
    assert (one.participants, one.diplomas) == (same.participants, same.diplomas)
    assert one.diplomas != other.diplomas


def test_the_documented_example_is_always_there():
    """Diploma 12345 is John Doe's, with the values of the API pages."""
    diploma = Sandbox(participants=1, persons=1, seed=99).diplomas[12345]
    assert (diploma.participant_id, diploma.user["id"], diploma.user["lastname"]) == (987654, 289252, "Doe")
    assert (diploma.serial, diploma.random_certificate_number) == ("2024-SAFE-001", "ABC123456")
    assert diploma.course["id"] == 44724


def test_numbers_are_unique_and_nobody_is_real():
    """No serial or certificate number comes twice; mails go nowhere, national numbers are canaries."""
    sandbox = Sandbox(participants=3_000, persons=2_000)
    diplomas = sandbox.diplomas.values()
    assert len({diploma.serial for diploma in diplomas}) == 3_000
    assert len({diploma.random_certificate_number for diploma in diplomas}) == 3_000
    others = [person for user_id, person in sandbox.persons.items() if user_id != 289252]
    assert all(person["email"].endswith("@example.com") for person in others)
    assert all(person["national_identification_number"].startswith("CANARY-NIN-") for person in others)


def test_ids_step_around_the_documented_participant():
    """A school that reaches id 987654 does not use it twice."""
    assert len(Sandbox(participants=87_700, persons=1_000).participants) == 87_700


@pytest.mark.parametrize(("participants", "persons"), [(0, 0), (1, 0), (3, 4)])
def test_an_impossible_school_is_refused(participants, persons):
    """More persons than participants, or nobody, is an error at once."""
    with pytest.raises(ValueError, match="person"):
        Sandbox(participants=participants, persons=persons)


def test_added_diplomas_and_participants_fit_in():
    """What a test adds has new ids and numbers, and takes the attributes it is given."""
    sandbox = Sandbox()
    participant = sandbox.add_participant(289252, completed=False)
    diploma = sandbox.add_diploma(participant["id"], serial=None)
    assert (participant["id"], participant["completed"]) == (987_655, False)
    assert (diploma.user["lastname"], diploma.serial) == ("Doe", None)
    assert [found.id for found in sandbox.diplomas_of(None, 289252)] == [12345, diploma.id]
    assert sandbox.add_participant()["user"]["id"] in sandbox.persons


def test_a_reissue_changes_what_it_is_told():
    """A reissued diploma has new attributes and is found under its new person; unknown ones are refused."""
    sandbox = Sandbox()
    sandbox.reissue(12345, updated_at="2026-01-01 10:00:00", serial="NEW", user=sandbox.persons[700_001])
    diploma = sandbox.diplomas[12345]
    assert (diploma.updated_at, diploma.serial) == ("2026-01-01 10:00:00", "NEW")
    assert diploma in sandbox.diplomas_of(None, 700_001)
    assert sandbox.diplomas_of(None, 289252) == []
    with pytest.raises(ValueError, match="colour"):
        sandbox.reissue(12345, updated_at="x", colour="red")
    assert diploma.updated_at == "2026-01-01 10:00:00"
