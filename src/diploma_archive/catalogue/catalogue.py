"""The catalogue: what the archive holds, kept on this machine for searches, built from the bucket alone.

Rule: it is never the truth. Each search first brings it up to date by LIST: new and changed records are read, those
that vanished are dropped; it may be deleted or rebuilt at any time.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from diploma_archive.archive.open_archive import read_identity
from diploma_archive.catalogue.hit import Hit
from diploma_archive.catalogue.query import Criteria, Match, count_hits, find_hits, next_matches
from diploma_archive.catalogue.schema import default_file, open_file, plain_errors
from diploma_archive.catalogue.update import Progress, Update, Updated, transaction
from diploma_archive.errors import SettingsError
from diploma_archive.settings.archive import ArchiveSettings
from diploma_archive.store.reader import Reader

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """The first of the diplomas that match, and how many there are."""

    hits: list[Hit]
    total: int


@dataclass(frozen=True)
class Unreadable:
    """A record that could not be read, or that does not belong where it lies; no search finds it."""

    record: str  # key
    error: str


class Catalogue:
    """The catalogue of one archive, open; for one thread."""

    def __init__(self, database: sqlite3.Connection, reader: Reader, file: Path, *, rebuild: bool = False) -> None:
        self._database = database
        self._reader = reader
        self.file = file
        self._rebuild = rebuild
        self._begun = self._about("begun")

    def update(self, workers: int, progress: Progress = lambda done, total: None) -> Updated:
        """Bring the catalogue up to date with the bucket; memory stays flat.

        Args:
            workers: how many records are read at once.
            progress: is told how many of how many new records have been read.

        Raises:
            StoreError: S3 refused or failed; one record that cannot be read is no error here (see `unreadable`).
            SettingsError: the file cannot be written.
        """
        with plain_errors(self.file):
            return Update(self._database, self._reader, rebuild=self._rebuild).run(workers, progress)

    @property
    def updated_at(self) -> str | None:
        """Return when the last whole update began (UTC), or None where there was none yet."""
        return self._about("updated")

    def find(self, criteria: Criteria, limit: int) -> Found:
        """Return the diplomas of which any revision matches, each by its current one, the newest course date first.

        Raises:
            SettingsError: the file cannot be read, or another process began it anew meanwhile.
        """
        with plain_errors(self.file), transaction(self._database, "DEFERRED"):
            self._check_not_begun_anew()
            return Found(find_hits(self._database, criteria, limit), count_hits(self._database, criteria))

    def matching(self, criteria: Criteria) -> Iterator[Match]:
        """Yield every record that matches, older revisions too, by certificate, diploma and time archived.

        No lock is held between two items, and memory stays flat.

        Raises:
            SettingsError: the file cannot be read, or another process began it anew meanwhile.
        """
        last: Match | None = None
        while True:
            with plain_errors(self.file), transaction(self._database, "DEFERRED"):
                self._check_not_begun_anew()
                matches = next_matches(self._database, criteria, last)
            if not matches:
                return
            yield from matches
            last = matches[-1]

    def unreadable(self) -> list[Unreadable]:
        """Return the records that no search can find, by key: whoever wants everything must name them.

        Raises:
            SettingsError: the file cannot be read.
        """
        with plain_errors(self.file):
            rows = self._database.execute("SELECT key, error FROM record WHERE error IS NOT NULL ORDER BY key")
            return [Unreadable(*row) for row in rows.fetchall()]

    def _about(self, name: str) -> str | None:
        found = self._database.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def _check_not_begun_anew(self) -> None:
        if self._about("begun") != self._begun:
            raise SettingsError("another process has begun the catalogue anew meanwhile", fix="Start again")


@contextmanager
def open_catalogue(
    reader: Reader,
    where: ArchiveSettings,
    file: Path | None = None,
    *,
    rebuild: bool = False,
    note: Callable[[str], None] = _log.warning,
) -> Iterator[Catalogue]:
    """Open the catalogue of an archive, or begin it; `update` brings it up to date.

    Args:
        file: where it lies; None: where `ARCHIVE_CATALOGUE` says, else in the user's cache folder.
        rebuild: let `update` read every record again; whoever uses the catalogue meanwhile goes on with what it has.
        note: is told, as a sentence, why a catalogue was begun anew.

    Raises:
        StoreError: there is no archive, or S3 refused or failed.
        SettingsError: the catalogue cannot be kept there.
    """
    archive_id = str(read_identity(reader).get("archive_id"))
    chosen = file or where.catalogue
    try:
        place = chosen.expanduser() if chosen else default_file(archive_id, where.bucket, note)
    except RuntimeError:
        raise SettingsError(
            "the catalogue's place begins with ~, and this user has no home", fix="Give a whole path"
        ) from None
    archive = f"{archive_id}/{where.bucket}/{where.prefix}"
    with open_file(place, archive, rebuild=rebuild, note=note) as database:
        yield Catalogue(database, reader, place, rebuild=rebuild)
