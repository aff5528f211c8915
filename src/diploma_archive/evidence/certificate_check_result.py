"""What one certificate turned out to be, and by which rules that was found out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from diploma_archive.evidence.certificate_objects import CertificateObjects
from diploma_archive.evidence.findings import Finding, FindingClass, Note
from diploma_archive.evidence.object_reading import Unread


@dataclass(frozen=True)
class Rules:
    """How a unit is checked."""

    full: bool  # read every byte, not just what cannot be known without
    omitted: tuple[str, ...]  # ARCHIVE_OMIT_FIELDS
    since: datetime  # what was written after that is not judged: a run may be at work
    with_chain: bool = False


@dataclass
class Examined:
    """What one certificate turned out to be."""

    unit: CertificateObjects
    rules: Rules
    findings: set[Finding] = field(default_factory=set)
    notes: list[Note] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    named_files: list[tuple[str, int, str]] = field(default_factory=list)  # SHA-256, diploma id, key
    unreported: dict[str, str] = field(default_factory=dict)  # record that no report names -> its run id

    def add(self, kind: FindingClass, key: str, detail: str, *involved: str) -> None:
        """Add a finding, unless an object that it is about was written since the check began."""
        about = {key, *involved}
        if not any(row.modified > self.rules.since for row in self.unit.rows if row.key in about):
            self.findings.add(Finding(kind, key, detail))

    def add_unread(self, key: str, unread: Unread, if_gone: FindingClass) -> None:
        """Add the finding that an object could not be read."""
        self.add(unread.kind or if_gone, key, unread.why or "S3 listed it and does not find it")
