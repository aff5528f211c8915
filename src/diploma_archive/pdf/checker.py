"""Checks PDFs in a process of its own: what a hostile file does to it costs this program nothing.

Rule: that process gets the bytes of one file at a time, none of our settings, and limited time and memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from typing import BinaryIO

from diploma_archive.errors import DiplomaArchiveError, Kind, OddFileError, UnusableFileError
from diploma_archive.model.file_oddities import Names, Oddity
from diploma_archive.pdf.byte_rules import check_bytes
from diploma_archive.pdf.checker_process import READY
from diploma_archive.pdf.named_in_text import Holder, OtherNumbers, number_digest

WAIT_SECONDS = 60.0  # on the wall; the limit that a file meets first is that of CPU time in pdf_child
NOBODY = Holder()
_CHUNK_BYTES = 1 << 16
_ENVIRONMENT = ("PATH", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH")
_OUT_OF_TIME = getattr(signal, "SIGPROF", None)
_CRASHES = tuple(
    getattr(signal, name)
    for name in ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL", "SIGTRAP")
    if hasattr(signal, name)
)


@dataclass(frozen=True)
class Whole:
    """What a file turned out to be that whoever opens it sees a diploma in."""

    pages: int
    oddities: tuple[Oddity, ...]
    names: Names


class PdfChecker:
    """Whether files are whole diplomas; safe to call from several threads, one file is looked at at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()
        self._closed = False
        self._of_numbers = threading.Lock()
        self._numbers = OtherNumbers()
        self._unsent = OtherNumbers()  # since the process was last told

    def note_listed(self, certificate_number: str | None, user_id: int | None) -> None:
        """Remember whose a certificate number is, to see where a file is another's; the last 10,000 are kept."""
        digest = number_digest(certificate_number)
        if digest is None or user_id is None:
            return
        with self._of_numbers:  # never held for long: the event loop waits for it
            if self._numbers.note(digest, user_id) and self._process is not None:  # a new one is told all of them
                self._unsent.note(digest, user_id)

    def check(self, file: BinaryIO, *, holder: Holder = NOBODY, whole: bool = False, media_type: str = "") -> Whole:
        """Return what a PDF is that a viewer shows whole.

        Args:
            holder: whose diploma it came for.
            whole: the transfer says so itself: as many bytes as were announced, or the last chunk.
            media_type: what it was labelled as, in lower case and without parameters.

        Raises:
            UnusableFileError: it is an error page, never came whole, or could not be looked at now.
            OddFileError: it came whole, and whoever opens it sees no diploma, or another person's.
            DiplomaArchiveError: no process can be started; fatal.
        """
        oddities = check_bytes(file, whole=whole, media_type=media_type)
        with self._one_at_a_time:
            process = self._process or self._start()
            self._process = process
            watch = threading.Timer(WAIT_SECONDS, process.kill)
            watch.daemon = True
            watch.start()
            try:
                answer = self._ask(process, file, holder)
            except BaseException:
                self._stop()  # it may have half a file, and would take the next one for the rest
                raise
            finally:
                watch.cancel()
            if answer is None or "pages" not in answer:
                self._stop()
        if answer is None:
            raise _ended(process.returncode)
        if "pages" not in answer:
            raise OddFileError(str(answer["odd"]))
        if answer["has_blank_side"]:
            oddities = (*oddities, Oddity.BLANK_PAGE)
        return Whole(int(str(answer["pages"])), oddities, Names(str(answer["names"])))

    def close(self) -> None:
        """End the process; does nothing where there is none."""
        self._closed = True
        if not self._one_at_a_time.acquire(timeout=1):
            process = self._process
            if process is not None:
                process.kill()  # whoever waits for it gets an answer at once
            self._one_at_a_time.acquire()
        self._stop()
        self._one_at_a_time.release()

    def _start(self) -> subprocess.Popen[bytes]:
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        try:
            if self._closed:
                raise OSError
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "diploma_archive.pdf.checker_process"],
                env={**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us: what is under way is finished
            )
        except OSError:
            raise _cannot_start() from None
        self._process = process
        with self._of_numbers:
            self._unsent = self._numbers.copy()
        if process.stdout is None or process.stdout.readline() != READY:
            self._stop()
            raise _cannot_start()
        return process

    def _ask(self, process: subprocess.Popen[bytes], file: BinaryIO, holder: Holder) -> dict[str, object] | None:
        """Return the answer about one file, or None where the process ended over it."""
        if process.stdin is None or process.stdout is None:
            raise AssertionError("started with pipes")
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        with self._of_numbers:
            numbers, self._unsent = list(self._unsent.items()), OtherNumbers()
        asked = {"size": size, "holder": asdict(holder), "numbers": numbers}
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(asked).encode("ascii") + b"\n")
            while chunk := file.read(_CHUNK_BYTES):
                process.stdin.write(chunk)
            process.stdin.flush()
        line = process.stdout.readline()
        return dict(json.loads(line)) if line.endswith(b"\n") else None

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            process.wait(timeout=2)  # it ends by itself when its input does
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ended(returncode: int) -> DiplomaArchiveError:
    if _OUT_OF_TIME is not None and returncode == -_OUT_OF_TIME:
        return OddFileError("the PDF takes too long to be opened")
    if -returncode in _CRASHES:
        return OddFileError("the PDF makes the PDF reader crash")
    return UnusableFileError("the PDF could not be checked", fix="The next run tries again")


def _cannot_start() -> DiplomaArchiveError:
    return DiplomaArchiveError(
        "the process that checks PDFs cannot be started",
        fix="Check the memory and the process limit of this machine",
        kind=Kind.FATAL,
    )
