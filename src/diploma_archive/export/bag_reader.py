"""An export read as the archive that it was, so that it can be verified before anything of it is restored.

Rule: the bytes of each object were found to be what `objects.jsonl` says; whether they are what their keys and the run
reports say is for `verify` to find out.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import BinaryIO

from diploma_archive.errors import ObjectMissingError, TooLargeError
from diploma_archive.export.export_ledger import Copy
from diploma_archive.export.export_on_disk import Source
from diploma_archive.model.payload import Payload
from diploma_archive.model.size_limits import LARGEST, size_limit
from diploma_archive.store.objects import Digest, Head, Listed, Stored
from diploma_archive.store.reader import Reader

_CHUNK = 1 << 20
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class BagReader(Reader):
    """Gives what a `Reader` gives, from an export on disk; `close` it. Its index lies on disk, so memory stays flat."""

    def __init__(self, export: Source) -> None:
        """List the export.

        Raises:
            DiplomaArchiveError: it was changed since it was checked; fatal.
        """
        self._export = export
        self._lock = threading.Lock()
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.execute("CREATE TABLE copy (key TEXT PRIMARY KEY, file, sha256, size, etag, modified) WITHOUT ROWID")
        self._db.executemany(
            "INSERT INTO copy VALUES (?, ?, ?, ?, ?, ?)",
            ((each.key, each.file, each.sha256, each.size, each.etag, each.modified) for each in export.objects()),
        )

    def close(self) -> None:
        """Let go of the index."""
        self._db.close()

    def get(self, key: str, *, listed: Listed | None = None) -> Stored | None:
        """Return an object, or None where there is none.

        Raises:
            TooLargeError: it is larger than its kind can be; it was not read.
        """
        copy = self._find(key)
        if copy is None:
            return None
        kind, most = size_limit(key) or LARGEST
        if copy.size > most:
            raise TooLargeError(f"{kind} has more than {most} bytes", fix="Export again")
        with self._export.body(copy) as payload:
            body = payload.rewound()
            return Stored(body if isinstance(body, bytes) else body.read(), "")

    def head(self, key: str) -> Head | None:
        """Return size and SHA-256 of an object, or None where there is none."""
        copy = self._find(key)
        return None if copy is None else Head(copy.size, copy.sha256, "", "", "")

    def digest(self, key: str, *, listed: Listed | None = None, expected: str | None = None) -> Digest | None:
        """Return size and SHA-256 of an object, or None where there is none: they were checked before."""
        copy = self._find(key)
        return None if copy is None else Digest(copy.size, copy.sha256)

    def read_into(self, key: str, file: BinaryIO) -> Payload:
        """Copy the bytes of an object into a file.

        Raises:
            ObjectMissingError: there is no such object.
        """
        copy = self._find(key)
        if copy is None:
            raise ObjectMissingError("the export has no such object", fix="Export again")
        with self._export.body(copy) as payload:
            body = payload.rewound()
            if isinstance(body, bytes):
                file.write(body)
            else:
                while chunk := body.read(_CHUNK):
                    file.write(chunk)
            return Payload(file, payload.sha256, payload.md5, payload.size)

    def get_start(self, listed: Listed, count: int) -> bytes | None:
        """Return the first bytes of an object, or None where there is none."""
        copy = self._find(listed.key)
        if copy is None:
            return None
        with self._export.body(copy) as payload:
            body = payload.rewound()
            return body[:count] if isinstance(body, bytes) else body.read(count)

    def list(self, prefix: str, *, at_most: int | None = None) -> Iterator[Listed]:
        """Yield the objects below a key prefix, by key."""
        last = ""
        left = at_most
        beyond = f"{prefix}\U0010ffff"
        while left is None or left > 0:
            with self._lock:
                rows = self._db.execute(
                    "SELECT key, size, modified FROM copy WHERE key >= ? AND key < ? AND key > ? "
                    "ORDER BY key LIMIT 1000",
                    (prefix, beyond, last),
                ).fetchall()
            if not rows:
                return
            for key, size, modified in islice(rows, left):
                yield Listed(key, size, "", _moment(modified), "STANDARD")
            last = rows[-1][0]
            left = None if left is None else left - len(rows)

    def _find(self, key: str) -> Copy | None:
        with self._lock:
            row = self._db.execute("SELECT * FROM copy WHERE key = ?", (key,)).fetchone()
        return None if row is None else Copy(*row)


def _moment(text: str | None) -> datetime:
    with suppress(TypeError, ValueError):
        moment = datetime.fromisoformat(str(text))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return _LONG_AGO
