"""The receipt of an erasure, which names nobody, and what an erasure that is not complete leaves to the next one.

Rule: a receipt claims only what is gone. One that is not complete keeps the hashes of the keys that are left, so that
the next erasure finds them although the records that said whose they are may be gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from diploma_archive.errors import StoreError
from diploma_archive.model.json_document import FORMAT, TOOL, Document, from_json, utc_text
from diploma_archive.model.keys import ERASURES, key_hash, suppression_mark_key
from diploma_archive.model.suppression_history import hashes_of, texts_of
from diploma_archive.store.reader import Reader


class Reason(StrEnum):
    """Why somebody is erased; a code, since free text would name people."""

    REQUEST = "request"
    COURT = "court"
    MISTAKE = "mistake"
    RETENTION = "retention"


@dataclass(frozen=True)
class Receipt:
    """What was erased, by hash of key; `left_*` are the hashes of what was to go and did not.

    Attributes:
        mark: the suppression mark of whom it is about; a complete receipt has the hash of its key alone.
        others: the keys of files, index entries and quarantine that are gone, by hash.
        objects: how many keys are gone.
        versions: how many versions of them (delete markers included) this program removed.
        unlisted: how many keys a plain LIST has that the LIST of versions lacks: nobody knows whose they are.
        versions_looked_at: whether S3 lists versions; where it does not, objects are all that could be looked for.
        versions_hidden: S3 has versions and does not list them, so that some may be left.
        replaces: keys of receipts, not complete, whose content this one has taken over.
    """

    reason: str
    mark: str
    begun_at: str
    records: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    objects: int = 0
    versions: int = 0
    left_records: frozenset[str] = frozenset()
    left_others: frozenset[str] = frozenset()
    locked: int = 0
    locked_until: datetime | None = None
    unclear: int = 0
    unlisted: int = 0
    versions_looked_at: bool = True
    versions_hidden: bool = False
    replaces: tuple[str, ...] = ()

    @property
    def left(self) -> frozenset[str]:
        """Return the hashes of all keys that were to go and did not."""
        return self.left_records | self.left_others

    @property
    def is_complete(self) -> bool:
        """Return whether everything that was found is gone; what nobody can tell whose it is stands beside it."""
        return not (self.left or self.unlisted or self.versions_hidden)

    def to_document(self, erased_at: datetime) -> Document:
        """Return the receipt as the bucket keeps it."""
        unfinished: dict[str, Any] = {
            "mark": self.mark,
            "left": {"records": sorted(self.left_records), "others": sorted(self.left_others)},
        }
        return {
            "format": FORMAT,
            "begun_at": self.begun_at,
            "erased_at": utc_text(erased_at),
            "reason": self.reason,
            "complete": self.is_complete,
            "objects": self.objects,
            "versions": self.versions,
            "locked": {"count": self.locked, "until": self.locked_until and utc_text(self.locked_until)},
            "unclear": self.unclear,
            "unlisted": self.unlisted,
            "versions_looked_at": self.versions_looked_at,
            "records": sorted(self.records),
            "others": sorted(self.others),
            "marks": [key_hash(suppression_mark_key(self.mark))],
            "replaces": sorted(self.replaces),
            **({} if self.is_complete else unfinished),
            "tool": TOOL,
        }


def lifting(marks: Iterable[str], lifts: Iterable[str], lifted_at: datetime) -> Document:
    """Return the receipt that marks were taken back.

    Args:
        marks: SHA-256 of the keys of the marks.
        lifts: the keys of the receipts whose marks those are.
    """
    return {
        "format": FORMAT,
        "lifted_at": utc_text(lifted_at),
        "lifted": sorted(marks),
        "lifts": sorted(map(key_hash, lifts)),
        "tool": TOOL,
    }


def unfinished_receipts(receipts: dict[str, Document], mark: str) -> dict[str, Receipt]:
    """Return the receipts, by key, of erasures of the same person or certificate that are not complete."""
    found: dict[str, Receipt] = {}
    replaced: set[str] = set()
    for key, document in receipts.items():
        replaced |= texts_of(document.get("replaces"))
        receipt = _unfinished(document)
        if receipt is not None and receipt.mark == mark:
            found[key] = receipt
    return {key: receipt for key, receipt in found.items() if key not in replaced}


def read_receipt(reader: Reader, key: str) -> Document:
    """Return a receipt; an empty document where it is damaged or gone.

    Raises:
        StoreError: S3 refused or failed.
    """
    stored = reader.get(key)
    try:
        return {} if stored is None else from_json(stored.body, "a receipt")
    except StoreError:
        return {}


def _unfinished(document: Document) -> Receipt | None:
    left = document.get("left")
    if document.get("complete") is not False or not isinstance(left, dict):
        return None
    return Receipt(
        reason=str(document.get("reason")),
        mark=str(document.get("mark")),
        begun_at=str(document.get("begun_at")),
        records=texts_of(document.get("records")),
        others=texts_of(document.get("others")),
        objects=_count(document.get("objects")),
        versions=_count(document.get("versions")),
        left_records=texts_of(left.get("records")),
        left_others=texts_of(left.get("others")),
        replaces=tuple(sorted(texts_of(document.get("replaces")))),
    )


def receipts(reader: Reader) -> dict[str, Document]:
    """Return all receipts by key; an empty document for what is damaged.

    Raises:
        StoreError: S3 refused or failed.
    """
    return {row.key: read_receipt(reader, row.key) for row in reader.list(ERASURES)}


def erased_keys(receipt: Document) -> frozenset[str]:
    """Return the hashes of the keys that a receipt says are gone; one of an earlier version names records alone."""
    return hashes_of(receipt.get("records")) | hashes_of(receipt.get("others"))


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
