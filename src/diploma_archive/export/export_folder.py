"""The folder that an export writes into.

Rules: nothing outside of it is touched, links inside of it are never followed, and a file has its final name only when
it is whole: it is written beside and renamed.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from diploma_archive.errors import DiplomaArchiveError, Kind

UNFINISHED = ".unfinished"
"""Where an export keeps its ledger and half-written files until it is done."""

CHUNK_BYTES = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class Written:
    """A file as it was written; `sha256` is hex."""

    sha256: str
    size: int


class Hashing:
    """A file that hashes what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self._size = 0

    def write(self, chunk: bytes) -> None:
        """Write some bytes."""
        self._file.write(chunk)
        self._sha256.update(chunk)
        self._size += len(chunk)

    @property
    def written(self) -> Written:
        """Return what was written so far."""
        return Written(self._sha256.hexdigest(), self._size)


class Folder:
    """A folder on this machine; every path is relative to it, with forward slashes. Safe to use from several threads.

    Every method may raise OSError; `plain_disk_errors` makes a sentence of it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._numbers = itertools.count()

    def path(self, name: str) -> Path:
        """Return where a file lies.

        Raises:
            DiplomaArchiveError: the name leads out of the folder, or a link would; fatal.
        """
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
            raise _outside()
        path = self.root
        for part in parts[:-1]:
            path = path / part
            if path.is_symlink():
                raise _outside()
        return path / parts[-1]

    @contextmanager
    def unnamed(self) -> Iterator[tuple[BinaryIO, Path]]:
        """Give a new file without its final name, and its path; it is gone at the end unless it was renamed."""
        path = self.path(f"{UNFINISHED}/{os.getpid()}-{next(self._numbers)}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                yield file, path
        finally:
            with suppress(OSError):
                path.unlink()

    def give_name(self, path: Path, name: str) -> None:
        """Let a whole file have its final name; a file or link of that name is replaced, never followed."""
        final = self.path(name)
        final.parent.mkdir(parents=True, exist_ok=True)
        path.replace(final)

    def write(self, name: str, chunks: Iterable[bytes]) -> Written:
        """Write a whole file under its final name."""
        with self.unnamed() as (file, path):
            hashing = Hashing(file)
            for chunk in chunks:
                hashing.write(chunk)
            file.close()
            self.give_name(path, name)
        return hashing.written

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Give a file to be read.

        Raises:
            FileNotFoundError: there is no such file, or it is a link or no plain file.
        """
        path = self.path(name)
        if not _is_plain(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        with path.open("rb") as file:
            yield file

    def look(self, name: str) -> Written | None:
        """Return hash and size of a file, read in full, or None where there is no such plain file."""
        sha256, size = hashlib.sha256(), 0
        try:
            with self.open(name) as file:
                while chunk := file.read(CHUNK_BYTES):
                    sha256.update(chunk)
                    size += len(chunk)
        except FileNotFoundError:
            return None
        return Written(sha256.hexdigest(), size)

    def remove(self, name: str) -> None:
        """Remove a file where there is one."""
        with suppress(FileNotFoundError):
            self.path(name).unlink()

    def remove_unfinished(self) -> None:
        """Remove the ledger and half-written files."""
        path = self.path(UNFINISHED)
        if not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def plain_disk_errors(root: Path) -> Iterator[None]:
    """Turn what the disk says into one sentence.

    Raises:
        DiplomaArchiveError: the folder cannot be written to or read; fatal.
    """
    try:
        yield
    except (OSError, sqlite3.DatabaseError) as error:
        raise _disk_error(error, root) from None


def _disk_error(error: OSError | sqlite3.DatabaseError, root: Path) -> DiplomaArchiveError:
    text = error.strerror or "" if isinstance(error, OSError) else str(error)
    full = error.errno in _FULL if isinstance(error, OSError) else "full" in text
    if full:
        return DiplomaArchiveError(
            f"there is no space left for the folder {root}",
            fix="Make room and start the same command again: it goes on from here",
            kind=Kind.FATAL,
        )
    if isinstance(error, sqlite3.DatabaseError) and "locked" in text:
        return DiplomaArchiveError(
            f"another program is at work in the folder {root}", fix="Wait until it has ended", kind=Kind.FATAL
        )
    return DiplomaArchiveError(
        f"the folder {root} cannot be used ({text or type(error).__name__})",
        fix="Check the disk, the permissions and the path of the folder, and start again",
        kind=Kind.FATAL,
    )


def _outside() -> DiplomaArchiveError:
    return DiplomaArchiveError(
        "a path or a link leads out of the folder of the export",
        fix="Remove the link, or take another folder",
        kind=Kind.FATAL,
    )


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
