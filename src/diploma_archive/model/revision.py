"""One state of a diploma as evidence, named by its fingerprint (DESIGN.md section 5).

Rule: only what a certificate attests enters; never links, tokens, contact data or `user.updated_at`,
so that a new phone number makes no new revision.
"""

from __future__ import annotations

import hashlib
import json

from diploma_archive.model.source_items import Diploma

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
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:16]


def revision_of(diploma: Diploma) -> str:
    """Return the revision that a diploma is in now."""
    return fingerprint(evidence(diploma))
