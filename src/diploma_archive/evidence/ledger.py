"""What LIST showed and what run reports claim, in a temporary SQLite database on disk: memory stays flat.

Rule: one thread uses it; it is gone when the check is done, and it is never the truth.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from diploma_archive.evidence.certificate_objects import CertificateObjects, Claim, segment_of
from diploma_archive.store.objects import Listed

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE object (certificate TEXT, key TEXT, size INTEGER, etag TEXT, modified REAL, storage_class TEXT,
    PRIMARY KEY (certificate, key)) WITHOUT ROWID;
CREATE TABLE claim (certificate TEXT, record TEXT, record_sha256 TEXT, file_sha256 TEXT, diploma_id INTEGER,
    report TEXT, PRIMARY KEY (certificate, record, record_sha256)) WITHOUT ROWID;
CREATE TABLE named_file (sha256 TEXT, certificate TEXT, diploma_id INTEGER, key TEXT,
    PRIMARY KEY (sha256, certificate, diploma_id, key)) WITHOUT ROWID;
CREATE TABLE suspect (certificate TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE unproven (certificate TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE unreported (run_id TEXT, record TEXT, PRIMARY KEY (run_id, record)) WITHOUT ROWID;
CREATE TABLE erased (record TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class Ledger:
    """All that a check must remember; `close` it."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._db.execute("BEGIN")  # never committed: nothing but this connection ever reads it

    def close(self) -> None:
        """Let go of the database; its file goes with it."""
        self._db.close()

    def add_object(self, certificate: str, row: Listed) -> None:
        """Keep a row of LIST that belongs to a certificate."""
        values = (certificate, row.key, row.size, row.etag, row.modified.timestamp(), row.storage_class)
        self._db.execute("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?, ?)", values)

    def add_claim(self, claim: Claim) -> None:
        """Keep what a report says of a record; the first one to say the same counts."""
        values = (segment_of(claim.record), claim.record, claim.record_sha256, claim.file_sha256)
        self._db.execute(
            "INSERT OR IGNORE INTO claim VALUES (?, ?, ?, ?, ?, ?)", (*values, claim.diploma_id, claim.report)
        )

    def distrust(self, reports: Iterable[str]) -> None:
        """Keep of altered reports only that they name a record, not which hash it has."""
        for report in reports:
            self._db.execute(
                "INSERT OR IGNORE INTO claim SELECT certificate, record, '', file_sha256, diploma_id, report "
                "FROM claim WHERE report = ? AND record_sha256 <> ''",
                (report,),
            )
            self._db.execute("DELETE FROM claim WHERE report = ? AND record_sha256 <> ''", (report,))

    def add_erased(self, records: Iterable[str]) -> None:
        """Keep the hashed keys of records that a receipt says were erased."""
        self._db.executemany("INSERT OR IGNORE INTO erased VALUES (?)", ((record,) for record in records))

    def add_named_file(self, sha256: str, certificate: str, diploma_id: int, key: str) -> None:
        """Keep that a record names a PDF."""
        self._db.execute("INSERT OR IGNORE INTO named_file VALUES (?, ?, ?, ?)", (sha256, certificate, diploma_id, key))

    def add_suspect(self, certificate: str) -> None:
        """Keep a certificate that must be read once more."""
        self._db.execute("INSERT OR IGNORE INTO suspect VALUES (?)", (certificate,))

    def add_unproven(self, certificate: str) -> None:
        """Keep a certificate with a file of which S3 has no checksum."""
        self._db.execute("INSERT OR IGNORE INTO unproven VALUES (?)", (certificate,))

    def add_unreported(self, record: str, run_id: str) -> None:
        """Keep a record that no run report names."""
        self._db.execute("INSERT OR IGNORE INTO unreported VALUES (?, ?)", (run_id, record))

    def objects(self) -> int:
        """Return how many objects belong to certificates."""
        return int(self._db.execute("SELECT count(*) FROM object").fetchone()[0])

    def units(self) -> Iterator[CertificateObjects]:
        """Yield everything, certificate by certificate."""
        claims = _grouped(self._db.execute("SELECT * FROM claim ORDER BY certificate, record"))
        waiting = next(claims, None)
        for certificate, rows in _grouped(self._db.execute("SELECT * FROM object ORDER BY certificate, key")):
            while waiting is not None and waiting[0] < certificate:
                yield CertificateObjects.of(waiting[0], (), map(self._claim, waiting[1]))
                waiting = next(claims, None)
            mine: list[tuple[Any, ...]] = []
            if waiting is not None and waiting[0] == certificate:
                mine, waiting = waiting[1], next(claims, None)
            yield CertificateObjects.of(certificate, map(_listed, rows), map(self._claim, mine))
        while waiting is not None:
            yield CertificateObjects.of(waiting[0], (), map(self._claim, waiting[1]))
            waiting = next(claims, None)

    def suspects(self) -> Iterator[CertificateObjects]:
        """Yield the certificates that must be read once more, as they were found the first time."""
        return self._kept_in("suspect")

    def unproven(self) -> Iterator[CertificateObjects]:
        """Yield the certificates with a file of which S3 has no checksum."""
        return self._kept_in("unproven")

    def _kept_in(self, table: str) -> Iterator[CertificateObjects]:
        for (certificate,) in self._db.execute(f"SELECT certificate FROM {table} ORDER BY certificate"):  # noqa: S608
            rows = self._db.execute("SELECT * FROM object WHERE certificate = ? ORDER BY key", (certificate,))
            claims = self._db.execute("SELECT * FROM claim WHERE certificate = ? ORDER BY record", (certificate,))
            yield CertificateObjects.of(certificate, map(_listed, rows), map(self._claim, claims))

    def unreported(self) -> Iterator[tuple[str, int, str]]:
        """Yield each run of whose records no report speaks: its id, how many there are, and the first one's key."""
        yield from self._db.execute("SELECT run_id, count(*), min(record) FROM unreported GROUP BY run_id")

    def _claim(self, row: tuple[Any, ...]) -> Claim:
        _, record, record_sha256, file_sha256, diploma_id, report = row
        hashed_key = hashlib.sha256(record.encode()).hexdigest()
        is_erased = self._db.execute("SELECT 1 FROM erased WHERE record = ?", (hashed_key,)).fetchone() is not None
        return Claim(record, record_sha256, file_sha256, diploma_id, report, is_erased)

    def shared_files(self) -> Iterator[list[str]]:
        """Yield the keys of each PDF that several certificates of different diplomas have."""
        found = self._db.execute(
            "SELECT sha256 FROM named_file GROUP BY sha256 "
            "HAVING count(DISTINCT certificate) > 1 AND count(DISTINCT diploma_id) > 1"
        )
        for (sha256,) in found:
            keys = self._db.execute("SELECT DISTINCT key FROM named_file WHERE sha256 = ? ORDER BY key", (sha256,))
            yield [key for (key,) in keys]


def _grouped(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    for certificate, group in groupby(rows, lambda row: str(row[0])):
        yield certificate, list(group)


def _listed(row: tuple[Any, ...]) -> Listed:
    _, key, size, etag, modified, storage_class = row
    return Listed(key, size, etag, datetime.fromtimestamp(modified, UTC), storage_class)
