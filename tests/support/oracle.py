"""What the bucket must hold, computed a second time from DESIGN.md section 5 alone.

Rule: nothing of the program is imported here; what it and this module agree on was written down twice.
"""

from __future__ import annotations

import hashlib
import json
import string
import unicodedata
from collections.abc import Mapping
from typing import Any

# name in the design -> place in an item of /v2/diplomas (FRONTCORE.md), and how its value is coerced
EVIDENCE = {
    "diploma_id": ("id", "id"),
    "participant_id": ("participant_id", "id"),
    "certificate_number": ("random_certificate_number", "text"),
    "serial": ("serial", "text"),
    "user_id": ("user.id", "id"),
    "user_firstname": ("user.firstname", "text"),
    "user_lastname": ("user.lastname", "text"),
    "user_date_of_birth": ("user.date_of_birth", "text"),
    "course_id": ("course.id", "id"),
    "course_title": ("course.title", "text"),
    "course_reference": ("course.reference", "text"),
    "coursedate_id": ("coursedate.id", "id"),
    "coursedate_start_at": ("coursedate.start_at", "text"),
    "coursedate_end_at": ("coursedate.end_at", "text"),
    "location_id": ("coursedate.location.id", "id"),
    "location_title": ("coursedate.location.title", "text"),
    "location_city": ("coursedate.location.city", "text"),
    "location_country": ("coursedate.location.country", "text"),
    "passed_note": ("passed_note", "text"),
    "is_participated": ("is_participated", "flag"),
    "is_completed": ("is_completed", "flag"),
    "is_passed": ("is_passed", "flag"),
    "result_updated_at": ("result_updated_at", "text"),
    "updated_at": ("updated_at", "text"),
    "deleted_at": ("deleted_at", "text"),
}

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def at(item: Any, path: str) -> Any:
    """Return what stands at a dotted place of an item, None where there is nothing (or PHP's `[]` on the way)."""
    for name in path.split("."):
        item = item.get(name) if isinstance(item, Mapping) else None
    return item


def coerced(value: Any, kind: str) -> Any:
    """Return ids as integers, flags as booleans, everything else as it came."""
    if kind == "text" or value is None:
        return value
    written = str(value).strip().lower()
    if not written:
        return None
    return int(float(written)) if kind == "id" and "." in written else int(written) if kind == "id" else _FLAGS[written]


def revision(item: Mapping[str, Any]) -> str:
    """Return the revision of an item as the API sends it."""
    fields = {name: coerced(at(item, path), kind) for name, (path, kind) in EVIDENCE.items()}
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:16]


def segment(letter: str, text: str | None, otherwise: str) -> str:
    """Return the key segment of a serial or certificate number, or what stands there when it is blank."""
    if text is None or not text.strip():
        return otherwise
    raw = unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")
    escaped = ""
    for position, byte in enumerate(raw):
        char = chr(byte)
        kept = char in string.ascii_letters + string.digits + "-" or (char == "." and position > 0)
        escaped += char if kept else f"_{byte:02X}"
    if len(escaped) > 120:
        escaped = escaped[:86] + "_h" + hashlib.sha256(raw).hexdigest()[:32]
    return f"{letter}-{escaped}"


def certificate_of(item: Mapping[str, Any]) -> str:
    """Return the certificate segment of an item."""
    return segment("c", item["random_certificate_number"], f"d-{item['id']}")


def serial_of(item: Mapping[str, Any]) -> str:
    """Return the serial segment of an item."""
    return segment("s", item["serial"], "no-serial")


def versioned(name: str, generation: int) -> str:
    """Return the name of a generation of a revision."""
    return name if generation == 1 else f"{name}.{generation}"
