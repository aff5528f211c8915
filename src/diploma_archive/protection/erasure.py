"""Erases what the archive holds of one person or certificate, in all versions (docs/data-protection.md).

Rule: first the mark that keeps them out, then a receipt of what is to go, then the removal, then a look, and only then
a receipt of what is gone. After a crash anywhere in between the same command finishes the work.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from diploma_archive.archive.certificate_folders import is_record
from diploma_archive.archive.erasure_receipts import Reason, Receipt, lifting, unfinished_receipts
from diploma_archive.archive.previous_reports import latest_reports
from diploma_archive.archive.suppressions import read_suppressions
from diploma_archive.archive.witness import believed_receipts
from diploma_archive.model.json_document import Document, to_json, utc_text
from diploma_archive.model.keys import (
    CHECKPOINTS,
    certificate_segment,
    is_unidentified,
    key_hash,
    receipt_key,
    suppression_mark_key,
)
from diploma_archive.model.payload import Payload
from diploma_archive.model.suppression_history import ReceiptClaims, SuppressionHistory
from diploma_archive.model.suppression_mark import MarkMaker, Whom
from diploma_archive.protection.erasure_proof import still_there
from diploma_archive.protection.objects_to_erase import ObjectsToErase, find_objects_to_erase
from diploma_archive.store.parallel import in_parallel
from diploma_archive.store.store import JSON_TYPE
from diploma_archive.store.versions import Eraser, Kept, Version

LOOKS = 3  # at a listing that lacks something


@dataclass(frozen=True)
class Erasure:
    """What an erasure found and did.

    Attributes:
        found: what was to go when it was looked for, and what stays.
        kept: what S3 does not remove (in a dry run: as far as it says so already).
        unlisted: keys that a plain LIST has and the LIST of versions lacks: nobody knows whose they are.
        receipt: what is gone; None in a dry run.
        receipt_key: where the receipt lies; None where none was written.
        was_suppressed: whether the person or certificate was kept out already.
    """

    found: ObjectsToErase
    kept: tuple[Kept, ...]
    receipt: Receipt | None
    receipt_key: str | None
    was_suppressed: bool
    unlisted: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Return whether nothing is left behind, or, in a dry run, nothing would be."""
        is_known = not (self.found.unclear or self.kept or self.unlisted)
        return is_known and (self.receipt is None or self.receipt.is_complete)

    def to_document(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        counts: dict[str, int] = {}
        for version in self.found.versions:
            counts[version.key] = counts.get(version.key, 0) + 1
        return {
            "dry_run": self.receipt is None,
            "complete": self.receipt is not None and self.receipt.is_complete,
            "diplomas": sorted(self.found.diplomas),
            "objects": len(counts),
            "versions": len(self.found.versions),
            "records": sum(map(is_record, counts)),
            "erased": None
            if self.receipt is None
            else {"objects": self.receipt.objects, "versions": self.receipt.versions},
            "keys": [{"key": key, "versions": counts[key]} for key in sorted(counts)],
            "locked": [kept.to_document() for kept in self.kept],
            "shared": sorted(self.found.shared),
            "unclear": [{"key": key, "reason": why} for key, why in sorted(self.found.unclear.items())],
            "unlisted": len(self.unlisted),
            "versions_looked_at": self.receipt is None or self.receipt.versions_looked_at,
            "was_suppressed": self.was_suppressed,
            "receipt": self.receipt_key,
        }


def whom_of(eraser: Eraser, user_id: int | None, certificate_number: str | None) -> Whom:
    """Return whom the command line means; `d-123` is the diploma 123 that has no certificate number.

    `d-h` and 32 hex digits is a diploma in quarantine that has no id either.

    Raises:
        StoreError: S3 refused or failed.
    """
    if user_id is not None:
        return Whom(user_id=user_id)
    number = certificate_number or ""
    segment = certificate_segment(number, 0)
    without_number = number.removeprefix("d-")
    is_id = number != without_number and without_number.isascii() and without_number.isdigit()
    if is_id or is_unidentified(number):
        is_a_number = any(True for _ in eraser.list(f"certificates/{segment}/", at_most=1))
        return Whom(certificate=segment if is_a_number else number)
    return Whom(certificate=segment)


def erase(eraser: Eraser, whom: Whom, key: SecretStr, reason: Reason, *, confirmed: bool, workers: int) -> Erasure:
    """Erase somebody, or, unconfirmed, look what that would mean and change nothing.

    Args:
        key: the secret of the suppression marks.
        workers: how many objects are read or removed at once.

    Raises:
        StoreError: S3 refused or failed, or the key is not that of earlier marks. What was begun is finished by
            calling it again.
    """
    suppressions = read_suppressions(eraser, key)
    maker = suppressions.maker or MarkMaker(key)
    mark = maker.mark(whom)
    was_suppressed = mark in suppressions.marks
    there = believed_receipts(eraser, maker)
    before = unfinished_receipts(there, mark)
    left = frozenset[str]().union(*(receipt.left for receipt in before.values()))
    found, unlisted = _look(eraser, whom, left, workers)
    if not confirmed:
        locks = in_parallel(eraser.lock_of, found.versions, workers)
        kept = tuple(lock for lock in locks if lock is not None)
        return Erasure(found, kept, None, None, was_suppressed, unlisted)
    if not was_suppressed:
        document = maker.document(datetime.now(UTC))
        eraser.create(suppression_mark_key(mark), Payload.of(to_json(document)), JSON_TYPE)
    for version in list(eraser.versions(CHECKPOINTS)):
        eraser.remove(version)  # a run that goes on from it would report what is erased here
    carried = _carried(before.values(), found, Receipt(reason.value, mark, utc_text(datetime.now(UTC))))
    begun = sorted({*before, *(key for receipt in before.values() for key in receipt.replaces)})
    if unlisted:
        # Without all versions in sight nothing goes: a record that went alone would leave files that are nobody's.
        receipt = replace(_with_left(carried, found.keys), unlisted=len(unlisted), replaces=tuple(begun))
        return Erasure(found, (), receipt, _put_receipt(eraser, maker, receipt), was_suppressed, unlisted)
    if found.versions:
        begun.append(_put_receipt(eraser, maker, _with_left(carried, found.keys)))
    kept = _remove(eraser, found.versions, workers)
    for _ in range(LOOKS):
        unlisted = tuple(found.seen.unlisted(eraser))
        if not unlisted:
            break
        # A run that was still at work: what it wrote meanwhile may be theirs too.
        later, unlisted = _look(eraser, whom, left | frozenset(map(key_hash, found.keys)), workers)
        if unlisted:
            break
        if later.versions:
            begun.append(_put_receipt(eraser, maker, _with_left(carried, found.keys | later.keys)))
            kept += _remove(eraser, later.versions, workers)
        found.take_in(later)
    receipt = replace(_look_again(eraser, found, carried, kept, workers), unlisted=len(unlisted))
    is_known = key_hash(suppression_mark_key(mark)) in _history(there).standing
    if receipt.is_complete and not found.versions and not before and is_known:
        return Erasure(found, (), receipt, None, was_suppressed)  # an earlier receipt says it all
    final = _put_receipt(eraser, maker, replace(receipt, replaces=tuple(begun)))
    for version in (version for name in begun for version in eraser.versions(name)):
        eraser.remove(version)  # what the last one says is all there is to say; a locked one may stay
    return Erasure(found, kept, receipt, final, was_suppressed, unlisted)


def _look(eraser: Eraser, whom: Whom, left: frozenset[str], workers: int) -> tuple[ObjectsToErase, tuple[str, ...]]:
    """Return what is held of somebody, and the keys that S3 shows and whose versions it does not list."""
    for _ in range(LOOKS):
        found = find_objects_to_erase(eraser, whom, left, workers)
        unlisted = tuple(found.seen.unlisted(eraser))
        if not unlisted:
            break
    return found, unlisted


def lift(eraser: Eraser, whom: Whom, key: SecretStr, *, confirmed: bool) -> tuple[bool, tuple[Kept, ...]]:
    """Remove the suppression mark of somebody, so that the next run may archive them again.

    Returns:
        Whether there was a mark (unconfirmed: is), and what S3 does not remove of it.

    Raises:
        StoreError: S3 refused or failed, or the key is not that of the marks.
    """
    suppressions = read_suppressions(eraser, key)
    mark = MarkMaker(key).mark(whom)
    mark_key = suppression_mark_key(mark)
    there, hashed = believed_receipts(eraser, MarkMaker(key)), key_hash(mark_key)
    reported = frozenset[str]().union(*(said.marks for said in latest_reports(eraser).commitments))
    # One that somebody removed by hand is taken back too: until then no run goes on.
    was_suppressed = mark in suppressions.marks or hashed in replace(_history(there), reported=reported).missing(())
    if not was_suppressed or not confirmed:
        return was_suppressed, ()
    mine = [claims.key for claims in _history(there).receipts if hashed in claims.marks]
    now = datetime.now(UTC)
    document = MarkMaker(key).with_proof(lifting([hashed], mine, now))
    # The receipt first: a mark that went without one would look stolen.
    eraser.create(receipt_key(now, secrets.token_hex(8)), Payload.of(to_json(document)), JSON_TYPE)
    kept = [eraser.remove(version) for version in eraser.versions(mark_key)]
    return True, tuple(each for each in kept if each is not None)


def _history(there: dict[str, Document]) -> SuppressionHistory:
    return SuppressionHistory(tuple(ReceiptClaims.of(key, document) for key, document in there.items()))


def _carried(before: Iterable[Receipt], found: ObjectsToErase, receipt: Receipt) -> Receipt:
    """Return a receipt that begins with what erasures before this one got rid of."""
    there = {key_hash(key) for key in found.keys}
    for earlier in before:
        receipt = replace(
            receipt,
            begun_at=min(receipt.begun_at, earlier.begun_at),
            records=receipt.records | earlier.records | (earlier.left_records - there),
            others=receipt.others | earlier.others | (earlier.left_others - there),
            objects=receipt.objects + earlier.objects + len(earlier.left - there),
            versions=receipt.versions + earlier.versions,
        )
    return receipt


def _with_left(receipt: Receipt, keys: Iterable[str]) -> Receipt:
    keys = frozenset(keys)
    records = frozenset(key_hash(key) for key in keys if is_record(key))
    return replace(receipt, left_records=records, left_others=frozenset(map(key_hash, keys)) - records)


def _remove(eraser: Eraser, versions: Iterable[Version], workers: int) -> tuple[Kept, ...]:
    """Remove versions, the records last (they say whose the rest is), and return what S3 does not remove."""
    kept: list[Kept] = []
    for records in (False, True):
        turn = [version for version in versions if is_record(version.key) is records]
        turn.sort(key=lambda version: version.is_delete_marker)  # the last ones, so that nothing comes back to sight
        kept += [refusal for refusal in in_parallel(eraser.remove, turn, workers) if refusal is not None]
    return tuple(kept)


def _look_again(
    eraser: Eraser, found: ObjectsToErase, carried: Receipt, kept: tuple[Kept, ...], workers: int
) -> Receipt:
    """Return a receipt of what is gone, as S3 lists it now; whatever this program believes does not count."""

    def look(key: str) -> set[str | None]:
        return {version.version_id for version in eraser.versions(key) if version.key == key}

    keys = sorted(found.keys)
    there = dict(zip(keys, in_parallel(look, keys, workers), strict=True))
    gone = frozenset(key for key, versions in there.items() if not versions)
    gone -= still_there(eraser, sorted(gone), workers)
    removed = sum(version.version_id not in there[version.key] for version in found.versions)
    dates = [each.until for each in kept if each.until is not None]
    return replace(
        _with_left(carried, frozenset(keys) - gone),
        records=carried.records | {key_hash(key) for key in gone if is_record(key)},
        others=carried.others | {key_hash(key) for key in gone if not is_record(key)},
        objects=carried.objects + len(gone),
        versions=carried.versions + removed,
        locked=len(kept),
        locked_until=max(dates, default=None),
        unclear=len(found.unclear),
        versions_looked_at=eraser.lists_versions,
        versions_hidden=not eraser.lists_versions and eraser.met_versions,
    )


def _put_receipt(eraser: Eraser, maker: MarkMaker, receipt: Receipt) -> str:
    now = datetime.now(UTC)
    key = receipt_key(now, secrets.token_hex(8))
    eraser.create(key, Payload.of(to_json(maker.with_proof(receipt.to_document(now)))), JSON_TYPE)
    return key
