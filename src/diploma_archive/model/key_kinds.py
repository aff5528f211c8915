"""Every kind of key that this program writes, or wrote in earlier versions: DESIGN.md section 5.

Rule: a key of none of these kinds is nobody's of this archive.
"""

from __future__ import annotations

import re
from enum import StrEnum

_UTC = r"[0-9]{8}T[0-9]{6}Z"
_DAY = r"[0-9]{4}/[0-9]{2}/[0-9]{2}"
_RUN = r"[^/]+"  # Prefect names its runs itself
_SERIAL = r"(?:no-serial|s-[A-Za-z0-9._-]{0,120})"
_CERTIFICATE = r"(?:c-[A-Za-z0-9._-]{0,120}|d-[0-9]{1,19}|d-h[0-9a-f]{32})"
_VERSIONED = r"[0-9a-f]{16}(?:\.[1-9][0-9]{0,8})?"


class KeyKind(StrEnum):
    """What a key is the key of."""

    IDENTITY = "archive.json"
    FILE = "file"
    RECORD = "record"
    INDEX_ENTRY = "index entry"
    QUARANTINED = "quarantined bytes"
    QUARANTINE_NOTE = "quarantine note"
    RUN_REPORT = "run report"
    STATEMENT = "statement on a run report"
    SIGNATURE = "signature of a statement"
    STAMP = "time stamp of a statement"
    CURSOR = "cursor"
    CHECKPOINT = "checkpoint"
    MARK = "suppression mark"
    RECEIPT = "receipt of an erasure"
    PROBE = "probe"


_PATTERNS = {
    KeyKind.IDENTITY: r"archive\.json",
    KeyKind.FILE: rf"diplomas/{_SERIAL}/{_CERTIFICATE}/[0-9a-f]{{64}}\.pdf",
    KeyKind.RECORD: rf"diplomas/{_SERIAL}/{_CERTIFICATE}/{_VERSIONED}\.json",
    KeyKind.INDEX_ENTRY: rf"certificates/{_CERTIFICATE}/[1-9][0-9]{{0,18}}\.{_VERSIONED}\.json",
    KeyKind.QUARANTINED: rf"quarantine/{_CERTIFICATE}/[0-9a-f]{{64}}\.bin",
    KeyKind.QUARANTINE_NOTE: rf"quarantine/{_CERTIFICATE}/[0-9a-f]{{64}}\.json",
    KeyKind.RUN_REPORT: rf"runs/{_DAY}/{_UTC}-{_RUN}\.json",
    KeyKind.STATEMENT: rf"seals/{_DAY}/{_UTC}-{_RUN}\.json",
    KeyKind.SIGNATURE: rf"seals/{_DAY}/{_UTC}-{_RUN}\.sig",
    KeyKind.STAMP: rf"seals/{_DAY}/{_UTC}-{_RUN}\.tsr",
    KeyKind.CURSOR: rf"state/cursor(?:\.json|/[0-9]{{10,18}}-{_RUN}\.json)",
    KeyKind.CHECKPOINT: rf"state/checkpoints/[0-9a-f]{{16}}/{_RUN}-(?:[0-9]{{6,}}|ended)\.json",
    KeyKind.MARK: r"suppressed/[0-9a-f]{64}\.json",
    KeyKind.RECEIPT: rf"erasures/{_UTC}-[0-9a-f]{{16}}\.json",
    # What `doctor` may not remove again stays: below `doctor/` of versions before, then below `state/probe/`.
    KeyKind.PROBE: rf"(?:doctor/|state/probe/doctor-){_UTC}-[0-9a-f]{{8}}-[a-z/-]*\.txt"
    r"|state/probe/create-only\.txt",
}
_KINDS = {kind: re.compile(pattern, re.ASCII) for kind, pattern in _PATTERNS.items()}


def kind_of(key: str) -> KeyKind | None:
    """Return of which kind a key is (relative to the prefix), or None where this program writes no such key."""
    return next((kind for kind, pattern in _KINDS.items() if pattern.fullmatch(key)), None)
