"""What belongs to no certificate: reports, cursor, receipts of erasures, and what nobody knows.

Rule: below the prefix there is nothing that this program does not know; what it does not know is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from diploma_archive.errors import StoreError
from diploma_archive.evidence.findings import Finding, FindingClass
from diploma_archive.evidence.object_reading import Unread, read_text
from diploma_archive.evidence.report_check import run_id_of
from diploma_archive.model.cursor import read_cursor
from diploma_archive.model.json_document import FORMAT, Document, from_json
from diploma_archive.model.key_kinds import KeyKind, kind_of
from diploma_archive.store.objects import Listed
from diploma_archive.store.reader import Reader
from diploma_archive.verify.sampling import Choice

_SHA256 = re.compile(r"[0-9a-f]{64}")


class OtherObjects:
    """The rows of LIST that belong to no certificate."""

    def __init__(self, reader: Reader, choice: Choice, since: datetime) -> None:
        self._reader = reader
        self._choice = choice
        self._since = since
        self._cursors: list[Listed] = []
        self._receipts: list[Listed] = []
        self._unknown: list[str] = []
        self._damaged: set[Finding] = set()
        self.reports: list[str] = []
        self.checked = 0

    def add(self, row: Listed) -> None:
        """Sort one row."""
        kind, is_covered = kind_of(row.key), self._choice.covers_key(row.key)
        if run_id_of(row.key):
            self.reports.append(row.key)
        elif kind is KeyKind.CURSOR:
            self._cursors.append(row)
        elif kind is KeyKind.RECEIPT:
            self._receipts.append(row)
        elif kind is None and row.key and is_covered and row.modified <= self._since:
            self._unknown.append(row.key)  # "" is the folder itself, which the console of S3 makes an object of
        self.checked += is_covered

    def receipts(self) -> Iterator[list[str]]:
        """Yield what each receipt says is gone: the SHA-256 of the keys of records.

        One that is not complete too: it claims only what is gone, and what is left is found by itself.
        """
        for row in self._receipts:
            document = self._read(row, "a receipt")
            erased = document.get("records")
            if isinstance(erased, list):
                yield [one for one in erased if isinstance(one, str) and _SHA256.fullmatch(one)]

    def findings(self) -> set[Finding]:
        """Return what is wrong here; each unknown object is looked for once more."""
        for row in self._cursors:
            if not self._choice.covers_key(row.key):
                continue
            try:
                document = self._read(row, "a cursor")
                if document:
                    read_cursor(document)
            except StoreError as error:
                self._damaged.add(Finding(FindingClass.ALTERED_RECORD, row.key, error.fix))
        unknown = {
            Finding(FindingClass.UNKNOWN_OBJECT, key, "it lies where diploma-archive writes nothing of this name")
            for key in self._unknown
            if any(row.key == key for row in self._reader.list(key))
        }
        return unknown | self._damaged

    def _read(self, row: Listed, what: str) -> Document:
        text = read_text(self._reader, row)
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
