"""What belongs to no certificate: reports, cursor, receipts of erasures, and what nobody knows.

Rule: below the prefix there is nothing that this program does not know; what it does not know is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property

from diploma_archive.archive.checkpoints import is_readable
from diploma_archive.archive.erasure_receipts import erased_keys
from diploma_archive.errors import StoreError
from diploma_archive.evidence.findings import Finding, FindingClass
from diploma_archive.evidence.object_reading import Text, Unread, read_text
from diploma_archive.evidence.report_check import run_id_of
from diploma_archive.model.cursor import CursorObject, follows_of, read_cursor, report_of
from diploma_archive.model.json_document import FORMAT, Document, from_json
from diploma_archive.model.key_kinds import KeyKind, kind_of
from diploma_archive.model.suppression_history import ReceiptClaims
from diploma_archive.model.suppression_mark import is_mark
from diploma_archive.store.objects import Listed
from diploma_archive.store.reader import Reader
from diploma_archive.verify.sampling import Choice


class OtherObjects:
    """The rows of LIST that belong to no certificate."""

    def __init__(self, reader: Reader, choice: Choice, since: datetime) -> None:
        self._reader = reader
        self._choice = choice
        self._since = since
        self._cursors: list[Listed] = []
        self._checkpoints: list[Listed] = []
        self._receipts: list[Listed] = []
        self.receipt_bodies: dict[str, tuple[str, Document]] = {}  # SHA-256 of the bytes, and what they say
        self.marks: list[Listed] = []
        self.seals: list[Listed] = []
        self._unknown: list[str] = []
        self._damaged: set[Finding] = set()
        self.reports: dict[str, datetime] = {}
        self.checked = 0

    def add(self, row: Listed) -> None:
        """Sort one row."""
        kind, is_covered = kind_of(row.key), self._choice.covers_key(row.key)
        if run_id_of(row.key):
            self.reports[row.key] = row.modified
        elif kind is KeyKind.CURSOR:
            self._cursors.append(row)
        elif kind is KeyKind.CHECKPOINT:
            self._checkpoints.append(row)
        elif kind in (KeyKind.STATEMENT, KeyKind.SIGNATURE, KeyKind.STAMP):
            self.seals.append(row)
        elif kind is KeyKind.MARK:
            self.marks.append(row)
        elif kind is KeyKind.RECEIPT:
            self._receipts.append(row)
        elif kind is None and row.key and is_covered and row.modified <= self._since:
            self._unknown.append(row.key)  # "" is the folder itself, which the console of S3 makes an object of
        self.checked += is_covered

    def receipts(self) -> Iterator[list[str]]:
        """Yield what each receipt says is gone: the SHA-256 of keys.

        One that is not complete too: it claims only what is gone, and what is left is found by itself.
        """
        for row in self._receipts:
            text = read_text(self._reader, row)
            document = self._document(row, text, "a receipt")
            if document and isinstance(text, Text):
                self.receipt_bodies[row.key] = (text.sha256, document)
            yield list(erased_keys(document))

    @property
    def receipt_claims(self) -> tuple[ReceiptClaims, ...]:
        """Return what the receipts that `receipts` has read say of marks and of each other."""
        return tuple(ReceiptClaims.of(key, document) for key, (_, document) in self.receipt_bodies.items())

    @cached_property
    def cursors(self) -> list[tuple[Listed, CursorObject]]:
        """Return the cursors that can be read, each with its row; those that cannot are findings."""
        found = []
        for row in self._cursors:
            text = read_text(self._reader, row) if self._choice.covers_key(row.key) else Unread(None)
            document = self._document(row, text, "a cursor")
            if not (document and isinstance(text, Text)):
                continue
            try:
                cursor = read_cursor(document)
            except StoreError as error:
                self._damaged.add(Finding(FindingClass.ALTERED_RECORD, row.key, error.fix))
                continue
            about = CursorObject(row.key, cursor, follows_of(document), report_of(document), text.sha256)
            found.append((row, about))
        return found

    def findings(self) -> set[Finding]:
        """Return what is wrong here; each unknown object is looked for once more."""
        _ = self.cursors  # they are read: what cannot be is a finding
        for row in self._checkpoints:
            document = self._read(row, "a checkpoint") if self._choice.covers_key(row.key) else {}
            if document and not is_readable(row.key, document):
                why = "it cannot be read as a checkpoint"
                self._damaged.add(Finding(FindingClass.ALTERED_RECORD, row.key, why))
        self._check_marks()
        unknown = {
            Finding(FindingClass.UNKNOWN_OBJECT, key, "it lies where diploma-archive writes nothing of this name")
            for key in self._unknown
            if any(row.key == key for row in self._reader.list(key))
        }
        return unknown | self._damaged

    def _check_marks(self) -> None:
        """See that each mark is one, and made with the key of the others."""
        made_with: dict[str, object] = {}
        for row in self.marks:
            document = self._read(row, "a suppression mark") if self._choice.covers_key(row.key) else {}
            if document and not is_mark(document):
                why = "it cannot be read as a suppression mark"
                self._damaged.add(Finding(FindingClass.ALTERED_RECORD, row.key, why))
            elif document:
                made_with[row.key] = document["key_check"]
        usual = Counter(made_with.values()).most_common(1)
        for key, key_check in made_with.items():
            if key_check != usual[0][0]:
                why = "it was made with another key than the others"
                self._damaged.add(Finding(FindingClass.ALTERED_RECORD, key, why))

    def _read(self, row: Listed, what: str) -> Document:
        return self._document(row, read_text(self._reader, row), what)

    def _document(self, row: Listed, text: Text | Unread, what: str) -> Document:
        if isinstance(text, Unread):
            if text.kind is not None:
                self._damaged.add(Finding(text.kind, row.key, text.why))
            return {}
        try:
            document = from_json(text.body, what)
        except StoreError:
            document = {}
        if document.get("format") != FORMAT:
            self._damaged.add(Finding(FindingClass.ALTERED_RECORD, row.key, f"it cannot be read as {what}"))
            return {}
        return document
