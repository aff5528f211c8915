"""One state of a diploma as evidence, named by its fingerprint (DESIGN.md section 5).

Rule: only what a certificate attests enters; never links, tokens, contact data or `user.updated_at`,
so that a new phone number makes no new revision.
"""

from __future__ import annotations

import hashlib
import json

from diploma_archive.model.keys import certificate_segment, unidentified_segment
from diploma_archive.model.source_items import Diploma, UnidentifiedDiploma

Evidence = dict[str, int | bool | str | None]


def evidence(diploma: Diploma) -> Evidence:
    """Return the evidence fields of a diploma: coerced values, missing as null."""
    user, course, date = diploma.user, diploma.course, diploma.coursedate
    return {
        "diploma_id": diploma.id,
        "participant_id": diploma.participant_id,
        "certificate_number": diploma.certificate_number,
        "serial": diploma.serial,
        "user_id": user.id,
        "user_firstname": user.firstname,
        "user_lastname": user.lastname,
        "user_date_of_birth": user.date_of_birth,
        "course_id": course.id,
        "course_title": course.title,
        "course_reference": course.reference,
        "coursedate_id": date.id,
        "coursedate_start_at": date.start_at,
        "coursedate_end_at": date.end_at,
        "location_id": date.location.id,
        "location_title": date.location.title,
        "location_city": date.location.city,
        "location_country": date.location.country,
        "passed_note": diploma.passed_note,
        "is_participated": diploma.is_participated,
        "is_completed": diploma.is_completed,
        "is_passed": diploma.is_passed,
        "result_updated_at": diploma.result_updated_at,
        "updated_at": diploma.updated_at,
        "deleted_at": diploma.deleted_at,
    }


def fingerprint(fields: Evidence) -> str:
    """Return the name of a revision: the first 16 hex digits of SHA-256 over the canonical JSON."""
    return _sha256(fields)[:16]


def revision_of(diploma: Diploma) -> str:
    """Return the revision that a diploma is in now."""
    return fingerprint(_as_it_came(diploma))


def quarantine_segment(diploma: Diploma) -> str:
    """Return the folder of a diploma's bytes in quarantine: its certificate number's, where that is one.

    A row without an id gives the same name each night, and another row another one.
    """
    if isinstance(diploma, UnidentifiedDiploma):
        return unidentified_segment(_sha256(_as_it_came(diploma)))
    return certificate_segment(None, diploma.id) if diploma.odd_numbers else diploma.places[0].certificate


def _as_it_came(diploma: Diploma) -> Evidence:
    fields = evidence(diploma)
    return {**fields, "diploma_id": diploma.id_as_it_came} if isinstance(diploma, UnidentifiedDiploma) else fields


def _sha256(fields: Evidence) -> str:
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
