"""An archive of a whole school, written straight into the folder that rclone serves: fifty thousand in a minute."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from diploma_archive.archive.identity import new_identity
from diploma_archive.model.json_document import to_json
from diploma_archive.model.keys import IDENTITY_KEY, IndexName, Place, certificate_segment, serial_segment
from diploma_archive.model.record import ArchivedFile, Provenance, build_record, index_entry
from diploma_archive.model.revision import revision_of
from diploma_archive.model.source_items import Diploma, read_diploma
from diploma_archive.sandbox import Sandbox
from diploma_archive.store.store import PDF_TYPE

NOW = datetime(2026, 3, 1, 2, 15, tzinfo=UTC)
OMITTED = ("user.national_identification_number",)


def seed(folder: Path, participants: int, persons: int) -> None:
    """Archive the school that `benchmarks.source` serves for the same numbers, with PDFs of a few bytes."""
    identity = new_identity(account="default", prefix="", base_url="http://127.0.0.1", created_at=NOW)
    (folder / IDENTITY_KEY).write_bytes(to_json(identity))
    for listed in Sandbox(participants, persons, requests_per_second=None).diplomas.values():
        diploma = read_diploma(listed.item())
        if not isinstance(diploma, Diploma):
            raise TypeError("the sandbox lists diplomas that can be read")
        _write(folder, diploma)


def _write(folder: Path, diploma: Diploma) -> None:
    for key, body in objects_of(diploma, f"%PDF- {diploma.id}".encode()).items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def objects_of(diploma: Diploma, pdf: bytes) -> dict[str, bytes]:
    """Return what the archive has of a diploma, by key: PDF, record and index entry, in the order of writing."""
    place = Place(serial_segment(diploma.serial), certificate_segment(diploma.certificate_number, diploma.id))
    revision, sha256 = revision_of(diploma), hashlib.sha256(pdf).hexdigest()
    file = ArchivedFile(place.pdf_key(sha256), sha256, len(pdf), PDF_TYPE, 1)
    record = build_record(
        diploma,
        revision=revision,
        generation=1,
        file=file,
        supersedes=None,
        conflict=(),
        provenance=Provenance("http://127.0.0.1", NOW, "seeded"),
        archived_at=NOW,
        omit_fields=OMITTED,
    )
    return {
        file.key: pdf,
        place.record_key(revision): to_json(record),
        IndexName(diploma.id, revision).key(place.certificate): to_json(index_entry(record, place)),
    }
