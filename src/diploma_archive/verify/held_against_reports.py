"""What run reports say of `archive.json`, suppression marks, receipts and cursors, held against what is there.

Rule: reports of earlier versions claim nothing, so nothing of theirs turns into a finding; a note says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

from pydantic import SecretStr

from diploma_archive.archive.erasure_receipts import receipts
from diploma_archive.archive.identity import id_of
from diploma_archive.archive.previous_reports import cursor_named_in
from diploma_archive.evidence.findings import Finding, FindingClass, Note
from diploma_archive.evidence.report_chain import Chain
from diploma_archive.model.cursor import with_followed
from diploma_archive.model.json_document import Document, readable_or_empty
from diploma_archive.model.keys import CURSOR_KEY, ERASURES, IDENTITY_KEY, RUNS, SUPPRESSED, key_hash
from diploma_archive.model.suppression_history import ReceiptClaims, SuppressionHistory
from diploma_archive.model.suppression_mark import MarkMaker
from diploma_archive.store.reader import Reader
from diploma_archive.verify.housekeeping_objects import OtherObjects


class Witness:
    """The reports of a chain as witnesses of the rest of an archive."""

    def __init__(self, reader: Reader, chain: Chain, others: OtherObjects, since: datetime) -> None:
        """Read `archive.json`.

        Args:
            since: what was written after that is not judged.

        Raises:
            StoreError: S3 refused or failed.
        """
        self._reader = reader
        self._chain = chain
        self._others = others
        self._since = since
        self._said = chain.commitments
        stored = reader.get(IDENTITY_KEY)
        self._identity = b"" if stored is None else stored.body
        self.identity_sha256 = hashlib.sha256(self._identity).hexdigest()

    def findings(self, suppression_key: SecretStr | None) -> set[Finding]:
        """Return what is not as reports say; marks and receipts are looked at once more before they count.

        Args:
            suppression_key: where it is known, each receipt must be proven by it.
        """
        marks = {key_hash(row.key): row.key for row in self._others.marks if row.modified <= self._since}
        found = set(self._of_erasures(marks, self._others.receipt_claims))
        if found:
            marks = {key_hash(row.key): row.key for row in self._reader.list(SUPPRESSED)}
            claims = tuple(ReceiptClaims.of(*each) for each in receipts(self._reader).items())
            found &= set(self._of_erasures(marks, claims))
        return found | set(self._of_identity()) | set(self._of_cursors()) | set(self._of_receipts(suppression_key))

    def notes(self, root: str | None) -> Iterator[Note]:
        """Yield what a person shall know.

        Args:
            root: the archive's prefix in the bucket, where it is known.
        """
        silent = len(self._chain.reports) - len(self._said)
        if silent and not self._chain.altered:
            text = (
                f"{silent} of {len(self._chain.reports)} run reports are those of earlier versions, which do not name "
                "archive.json, suppression marks, receipts, quarantine and cursors: what of these was changed or "
                "removed in their time cannot be shown"
            )
            yield Note("claims_less", RUNS, text)
        document: Document = readable_or_empty(self._identity)
        if root is not None and document.get("archive_id") != id_of(str(document.get("account")), root):
            text = "its id does not follow from account and prefix: the archive was moved here from elsewhere"
            yield Note("moved", IDENTITY_KEY, text)

    def _of_identity(self) -> Iterator[Finding]:
        naming = {key: said.identity for key, said in self._said.items()}
        if naming and self.identity_sha256 not in naming.values():
            detail = f"{max(naming)} names it with another hash, and {len(naming)} run reports none with this one"
            yield Finding(FindingClass.ALTERED_IDENTITY, IDENTITY_KEY, detail)

    def _of_erasures(self, marks: dict[str, str], claims: tuple[ReceiptClaims, ...]) -> Iterator[Finding]:
        """Yield what is wrong with marks and receipts; marks by the hash of their keys."""
        said = list(self._said.values())
        history = SuppressionHistory(
            claims,
            frozenset[str]().union(*(one.marks for one in said)),
            said[0].marks if said else frozenset(marks),
            frozenset(receipt for one in said for receipt, _ in one.receipts),
            said[-1].marks if said else frozenset(),
        )
        for mark in history.missing(marks):
            detail = "a receipt or a run report names it, and no receipt says that it was lifted"
            yield Finding(FindingClass.MISSING_MARK, f"{SUPPRESSED} (SHA-256 of the key {mark})", detail)
        # Without its receipt a mark is nobody's, which is no finding of its own.
        for mark in history.unknown(marks) if not history.missing_receipts else ():
            detail = "no receipt of an erasure and no run report of its time names it"
            yield Finding(FindingClass.UNKNOWN_MARK, marks[mark], detail)
        for mark in history.still_there(marks):
            detail = "a receipt says that it was lifted: an erasure was cut off after that, or the lifting"
            yield Finding(FindingClass.UNKNOWN_MARK, marks[mark], detail)
        for receipt in history.missing_receipts:
            detail = "a run report names it, and no other receipt has taken it over"
            yield Finding(FindingClass.MISSING_RECEIPT, f"{ERASURES} (SHA-256 of the key {receipt})", detail)

    def _of_receipts(self, suppression_key: SecretStr | None) -> Iterator[Finding]:
        """Yield the receipts that were changed, or that nobody who may erase has written."""
        claimed = {pair for said in self._said.values() for pair in said.receipts}
        names = {receipt for receipt, _ in claimed}
        first = next(iter(self._said.values()), None)
        of_old = None if first is None else {receipt for receipt, _ in first.receipts}
        maker = MarkMaker(suppression_key) if suppression_key else None
        for key, (sha256, document) in self._others.receipt_bodies.items():
            hashed = key_hash(key)
            if hashed in names and (hashed, sha256) not in claimed:
                yield Finding(FindingClass.ALTERED_RECORD, key, "a run report has another hash of it")
            elif maker is not None and not maker.is_proven(document):
                detail = "it was not written with ARCHIVE_SUPPRESSION_KEY, or was changed since"
                yield Finding(FindingClass.ALTERED_RECORD, key, detail)
            elif not {"proof", "marks", "lifted"} & document.keys() and of_old is not None and hashed not in of_old:
                detail = "it has the form of earlier versions, and came after reports that name receipts"
                yield Finding(FindingClass.ALTERED_RECORD, key, detail)

    def _of_cursors(self) -> Iterator[Finding]:
        """Yield the cursors that no report names; those of earlier versions only if they came later than such names."""
        naming = [self._others.reports[key] for key, said in self._said.items() if said.cursor]
        numbered = [(row, one) for row, one in self._others.cursors if row.key != CURSOR_KEY]
        there = [(row, one) for row, one in numbered if row.modified <= self._since]
        named = [one for _, one in there if self._is_named(one.report, (one.key, one.sha256))]
        known = {one.key for one in with_followed(named, [one for _, one in there if one.report is None])}
        for row, one in there:
            is_earlier = one.report is None and (not naming or row.modified <= min(naming))
            is_judged_elsewhere = {row.key, one.report} & {finding.key for finding in self._chain.findings}
            if one.key in known or is_earlier or is_judged_elsewhere:
                continue
            # Its report may have come after the list of reports.
            if one.report is None or cursor_named_in(self._reader, one.report) != (one.key, one.sha256):
                yield Finding(FindingClass.UNNAMED_CURSOR, row.key, "no run report names it with these bytes")

    def _is_named(self, report: str | None, cursor: tuple[str, str]) -> bool:
        said = self._said.get(report or "")
        return said is not None and said.cursor == cursor
