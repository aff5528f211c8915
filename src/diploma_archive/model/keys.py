"""Where things lie in the bucket: layout format 1, DESIGN.md section 5. All keys are relative to the prefix.

Rule: two different names never give the same key (up to Unicode NFC), and no name can leave its place.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime

IDENTITY_KEY = "archive.json"
CURSOR_KEY = "state/cursor.json"  # of versions up to 0.1, which replaced it
CURSORS = "state/cursor/"
PROBES = "state/probe/"
CHECKPOINTS = "state/checkpoints/"
CERTIFICATES = "certificates/"
QUARANTINE = "quarantine/"
DIPLOMAS = "diplomas/"
RUNS = "runs/"
DOCTOR = "doctor/"  # probe objects that could not be removed again; no part of the archive
NO_PART = (DOCTOR, PROBES)
PASSING = (CHECKPOINTS, CURSORS)  # runs remove these again
SEALS = "seals/"
SUPPRESSED = "suppressed/"
ERASURES = "erasures/"

MAX_ESCAPED_BYTES = 120
LONGEST_KEY_BYTES = len("diplomas/") + 2 * (len("s-") + MAX_ESCAPED_BYTES + 1) + len(".pdf") + 64  # below the prefix
LONGEST_SEGMENT_BYTES = len("s-") + MAX_ESCAPED_BYTES
_KEPT_WHEN_TOO_LONG = 86  # + "_h" + 32 hex digits = 120; "_h" cannot be an escape, since h is no hex digit
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-")
# Unicode: controls, formats (zero-width characters), all kinds of spaces; and those that are ignorable or empty by
# their definition though their category is another: joiners, fillers, variation selectors, the blank Braille pattern.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
_INVISIBLE = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
            *range(0x180B, 0x1810),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)
_UNIDENTIFIED = re.compile(r"d-h[0-9a-f]{32}")
_CURSOR = re.compile(rf"{CURSORS}([0-9]{{10,18}})-([^/]+)\.json")
_INDEX_NAME = re.compile(r"([1-9][0-9]{0,18})\.([0-9a-f]{16})(?:\.([2-9]|[1-9][0-9]{1,8}))?\.json")


def is_blank(text: str | None) -> bool:
    """Return whether a serial or certificate number counts as absent: nothing in it can be seen."""
    return text is None or all(
        unicodedata.category(one) in _INVISIBLE_CATEGORIES or one in _INVISIBLE or one.isspace() for one in text
    )


def escape(text: str) -> str:
    """Return `text` as a key segment of at most 120 bytes of `[A-Za-z0-9._-]`, injective up to NFC.

    Every byte outside `[A-Za-z0-9.-]`, a leading dot and `_` itself become `_XX`. Lone surrogates survive.
    """
    raw = unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")
    escaped = "".join(
        chr(byte) if byte in _PLAIN and not (position == 0 and byte == ord(".")) else f"_{byte:02X}"
        for position, byte in enumerate(raw)
    )
    if len(escaped) > MAX_ESCAPED_BYTES:
        return f"{escaped[:_KEPT_WHEN_TOO_LONG]}_h{hashlib.sha256(raw).hexdigest()[:32]}"
    return escaped


def serial_segment(serial: str | None) -> str:
    """Return the folder of a serial: `s-2024-SAFE-001`, or `no-serial`."""
    return "no-serial" if serial is None or is_blank(serial) else f"s-{escape(serial)}"


def certificate_segment(certificate_number: str | None, diploma_id: int) -> str:
    """Return the folder of a certificate number: `c-ABC123456`, or `d-{diploma id}` where there is none."""
    if certificate_number is None or is_blank(certificate_number):
        return f"d-{diploma_id}"
    return f"c-{escape(certificate_number)}"


def unidentified_segment(sha256: str) -> str:
    """Return the folder in quarantine of a diploma whose id is none: `d-h` and 32 hex digits.

    Args:
        sha256: of the evidence as it came (hex).
    """
    return f"d-h{sha256[:32]}"


def is_unidentified(segment: str) -> bool:
    """Return whether a segment is one that `unidentified_segment` gives."""
    return _UNIDENTIFIED.fullmatch(segment) is not None


@dataclass(frozen=True)
class Place:
    """Where one diploma lies: its two key segments."""

    serial: str
    certificate: str

    def pdf_key(self, sha256: str) -> str:
        """Return the key of a PDF, named by its content."""
        return f"diplomas/{self.serial}/{self.certificate}/{sha256}.pdf"

    def record_key(self, revision: str, generation: int = 1) -> str:
        """Return the key of a record, the commit marker."""
        return f"diplomas/{self.serial}/{self.certificate}/{_versioned(revision, generation)}.json"


def places_of(serial: str | None, certificate_number: str | None, diploma_id: int) -> tuple[Place, ...]:
    """Return where a diploma lies: where it is archived now, then where an earlier version may have archived it.

    Earlier versions took a serial or number of nothing but invisible characters for one.
    """
    now = Place(serial_segment(serial), certificate_segment(certificate_number, diploma_id))
    earlier = Place(
        f"s-{escape(serial)}" if serial and serial.strip() else "no-serial",
        f"c-{escape(certificate_number)}" if certificate_number and certificate_number.strip() else f"d-{diploma_id}",
    )
    return (now,) if earlier == now else (now, earlier)


@dataclass(frozen=True, order=True)
class IndexName:
    """What the name of an index entry says: diploma, revision, generation."""

    diploma_id: int
    revision: str
    generation: int = 1

    def key(self, certificate: str) -> str:
        """Return the key of this entry below a certificate segment."""
        return f"{index_prefix(certificate)}{self.diploma_id}.{_versioned(self.revision, self.generation)}.json"


def index_prefix(certificate: str) -> str:
    """Return the folder that lists what is archived under a certificate segment."""
    return f"{CERTIFICATES}{certificate}/"


def read_index_name(key: str) -> IndexName | None:
    """Return what the last part of an index key says, or None where it is no index entry."""
    found = _INDEX_NAME.fullmatch(key.rpartition("/")[2])
    if found is None:
        return None
    return IndexName(int(found[1]), found[2], int(found[3] or 1))


def quarantine_keys(certificate: str, sha256: str) -> tuple[str, str]:
    """Return the keys of quarantined bytes and of the JSON that says why."""
    return f"{QUARANTINE}{certificate}/{sha256}.bin", f"{QUARANTINE}{certificate}/{sha256}.json"


def hash_in(key: str) -> str:
    """Return the SHA-256 (hex) that the key of a PDF or of something in quarantine has as its name."""
    return key.rpartition("/")[2].partition(".")[0]


def checkpoint_key(selection: str, run_id: str, number: int) -> str:
    """Return the key of a part of a checkpoint.

    Args:
        selection: a digest of what the run is about.
        number: which part of this run's it is, from 1.
    """
    return f"{CHECKPOINTS}{selection}/{run_id}-{number:06}.json"


def cursor_key(number: int, run_id: str) -> str:
    """Return the key of a cursor; the number is for the order alone, the run makes the key its own."""
    return f"{CURSORS}{number:010}-{run_id}.json"


def cursor_number(key: str) -> int | None:
    """Return the number in the key of a cursor, or None where it is no such key."""
    found = _CURSOR.fullmatch(key)
    return None if found is None else int(found[1])


def cursor_run_id(key: str) -> str | None:
    """Return the run in the key of a cursor, or None where it is no such key."""
    found = _CURSOR.fullmatch(key)
    return None if found is None else found[2]


def ended_key(selection: str, run_id: str) -> str:
    """Return the key of the mark that the checkpoints of a selection count no more, where they cannot be removed."""
    return f"{CHECKPOINTS}{selection}/{run_id}-ended.json"


def suppression_mark_key(mark: str) -> str:
    """Return the key of a suppression mark; its name is an HMAC (hex), so that it names nobody."""
    return f"{SUPPRESSED}{mark}.json"


def receipt_key(erased_at: datetime, receipt_id: str) -> str:
    """Return the key of the receipt of an erasure (UTC)."""
    return f"{ERASURES}{erased_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{receipt_id}.json"


def key_hash(key: str) -> str:
    """Return how a receipt names a key: SHA-256 (hex) of the key relative to the prefix."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def run_report_key(started_at: datetime, run_id: str) -> str:
    """Return the key of a run report, below the day the run started (UTC)."""
    utc = started_at.astimezone(UTC)
    return f"runs/{utc:%Y/%m/%d}/{utc:%Y%m%dT%H%M%SZ}-{run_id}.json"


def seal_keys(report: str) -> tuple[str, str, str]:
    """Return where the statement on a run report, its signature and its time stamp lie."""
    stem = f"{SEALS}{report.removeprefix(RUNS).removesuffix('.json')}"
    return f"{stem}.json", f"{stem}.sig", f"{stem}.tsr"


def sealed_report(statement: str) -> str:
    """Return the key of the run report that a statement, signature or stamp lies beside, by its own key."""
    return f"{RUNS}{statement.removeprefix(SEALS).rpartition('.')[0]}.json"


def _versioned(revision: str, generation: int) -> str:
    return revision if generation == 1 else f"{revision}.{generation}"
