"""The catalogue's file: where it lies, what is in it, and how a damaged or older one is begun anew.

Rule: it holds courses, ids, dates, statuses and keys, no name and no birth date, and only its owner may read it. It is
never the truth: whatever is wrong with the file, it is begun anew from the bucket. A file that is none of ours is
moved aside and not deleted.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from diploma_archive.errors import SettingsError
from diploma_archive.model.keys import escape

SCHEMA_VERSION = 1
APPLICATION_ID = 0x6469_7061  # "dipa", at byte 68 of the file: this file is ours, whatever else is wrong with it
BUSY_SECONDS = 120

_MAGIC = b"SQLite format 3\x00"
_DAMAGE_CODES = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_DAMAGED = "The catalogue was damaged"
_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE course (
    number INTEGER PRIMARY KEY,
    shown TEXT NOT NULL UNIQUE,  -- JSON: id, title, reference
    id INTEGER,
    reference TEXT NOT NULL,  -- as searched for: NFC, without case
    words TEXT NOT NULL  -- title and reference, as searched for
);
CREATE TABLE record (
    key TEXT PRIMARY KEY,
    etag TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified TEXT NOT NULL,
    read_at TEXT NOT NULL,  -- our clock, UTC
    error TEXT,  -- why it could not be read; everything below is null then
    certificate TEXT,  -- key segments
    serial TEXT,
    diploma INTEGER,
    participant INTEGER,
    user INTEGER,
    course INTEGER REFERENCES course (number),
    course_day TEXT,  -- of the course date's start, Europe/Oslo
    revision TEXT,
    generation INTEGER,
    status TEXT,
    archived_at TEXT,
    shown TEXT  -- JSON: certificate number, serial, start of the course date, as the record has them
);
CREATE INDEX record_of_certificate ON record (certificate, diploma, archived_at);
CREATE INDEX record_of_serial ON record (serial);
CREATE INDEX record_of_diploma ON record (diploma);
CREATE INDEX record_of_participant ON record (participant);
CREATE INDEX record_of_user ON record (user);
CREATE INDEX record_of_course ON record (course);
CREATE INDEX record_of_day ON record (course_day);
CREATE INDEX record_with_error ON record (key) WHERE error IS NOT NULL;
"""


