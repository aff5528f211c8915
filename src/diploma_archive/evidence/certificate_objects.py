"""One certificate with all that lies under it: what is checked at a time.

Rule: whatever names a certificate (its folders, its index entries, its quarantine, what reports claim) is judged
together, so that one damage is one finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from diploma_archive.archive.certificate_folders import Folder, grouped
from diploma_archive.model.keys import CERTIFICATES, DIPLOMAS, QUARANTINE, read_index_name
from diploma_archive.store.objects import Listed
from diploma_archive.store.reader import Reader

_DEPTHS = {DIPLOMAS: (4, 2), CERTIFICATES: (3, 1), QUARANTINE: (3, 1)}  # folder: parts of a key, which is the segment
_QUARANTINED = re.compile(r"[0-9a-f]{64}\.(bin|json)")


@dataclass(frozen=True)
class Claim:
    """What run reports say of a record: the hash of its bytes and that of its PDF, where they say them.

    Or of a note in quarantine, which lies beside the bytes that its name says.
    """

    record: str
    record_sha256: str = ""
    file_sha256: str = ""
    diploma_id: int = 0
    report: str = ""
    is_erased: bool = False  # a receipt says so


@dataclass
class CertificateObjects:
    """What lies under one certificate segment, and what reports claim of it; everything by key."""

    certificate: str
    folders: list[Folder] = field(default_factory=list)
    index: dict[str, Listed] = field(default_factory=dict)
    quarantine: dict[str, Listed] = field(default_factory=dict)
    strangers: dict[str, Listed] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)  # about records
    notes_claimed: list[Claim] = field(default_factory=list)  # about notes in quarantine

    @classmethod
    def of(cls, certificate: str, rows: Iterable[Listed], claims: Iterable[Claim]) -> CertificateObjects:
        """Sort the rows of one certificate, which come in the order of their keys."""
        unit = cls(certificate)
        for claim in claims:
            (unit.notes_claimed if claim.record.startswith(QUARANTINE) else unit.claims).append(claim)
        below_diplomas: list[Listed] = []
        for row in rows:
            if row.key.startswith(DIPLOMAS):
                below_diplomas.append(row)
            elif row.key.startswith(CERTIFICATES) and read_index_name(row.key):
                unit.index[row.key] = row
            elif row.key.startswith(QUARANTINE) and _QUARANTINED.fullmatch(row.key.rpartition("/")[2]):
                unit.quarantine[row.key] = row
            else:
                unit.strangers[row.key] = row
        unit.folders = list(grouped(below_diplomas))
        for folder in unit.folders:
            unit.strangers.update(folder.strangers)
        return unit

    @property
    def records(self) -> dict[str, Listed]:
        """Return the records of all folders."""
        return {key: row for folder in self.folders for key, row in folder.records.items()}

    @property
    def files(self) -> dict[str, Listed]:
        """Return the PDFs of all folders."""
        return {key: row for folder in self.folders for key, row in folder.files.items()}

    @property
    def rows(self) -> list[Listed]:
        """Return every object of this certificate."""
        below = [*self.records.values(), *self.files.values(), *self.index.values()]
        return [*below, *self.quarantine.values(), *self.strangers.values()]

    @property
    def places(self) -> set[str]:
        """Return the folders below `diplomas/` that objects or claims speak of."""
        keys = [row.key for row in self.rows] + [claim.record for claim in self.claims]
        return {f"{key.rpartition('/')[0]}/" for key in keys if key.startswith(DIPLOMAS)}


def segment_of(key: str) -> str | None:
    """Return the certificate segment that a key belongs to, or None where it belongs to none."""
    parts = key.split("/")
    count, at = _DEPTHS.get(f"{parts[0]}/", (0, 0))
    return parts[at] if len(parts) == count else None


def listed_again(reader: Reader, unit: CertificateObjects) -> CertificateObjects:
    """Return a unit as its folders are now, with the same claims.

    Raises:
        StoreError: S3 refused or failed.
    """
    below = [*sorted(unit.places), *(f"{folder}{unit.certificate}/" for folder in (CERTIFICATES, QUARANTINE))]
    rows = (row for folder in below for row in reader.list(folder) if segment_of(row.key) == unit.certificate)
    return CertificateObjects.of(unit.certificate, rows, [*unit.claims, *unit.notes_claimed])
