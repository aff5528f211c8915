"""What of an export must not come back: those who were erased, as the marks and receipts of target and export say.

Rule: where marks cannot be understood, nothing is restored. Whose a record is, the record itself says; what it names
(its file, its index entry) stays out with it, unless somebody else's record names it too.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from pydantic import SecretStr

from diploma_archive.archive.erasure_receipts import erased_keys, receipts
from diploma_archive.archive.suppressions import read_suppressions, suppressions_of
from diploma_archive.errors import Kind, StoreError
from diploma_archive.export.export_ledger import Copy
from diploma_archive.export.export_on_disk import Source
from diploma_archive.model.json_document import Document, readable_or_empty
from diploma_archive.model.key_kinds import KeyKind, kind_of
from diploma_archive.model.keys import hash_in, key_hash
from diploma_archive.model.parsed_record import RecordContent, read_record_content
from diploma_archive.model.suppression_history import ReceiptClaims, SuppressionHistory
from diploma_archive.store.store import Store


class LeftOut:
    """The keys of an export that are not restored.

    Attributes:
        diplomas: how many records of persons who were erased were left out.
    """

    def __init__(
        self, export: Source, target: Store, key: SecretStr | None, receipts_given: Iterable[Document] = ()
    ) -> None:
        """Read the marks of both, the receipts of the target, and, where there are any, the export's records.

        Args:
            key: the secret of the marks, where there are marks.
            receipts_given: of erasures that neither of the two knows.

        Raises:
            StoreError: there are marks and no key that fits them, or a record does not say whose it is; fatal.
        """
        self._export, self._target = export, target
        there = receipts(target)
        lifted = SuppressionHistory(tuple(ReceiptClaims.of(name, each) for name, each in there.items())).lifted
        marks = (copy for copy in export.objects() if kind_of(copy.key) is KeyKind.MARK)
        copies = {copy.key: copy for copy in marks if key_hash(copy.key) not in lifted}
        self._marked = [
            read_suppressions(target, key),
            suppressions_of(copies, lambda mark: self._body(copies[mark]), key),
        ]
        known = [*there.values(), *receipts_given]
        self._erased = frozenset[str]().union(*map(erased_keys, known))
        self._keys: set[str] = {  # who may be archived again in the target is not kept out by an older export
            copy.key for copy in export.objects() if kind_of(copy.key) is KeyKind.MARK and copy.key not in copies
        }
        self.diplomas = 0
        if self._erased or any(one.marks for one in self._marked):
            self._find()

    def __contains__(self, key: str) -> bool:
        """Return whether a key is left out; checkpoints always are, since they speak of what may not be there."""
        return kind_of(key) is KeyKind.CHECKPOINT or key in self._keys

    def _find(self) -> None:
        records: set[str] = set()
        for folder, copies in groupby(self._export.objects(), key=lambda copy: copy.key.rpartition("/")[0]):
            dropped, kept = self._sorted(folder.rpartition("/")[2], copies)
            records |= {key for key in dropped if kind_of(key) is KeyKind.RECORD}
            self._keys |= dropped - kept
        hashes = {hash_in(key) for key in self._keys if kind_of(key) is KeyKind.FILE}
        self._keys |= {
            copy.key
            for copy in self._export.objects()
            if kind_of(copy.key) in (KeyKind.QUARANTINED, KeyKind.QUARANTINE_NOTE) and hash_in(copy.key) in hashes
        }
        entries = (copy for copy in self._export.objects() if kind_of(copy.key) is KeyKind.INDEX_ENTRY)
        if records:
            self._keys |= {copy.key for copy in entries if self._document(copy).get("record") in records}
        self.diplomas = len(records)

    def _sorted(self, certificate: str, copies: Iterable[Copy]) -> tuple[set[str], set[str]]:
        """Return what goes and what stays of one folder."""
        dropped, kept = set[str](), set[str]()
        for copy in copies:
            kind = kind_of(copy.key)
            if key_hash(copy.key) in self._erased:
                dropped.add(copy.key)
            if kind is KeyKind.RECORD:
                record = self._record(copy)
                named = {copy.key} | ({record.file.key} if record.file else set())
                (dropped if self._is_erased(record, certificate) else kept).update(named)
            elif kind is KeyKind.QUARANTINE_NOTE and self._covers(self._document(copy).get("user_id"), certificate):
                dropped |= {copy.key, copy.key.removesuffix("json") + "bin"}
        return dropped, kept

    def _is_erased(self, record: RecordContent, certificate: str) -> bool:
        if key_hash(record.key) in self._erased or self._covers(record.user_id, certificate):
            return True
        has_marks = any(one.marks for one in self._marked)
        if record.user_id is None and has_marks and not self._target.exists(record.key):
            raise StoreError(
                "persons were erased, and the export has records that do not say whose they are",
                fix="Export again from the archive as it is now, and restore that",
                kind=Kind.FATAL,
            )
        return False

    def _covers(self, user_id: object, certificate: str) -> bool:
        person = user_id if isinstance(user_id, int) else None
        return any(one.covers(person, certificate) for one in self._marked)

    def _record(self, copy: Copy) -> RecordContent:
        try:
            return read_record_content(copy.key, self._document(copy))
        except StoreError:
            raise StoreError(
                f"persons were erased, and nobody can say whose the record {copy.key} of the export is",
                fix="Export again from the archive as it is now, and restore that",
                kind=Kind.FATAL,
            ) from None

    def _document(self, copy: Copy) -> Document:
        return readable_or_empty(self._body(copy))

    def _body(self, copy: Copy) -> bytes:
        with self._export.body(copy) as payload:
            body = payload.rewound()
            return body if isinstance(body, bytes) else body.read()
