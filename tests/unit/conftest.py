"""The documented diploma of FRONTCORE.md, and what every unit test needs."""

from __future__ import annotations

import copy
from typing import Any

import pytest

EXAMPLE = {
    "id": 12345,
    "participant_id": 987654,
    "user": {
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
    },
    "course": {
        "id": 44724,
        "title": "Safety Training Course",
        "reference": "SAFE-101",
        "created_at": "2022-05-01 09:00:00",
        "updated_at": "2024-01-20 11:00:00",
    },
    "coursedate": {
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
    },
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
    "links": {
        "download": "https://api.frontcore.com/v2/public/course-users/289252/diplomas/12345/download?token=eyJ0eXAi",
        "stream": "https://api.frontcore.com/v2/course-users/289252/diplomas/12345/download?stream=true",
    },
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def example() -> dict[str, Any]:
    """The documented item; each test gets its own copy to change."""
    return copy.deepcopy(EXAMPLE)
