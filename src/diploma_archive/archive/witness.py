"""What is there, held against what the last runs saw and wrote down in their reports, before anything is written.

Rule: what decides who is archived, and where (`archive.json`, the suppression marks), never goes in silence.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from diploma_archive.archive.erasure_receipts import receipts as receipts_of
from diploma_archive.archive.previous_reports import LatestReports, latest_reports
from diploma_archive.archive.stored_cursor import NextCursor
from diploma_archive.errors import Kind, StoreError
from diploma_archive.model.commitments import Commitments
from diploma_archive.model.json_document import Document, readable_or_empty
from diploma_archive.model.key_kinds import KeyKind, kind_of
from diploma_archive.model.keys import ERASURES, key_hash, suppression_mark_key
from diploma_archive.model.suppression_history import ReceiptClaims, SuppressionHistory
from diploma_archive.model.suppression_mark import MarkMaker, Suppressions
from diploma_archive.store.reader import Reader
from diploma_archive.store.tries import until_found

log = logging.getLogger("diploma_archive.sync.run")


@dataclass(frozen=True)
class Seen:
    """What a run saw when it began, by the SHA-256 of keys: marks, and receipts with the SHA-256 of their bytes."""

    marks: frozenset[str] = field(default_factory=frozenset)
    receipts: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    def commitments(self, identity: bytes, cursor: NextCursor | None) -> Commitments:
        """Return what the run's report says of the rest of the archive.

        Args:
            identity: `archive.json`.
            cursor: the one that the run is about to write.
        """
        named = None if cursor is None else (cursor.written.key, cursor.written.sha256)
        return Commitments(hashlib.sha256(identity).hexdigest(), self.marks, self.receipts, named)


def look(reader: Reader, reports: LatestReports, identity: bytes | None, suppressions: Suppressions) -> Seen:
    """Return what a run sees of marks and receipts, if nothing is gone.

    Args:
        reports: the last ones.
        identity: `archive.json`, or None where there is none.
        suppressions: the marks that are there; with the key of theirs, receipts that it did not make are not believed.

    Raises:
        StoreError: `archive.json` is another one than a report names, or a mark is gone that nobody took back; fatal.
            Or S3 refused or failed.
    """
    said = reports.commitments
    _check_identity(identity, {one.identity for one in said})
    marks = frozenset(key_hash(suppression_mark_key(mark)) for mark in suppressions.marks)
    reported = frozenset[str]().union(*(one.marks for one in said))
    known = dict(pair for one in said for pair in one.receipts)
    receipts: dict[str, str] = {}
    claims: list[ReceiptClaims] = []
    for key in sorted(row.key for row in reader.list(ERASURES) if kind_of(row.key) is KeyKind.RECEIPT):
        hashed = key_hash(key)
        if hashed in known:
            receipts[hashed] = known[hashed]  # a run that has seen it held it against the marks
            if reported <= marks:
                continue
        stored = until_found(lambda key=key: reader.get(key))  # type: ignore[misc]
        if stored is None:
            continue
        document = readable_or_empty(stored.body)
        if not is_believed(key, document, suppressions.maker, said):
            log.warning("%s is not believed and not named: verify says what is wrong with it", key)
            continue
        receipts.setdefault(hashed, hashlib.sha256(stored.body).hexdigest())
        claims.append(ReceiptClaims.of(key, document))
    history = SuppressionHistory(
        tuple(claims),
        reported,
        last_reported=said[-1].marks if said else frozenset(),
        reported_receipts=frozenset(known) if not reported <= marks else frozenset(),
    )
    missing = history.missing(marks)
    if missing:
        raise StoreError(
            f"{len(missing)} suppression marks are gone, and no receipt says that they were lifted: persons who were "
            "erased would be archived again",
            fix="Get their older versions back, or run diploma-archive erase for those persons again (with --lift "
            "where they may be archived); if ARCHIVE_SUPPRESSION_KEY was changed, set the one of before",
            kind=Kind.FATAL,
        )
    # What nobody vouches for is not named, so that it may be moved away again.
    vouched = marks & (reported | history.standing) if said else marks
    return Seen(vouched, frozenset(receipts.items()))


def is_believed(key: str, receipt: Document, maker: MarkMaker | None, said: Sequence[Commitments]) -> bool:
    """Return whether a receipt was written by who may erase: it has the proof, or is as old as it looks.

    Args:
        said: what the last run reports say: one in the form of earlier versions must be among theirs, where there are
            any.
    """
    if not receipt or (maker is not None and not maker.is_proven(receipt)):
        return False
    is_of_before = not {"marks", "lifted", "proof"} & receipt.keys()
    return not (is_of_before and said) or key_hash(key) in {name for one in said for name, _ in one.receipts}


def believed_receipts(reader: Reader, maker: MarkMaker) -> dict[str, Document]:
    """Return the receipts of an archive that are believed, by key.

    Raises:
        StoreError: S3 refused or failed.
    """
    said = latest_reports(reader).commitments
    return {key: each for key, each in receipts_of(reader).items() if is_believed(key, each, maker, said)}


def _check_identity(identity: bytes | None, reported: set[str]) -> None:
    # Two first runs at one moment, on a server that ignores create-only, may each have seen their own.
    if not reported or (identity is not None and hashlib.sha256(identity).hexdigest() in reported):
        return
    raise StoreError(
        "the archive has no archive.json any more, although runs have seen it"
        if identity is None
        else "this archive.json is not the one that the last runs saw",
        fix="Get its older version back (aws s3api list-object-versions), and ask who changed it; "
        "diploma-archive verify says more",
        kind=Kind.FATAL,
    )