def _temporary_folder() -> Path:
    """Return a folder of this user's alone in the temporary folder, the same each time.

    Raises:
        SettingsError: somebody else's lies there.
    """
    me = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"diploma-archive-{me}"
    with plain_errors(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    if hasattr(os, "getuid") and (found.st_uid != me or stat.S_IMODE(found.st_mode) & 0o077):
        raise SettingsError(
            f"{folder} is not this user's alone", fix="Choose another place with --catalogue or ARCHIVE_CATALOGUE"
        )
    return folder


def default_file(archive_id: str, bucket: str, note: Callable[[str], None]) -> Path:
    """Return where the catalogue of an archive lies unless a person chose a place: the user's cache folder.

    Args:
        note: is told, as a sentence, where that cannot be written to, and the temporary folder is taken.
    """
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a path that is not absolute is to be ignored.
    try:
        folder = (Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache") / "diploma-archive"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError):  # no home at all, as in a container under any user id, or one that is read-only
        folder = _temporary_folder()
        note(f"The catalogue cannot be kept in a home folder: it lies in {folder}, and may be gone next time.")
    return folder / f"{escape(archive_id)}-{escape(bucket)}.sqlite"


@contextmanager
def open_file(file: Path, archive: str, *, rebuild: bool, note: Callable[[str], None]) -> Iterator[sqlite3.Connection]:
    """Open the catalogue at `file`, or begin it.

    Args:
        archive: names the archive that it must be of; the catalogue of another one is begun anew.
        rebuild: begin anew too where its tables are not as they should be; what is in them is read again by an update.
        note: is told, as a sentence, why a catalogue was begun anew.

    Raises:
        SettingsError: nothing can be kept there.
    """
    with plain_errors(file):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(file.parent):
            database = _open_checked(file, note)
            try:
                database.execute(
                    "PRAGMA secure_delete = ON"
                )  # what was erased from the archive leaves no trace in here
                reason = _outdated(database, archive)
                if reason is None and rebuild and not _has_our_tables(database):
                    reason = ""
                if reason:
                    note(f"{reason}; it is built anew from the bucket")
                if reason is not None:
                    _begin(database, archive)
            except BaseException:
                database.close()
                raise
    with closing(database):
        yield database


@contextmanager
def plain_errors(file: Path) -> Iterator[None]:
    """Turn what SQLite and the file system say into our own error.

    Raises:
        SettingsError: the catalogue cannot be read or written.
    """
    elsewhere = "Choose another place with --catalogue or ARCHIVE_CATALOGUE"
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = _code(error)
        if code.startswith(_DAMAGE_CODES):
            raise SettingsError("the catalogue is damaged", fix="Start again with --rebuild") from None
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise SettingsError(
                "another process is writing to the catalogue all the time", fix="Wait for it and start again"
            ) from None
        if code.startswith("SQLITE_FULL"):
            raise SettingsError("there is no space left for the catalogue", fix=elsewhere) from None
        raise SettingsError(f"the catalogue cannot be used ({code})", fix=elsewhere) from None
    except OSError as error:
        raise SettingsError(f"the catalogue cannot be kept there ({error.strerror})", fix=elsewhere) from None


def _open_checked(file: Path, note: Callable[[str], None]) -> sqlite3.Connection:
    """Return a connection to a sound SQLite file of ours, which may be empty."""
    if not file.is_file() and file.exists():
        raise SettingsError("the catalogue's place is no file", fix="Give the name of a file")
    start = _start_of(file)
    if start and not _is_ours(start):
        aside = file.with_name(f"{file.name}.moved-aside")
        file.replace(aside)
        note(f"What lay in the catalogue's place is no catalogue; it was moved to {aside.name}, and a new one is built")
    database = _connect(file)
    if _is_sound(database):
        return database
    file.unlink()
    for ending in ("-journal", "-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
    note(f"{_DAMAGED}; it is built anew from the bucket")
    return _connect(file)


def _connect(file: Path) -> sqlite3.Connection:
    # SQLite gives its journal the mode of the file, so the file must have its mode before SQLite sees it.
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    file.chmod(0o600)
    return sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None)


def _is_sound(database: sqlite3.Connection) -> bool:
    """Return whether a catalogue's pages and indexes fit together; it is closed where they do not."""
    try:
        if database.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",):
            return True
    except sqlite3.DatabaseError as error:
        if not _code(error).startswith(_DAMAGE_CODES):  # busy, no permission ...: nothing is wrong with the file
            database.close()
            raise
    database.close()
    return False


def _code(error: sqlite3.DatabaseError) -> str:
    return getattr(error, "sqlite_errorname", "") or type(error).__name__


def _outdated(database: sqlite3.Connection, archive: str) -> str | None:
    """Return why this catalogue is begun anew: "" where it is new, None where it is good and stays."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version == 0 and database.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
        return ""
    if version != SCHEMA_VERSION:
        return "The catalogue was made by another version of this program"
    try:
        found = database.execute("SELECT value FROM about WHERE name = 'archive'").fetchone()
    except sqlite3.OperationalError:
        return _DAMAGED
    return None if found == (archive,) else "the catalogue was that of another archive"


def _has_our_tables(database: sqlite3.Connection) -> bool:
    shown = "SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2"
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(_SCHEMA)
        return database.execute(shown).fetchall() == model.execute(shown).fetchall()


def _begin(database: sqlite3.Connection, archive: str) -> None:
    # Within one transaction, and the file stays: another process may have it open.
    database.execute("BEGIN IMMEDIATE")
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    for (table,) in tables.fetchall():
        database.execute(f'DROP TABLE "{table.replace(chr(34), chr(34) * 2)}"')
    for statement in _SCHEMA.split(";\n"):
        database.execute(statement)
    database.execute("INSERT INTO about VALUES ('archive', ?), ('begun', ?)", (archive, uuid4().hex))
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    database.execute("COMMIT")


def _start_of(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(100)
    except FileNotFoundError:
        return b""


def _is_ours(start: bytes) -> bool:
    return start.startswith(_MAGIC) and start[68:72] == APPLICATION_ID.to_bytes(4, "big")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time begin or replace a catalogue in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a network file system that knows no locks: two first starts at once are on their own
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
