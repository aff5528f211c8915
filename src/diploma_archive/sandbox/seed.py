"""Makes up persons, enrolments and diplomas; the rule: the same seed gives the same data, and nobody in it exists."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Item = dict[str, Any]

_OSLO = ZoneInfo("Europe/Oslo")
_FIRST_DAY = datetime(2023, 1, 9, 8, 0)  # noqa: DTZ001 - the API's own stamps carry no zone
_DAYS = 900
_COURSES = (
    ("Hot Work Certificate", "HOT-200"),
    ("First Aid at Work", "AID-110"),
    ("Forklift Operator T1-T4", "LIFT-310"),
    ("Working at Height", "HIGH-120"),
    ("Electrical Safety FSE", "FSE-400"),
    ("Crane Signalling and Slinging", "SLING-330"),
    ("Confined Space Entry", "SPACE-140"),
)
_PLACES = (("Fabelvik", "0001"), ("Kulissestad", "0002"), ("Papirnes", "0003"))
# fmt: off
_FIRST_NAMES = (
    "Askeladd", "Birk", "Celeste", "Dagny", "Eskil", "Frøya", "Grim", "Hedda", "Idun", "Jorunn", "Ketil", "Liv",
    "Måne", "Norna", "Odin", "Pernille", "Quentin", "Ragnhild", "Storm", "Tuva", "Ulrik", "Vilja", "Wera", "Ylva",
    "Ærlig", "Ørjan", "Åse",
)
_LAST_NAMES = (
    "Drømmesund", "Eventyrberg", "Fabelsen", "Kulisseth", "Luftslott", "Månestråle", "Nordlysvik", "Papirsen",
    "Regnbuedal", "Sagamo", "Skyfjell", "Tåkeheim", "Trollskog", "Utopnes", "Æventyr", "Øyblikk", "Åndemo",
)
# fmt: on
# No A, B or C: the documented example's number ABC123456 cannot come up a second time.
_LETTERS = "DEFGHJKLMNPRSTUVWXYZ"


def example_user() -> Item:
    """Return the documented person."""
    return {
        "id": 289252,
        "firstname": "John",
        "lastname": "Doe",
        "email": "john.doe@example.com",
        "phone": "+47 12345678",
        "date_of_birth": "1990-01-15",
        "gender": "Male",
        "nationality": "NO",
        "national_identification_number": None,
        "position": "Developer",
        "company_employee_number": None,
        "created_at": "2023-01-10 10:30:00",
        "updated_at": "2024-03-15 14:20:00",
    }


def _example_course() -> Item:
    return {
        "id": 44724,
        "title": "Safety Training Course",
        "reference": "SAFE-101",
        "created_at": "2022-05-01 09:00:00",
        "updated_at": "2024-01-20 11:00:00",
    }


def _example_coursedate() -> Item:
    return {
        "id": 12654406,
        "start_at": "2024-02-15 09:00:00",
        "end_at": "2024-02-15 16:00:00",
        "deadline_at": "2024-02-10 23:59:59",
        "location": {
            "id": 5678,
            "title": "Training Center Oslo",
            "address": "Example Street 123",
            "zipcode": "0150",
            "city": "Oslo",
            "country": "NO",
        },
    }


def example_participant() -> Item:
    """Return the documented enrolment."""
    return {
        "id": 987654,
        "archived_at": None,
        "certificate_issued_at": "2024-02-15",
        "completed": True,
        "course": _example_course(),
        "coursedate": _example_coursedate(),
        "created_at": "2024-02-01T09:00:00+01:00",
        "updated_at": "2024-02-16T10:00:00+01:00",
        "user": {"id": 289252},
    }


def example_diploma() -> Item:
    """Return the attributes of the documented diploma, without its person."""
    return {
        "id": 12345,
        "participant_id": 987654,
        "course": _example_course(),
        "coursedate": _example_coursedate(),
        "passed_note": "Excellent performance",
        "is_participated": True,
        "is_completed": True,
        "is_passed": True,
        "is_assessment_completed": True,
        "is_diploma_printed": True,
        "is_sent": True,
        "random_certificate_number": "ABC123456",
        "serial": "2024-SAFE-001",
        "result_updated_at": "2024-02-16 10:00:00",
        "created_at": "2024-02-15 16:30:00",
        "updated_at": "2024-02-16 10:00:00",
        "deleted_at": None,
    }


class Seeder:
    """Makes items one after another from one seeded generator."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - made-up data
        self._courses = [
            {
                "id": 44_800 + number,
                "title": title,
                "reference": reference,
                "created_at": "2022-05-01 09:00:00",
                "updated_at": "2024-01-20 11:00:00",
            }
            for number, (title, reference) in enumerate(_COURSES)
        ]
        self._coursedates = [self._coursedate(number) for number in range(_DAYS // 10 + 6)]

    def owners(self, persons: list[int], count: int) -> list[int]:
        """Return the person of each of `count` enrolments: everyone has one, some have more."""
        owners = persons[:count] + self._random.choices(persons, k=max(0, count - len(persons)))
        self._random.shuffle(owners)
        return owners

    def person(self, user_id: int) -> Item:
        """Return a made-up person; the national number is a canary that must never turn up anywhere."""
        firstname, lastname = self._random.choice(_FIRST_NAMES), self._random.choice(_LAST_NAMES)
        return {
            "id": user_id,
            "firstname": firstname,
            "lastname": lastname,
            "email": f"person{user_id}@example.com",
            "phone": f"+47 00{user_id:06d}",
            "date_of_birth": f"{self._random.randint(1960, 2003)}-{self._random.randint(1, 12):02d}-11",
            "gender": self._random.choice(("Female", "Male")),
            "nationality": "NO",
            "national_identification_number": f"CANARY-NIN-{user_id}",
            "position": None,
            "company_employee_number": None,
            "created_at": "2023-01-05 10:30:00",
            "updated_at": "2023-01-05 10:30:00",
        }

    def participant(self, participant_id: int, user_id: int, when: float) -> Item:
        """Return an enrolment; `when` from 0 to 1 is its place in the school's years."""
        created = _FIRST_DAY + timedelta(seconds=int(when * _DAYS * 86_400))
        # At least one whole course date lies between the enrolment and its course.
        course, coursedate, ended = self._coursedates[(created - _FIRST_DAY).days // 10 + 2]
        changed = ended + timedelta(hours=18, seconds=self._random.randrange(3_600))
        return {
            "id": participant_id,
            "archived_at": None,
            "certificate_issued_at": coursedate["end_at"][:10],
            "completed": self._random.random() > 0.1,
            "course": course,
            "coursedate": coursedate,
            "created_at": created.replace(tzinfo=_OSLO).isoformat(),
            "updated_at": changed.replace(tzinfo=_OSLO).isoformat(),
            "user": {"id": user_id},
        }

    def late_participant(self, participant_id: int, user_id: int) -> Item:
        """Return an enrolment that came after all the seeded ones."""
        stamp = "2026-01-05T09:00:00+01:00"
        return {**self.participant(participant_id, user_id, 1.0), "created_at": stamp, "updated_at": stamp}

    def diploma(self, diploma_id: int, participant: Item, user: object) -> Item:
        """Return the attributes of a diploma of this enrolment."""
        course, coursedate = participant["course"], participant["coursedate"]
        changed = participant["updated_at"][:19].replace("T", " ")
        # 7919 and a million have no common factor: a million ids give a million different numbers.
        digits = diploma_id * 7_919 % 1_000_000
        return {
            "id": diploma_id,
            "participant_id": participant["id"],
            "user": user,
            "course": course,
            "coursedate": coursedate,
            "passed_note": None,
            "is_participated": True,
            "is_completed": True,
            "is_passed": True,
            "is_assessment_completed": True,
            "is_diploma_printed": True,
            "is_sent": True,
            "random_certificate_number": "".join(self._random.choices(_LETTERS, k=3)) + f"{digits:06d}",
            "serial": f"{coursedate['end_at'][:4]}-{str(course['reference']).split('-')[0]}-{diploma_id}",
            "result_updated_at": changed,
            "created_at": coursedate["end_at"],
            "updated_at": changed,
            "deleted_at": None,
        }

    def _coursedate(self, number: int) -> tuple[Item, Item, datetime]:
        start = _FIRST_DAY + timedelta(days=10 * number, hours=1)
        end = start + timedelta(hours=7)
        city, zipcode = _PLACES[number % len(_PLACES)]
        location = {
            "id": 5_700 + number % len(_PLACES),
            "title": f"Training Center {city}",
            "address": f"Example Street {number + 1}",
            "zipcode": zipcode,
            "city": city,
            "country": "NO",
        }
        coursedate = {
            "id": 12_700_000 + number,
            "start_at": f"{start:%Y-%m-%d %H:%M:%S}",
            "end_at": f"{end:%Y-%m-%d %H:%M:%S}",
            "deadline_at": f"{start - timedelta(days=5):%Y-%m-%d} 23:59:59",
            "location": location,
        }
        return self._random.choice(self._courses), coursedate, end
