"""Recreates `certificates/` from the records alone: what is missing is created, what does not fit is replaced.

Rule: nothing is deleted, and a record that cannot be relied upon gives no index entry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from diploma_archive.errors import Kind, StoreError
from diploma_archive.evidence.certificate_objects import CertificateObjects, segment_of
from diploma_archive.evidence.findings import Finding, FindingClass
from diploma_archive.evidence.ledger import Ledger
from diploma_archive.evidence.object_reading import Unread, read_text
from diploma_archive.model.json_document import readable_or_empty
from diploma_archive.model.keys import CERTIFICATES, DIPLOMAS
from diploma_archive.model.payload import Payload
from diploma_archive.model.record_check import Checked, check_record
from diploma_archive.store.parallel import in_parallel
from diploma_archive.store.store import JSON_TYPE, Created, Store


@dataclass
class Rebuilt:
    """What was done, and what could not be."""

    records: int = 0
    created: int = 0
    replaced: int = 0
    findings: list[Finding] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as `--json` shows it."""
        return {
            "records": self.records,
            "created": self.created,
            "replaced": self.replaced,
            "findings": [finding.to_dict() for finding in sorted(self.findings)],
        }

    def add(self, other: Rebuilt) -> None:
        """Add what was done for another certificate."""
        self.records += other.records
        self.created += other.created
        self.replaced += other.replaced
        self.findings += other.findings


def rebuild_index(store: Store, *, omitted: tuple[str, ...], dry_run: bool, threads: int) -> Rebuilt:
    """Recreate the index and return what was done; with `dry_run` what would have been.

    Args:
        omitted: the setting `ARCHIVE_OMIT_FIELDS`.

    Raises:
        StoreError: S3 refused or failed.
    """
    result = Rebuilt()
    with closing(Ledger()) as ledger:
        for folder in (CERTIFICATES, DIPLOMAS):
            for row in store.list(folder):
                segment = segment_of(row.key)
                if segment is not None:
                    ledger.add_object(segment, row)

        def work(unit: CertificateObjects) -> Rebuilt:
            return _rebuild(store, unit, omitted, dry_run=dry_run)

        for done in in_parallel(work, ledger.units(), threads):
            result.add(done)
    return result


def _rebuild(store: Store, unit: CertificateObjects, omitted: tuple[str, ...], *, dry_run: bool) -> Rebuilt:
    done, fitting = Rebuilt(), set()
    for key, row in unit.records.items():
        text = read_text(store, row)
        if isinstance(text, Unread):
            kind = text.kind or FindingClass.MISSING_RECORD
            done.findings.append(Finding(kind, key, text.why or "S3 listed it and does not find it"))
            continue
        record = check_record(key, text.body, omitted=omitted)
        if isinstance(record, str):
            done.findings.append(Finding(FindingClass.ALTERED_RECORD, key, record))
            continue
        done.records += 1
        fitting.add(record.index_key)
        _put_entry(store, unit, record, done, dry_run=dry_run)
    damaged = {finding.key for finding in done.findings}
    for index_key in sorted(unit.index.keys() - fitting):
        done.findings += _without_record(index_key, damaged)
    return done


def _put_entry(store: Store, unit: CertificateObjects, record: Checked, done: Rebuilt, *, dry_run: bool) -> None:
    body, row = record.index_body(), unit.index.get(record.index_key)
    if row is not None and row.etag.lower() == hashlib.md5(body, usedforsecurity=False).hexdigest():
        return
    if row is None and dry_run:
        done.created += 1
        return
    if row is None and store.create(record.index_key, Payload.of(body), JSON_TYPE) is Created.NEW:
        done.created += 1
        return
    done.replaced += _replace(store, record.index_key, body, dry_run=dry_run)


def _replace(store: Store, key: str, body: bytes, *, dry_run: bool) -> bool:
    """Return whether an entry had to be replaced; one that says the same in other bytes may stay."""
    stored = store.get(key)
    if stored is not None and readable_or_empty(stored.body) == readable_or_empty(body):
        return False
    if dry_run or store.overwrite(key, body):
        return True
    raise StoreError(
        "these credentials may not write an index entry anew",
        fix="Run rebuild-index with credentials that may overwrite certificates/* (deployments/README.md)",
        kind=Kind.FATAL,
    )


def _without_record(index_key: str, damaged: set[str]) -> Iterator[Finding]:
    ending = f"/{index_key.rpartition('/')[2].partition('.')[2]}"
    if not any(key.endswith(ending) for key in damaged):
        yield Finding(FindingClass.INDEX_WITHOUT_RECORD, index_key, "no record gives this entry; it was left as it is")
