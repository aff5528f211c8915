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
from typing import BinaryIO

from diploma_archive.errors import DiplomaArchiveError, Kind, OddFileError, UnusableFileError
from diploma_archive.pdf.checker_process import READY, SIZE_BYTES
from diploma_archive.pdf.rules import check_ends

WAIT_SECONDS = 60.0  # on the wall; the limit that a file meets first is that of CPU time in pdf_child
_CHUNK_BYTES = 1 << 16
_ENVIRONMENT = ("PATH", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH")
_OUT_OF_TIME = getattr(signal, "SIGPROF", None)
_CRASHES = tuple(getattr(signal, name) for name in ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE") if hasattr(signal, name))


class PdfChecker:
    """Whether files are whole PDFs; safe to call from several threads, one file is looked at at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()
        self._closed = False

    def check(self, file: BinaryIO) -> int:
        """Return the number of pages of a whole PDF.

        Raises:
            UnusableFileError: it is none, or could not be looked at now.
            OddFileError: begins and ends as a PDF, but cannot be opened within the limits, is locked or has no page.
            DiplomaArchiveError: no process can be started; fatal.
        """
        check_ends(file)
        with self._one_at_a_time:
            process = self._process or self._start()
            self._process = process
            watch = threading.Timer(WAIT_SECONDS, process.kill)
            watch.daemon = True
            watch.start()
            try:
                answer = self._ask(process, file)
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
        return int(str(answer["pages"]))

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
        if process.stdout is None or process.stdout.readline() != READY:
            self._stop()
            raise _cannot_start()
        return process

    @staticmethod
    def _ask(process: subprocess.Popen[bytes], file: BinaryIO) -> dict[str, object] | None:
        """Return the answer about one file, or None where the process ended over it."""
        if process.stdin is None or process.stdout is None:
            raise AssertionError("started with pipes")
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(size.to_bytes(SIZE_BYTES, "big"))
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
