"""Which keys this program writes, and which are nobody's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from diploma_archive.model import keys
from diploma_archive.model.key_kinds import KeyKind, kind_of

NOW = datetime(2026, 3, 1, 2, 15, tzinfo=UTC)
PLACE = keys.Place(keys.serial_segment("2024/SAFE-001"), keys.certificate_segment("æ" * 200, 1))
HEX16, HEX32, HEX64 = "0123456789abcdef", "0123456789abcdef" * 2, "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("archive.json", KeyKind.IDENTITY),
        (PLACE.pdf_key(HEX64), KeyKind.FILE),
        (PLACE.record_key(HEX16), KeyKind.RECORD),
        (PLACE.record_key(HEX16, 12), KeyKind.RECORD),
        (keys.Place("no-serial", "d-17").record_key(HEX16), KeyKind.RECORD),
        (keys.IndexName(17, HEX16, 2).key("c-1"), KeyKind.INDEX_ENTRY),
        (keys.quarantine_keys("c-1", HEX64)[0], KeyKind.QUARANTINED),
        (keys.quarantine_keys(keys.unidentified_segment(HEX64), HEX64)[1], KeyKind.QUARANTINE_NOTE),
        (keys.run_report_key(NOW, HEX32), KeyKind.RUN_REPORT),
        ("state/cursor.json", KeyKind.CURSOR),
        (keys.cursor_key(7, HEX32), KeyKind.CURSOR),
        (keys.checkpoint_key(HEX16, HEX32, 3), KeyKind.CHECKPOINT),
        (keys.ended_key(HEX16, HEX32), KeyKind.CHECKPOINT),
        (keys.suppression_mark_key(HEX64), KeyKind.MARK),
        (keys.receipt_key(NOW, HEX16), KeyKind.RECEIPT),
        ("state/probe/create-only.txt", KeyKind.PROBE),
        ("state/probe/doctor-20260301T021500Z-0123abcd-probe.txt", KeyKind.PROBE),
        ("state/probe/doctor-20260301T021500Z-0123abcd-/xxx/xx-probe.txt", KeyKind.PROBE),
        ("doctor/20260301T021500Z-0123abcd-checksum-probe.txt", KeyKind.PROBE),
    ],
)
def test_what_is_written_is_known(key: str, kind: KeyKind) -> None:
    """Each key that a maker of keys makes is of its kind."""
    assert kind_of(key) is kind


@pytest.mark.parametrize(
    "key",
    [
        "",
        "archive.json.bak",
        "photos/1.jpg",
        "suppressed/somebody.json",
        f"suppressed/{HEX64}.json.bak",
        f"suppressed/{HEX64.upper()}.json",
        f"suppressed/sub/{HEX64}.json",
        "erasures/anything.json",
        "erasures/notes.txt",
        "doctor/notes.txt",
        "state/other.json",
        "state/checkpoints/notes.txt",
        f"state/checkpoints/{HEX16}/{HEX32}.json",
        "state/cursor/1-x.json",
        f"diplomas/s-1/c-1/{HEX64}.PDF",
        f"diplomas/x-1/c-1/{HEX64}.pdf",
        f"certificates/c-1/{HEX16}.json",
    ],
)
def test_what_is_not_is_nobodys(key: str) -> None:
    """A name that no maker gives is of no kind, wherever it lies."""
    assert kind_of(key) is None
