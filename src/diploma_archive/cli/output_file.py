"""Saves a file that is verified while it is written.

Rule: under its name there is either nothing, what was there before, or the whole, verified file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, cast

from diploma_archive.errors import SettingsError


def target_of(out: Path, file_name: str, *, overwrite: bool) -> Path:
    """Return the file to be written: `out`, or `file_name` in it where it is a folder.

    Raises:
        SettingsError: nothing may be written there.
    """
    with _speaking():
        target = out / file_name if out.is_dir() else out
        if str(out) == "-":
            raise SettingsError("--out writes a file, not to stdout", fix="Give the name of a file or folder")
        if not target.parent.is_dir():
            raise SettingsError("the folder of --out does not exist", fix="Make it first, or choose another")
        try:
            mode = target.lstat().st_mode
        except FileNotFoundError:
            return target
        if not stat.S_ISREG(mode):
            raise SettingsError("what lies in the place of --out is no plain file", fix="Choose another name")
        if not overwrite:
            raise SettingsError("the file of --out exists", fix="Choose another name, or give --overwrite")
        return target


def save(target: Path, write: Callable[[BinaryIO], None], *, overwrite: bool) -> None:
    """Write a file under a temporary name beside its place, and give it its name when `write` has returned.

    The file may be read by its owner alone.

    Raises:
        SettingsError: it cannot be written there, or somebody else made a file of this name meanwhile.
        Exception: whatever `write` raised; there is no file then.
    """
    with _speaking():
        temporary = NamedTemporaryFile(dir=target.parent, prefix=".diploma-archive-", suffix=".part", delete=False)  # noqa: SIM115
        unfinished = Path(temporary.name)
    try:
        with temporary:
            write(cast(BinaryIO, temporary))
            with _speaking():
                temporary.flush()
                os.fsync(temporary.fileno())
        with _speaking():
            if not overwrite:
                # The name is taken first, so that a file which somebody made meanwhile stays.
                os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
            unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _speaking() -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise SettingsError("the file of --out exists", fix="Choose another name, or give --overwrite") from None
    except OSError as error:
        raise SettingsError(f"--out cannot be written ({error.strerror})", fix="Choose another place") from None
