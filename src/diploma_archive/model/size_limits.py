"""How large each kind of object may be, for those who write it and for those who read it.

Rule: what a reader would refuse is never written; nobody can fill the memory with an object that is called a record.
"""

from __future__ import annotations

from diploma_archive.model.keys import (
    CERTIFICATES,
    CHECKPOINTS,
    CURSOR_KEY,
    CURSORS,
    DIPLOMAS,
    DOCTOR,
    ERASURES,
    IDENTITY_KEY,
    PROBES,
    QUARANTINE,
    SEALS,
    SUPPRESSED,
)

USUAL_HEAD_BYTES = 65_536  # what a run report says before its outcomes: some 2 kB,
REPORT_HEAD_BYTES = 20_000_000  # and 140 bytes for each erasure of the archive's life
REPORT_LINE_BYTES = 1_000_000  # one outcome: some 300 bytes

_RECORD_BYTES = 5_000_000  # 2 to 3 kB; a source may write long texts
_LIMITS = (  # the beginning and the end of a key; what its kind is called; the most bytes
    (IDENTITY_KEY, "", "archive.json", 100_000),
    (CURSOR_KEY, "", "the cursor", 2_000_000),  # with 5,000 rows some 200 kB
    (CURSORS, "", "a cursor", 2_000_000),
    (PROBES, "", "a probe", 100_000),
    (CHECKPOINTS, "", "a checkpoint", 20_000_000),  # 500 listings, some 300 bytes a diploma
    (DIPLOMAS, ".json", "a record", _RECORD_BYTES),
    (CERTIFICATES, "", "an index entry", 100_000),  # some 500 bytes
    (QUARANTINE, ".json", "a quarantine note", _RECORD_BYTES + 1_000_000),  # it may hold what a record would
    (SEALS, "", "a seal", 100_000),  # a time stamp with its certificates some 6 kB
    (SUPPRESSED, "", "a suppression mark", 100_000),
    (ERASURES, "", "a receipt", 20_000_000),  # 67 bytes for each object that went or stays
    (DOCTOR, "", "a probe", 100_000),
)

LARGEST = ("an object of the archive", 20_000_000)
"""Of whatever is read into memory."""


def size_limit(key: str) -> tuple[str, int] | None:
    """Return what an object of this key (relative to the prefix) is called and how many bytes it may have at the most.

    None: any number. A run report is never read as a whole, and no limit is set to a PDF that is archived:
    `ARCHIVE_MAX_PDF_BYTES` is about downloads, and may have been lowered since.
    """
    for beginning, end, kind, limit in _LIMITS:
        if key.startswith(beginning) and key.endswith(end):
            return kind, limit
    return None


def is_too_large(key: str, size: int) -> bool:
    """Return whether an object of this key (relative to the prefix) has more bytes than one of its kind can have."""
    limit = size_limit(key)
    return limit is not None and size > limit[1]
