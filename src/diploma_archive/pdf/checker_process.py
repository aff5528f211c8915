"""The process in which PDFs are opened: it has no secrets, and the system ends it when a file asks for too much.

Rule: one file after the other from standard input (a line of JSON, then the bytes), one line of JSON for each; after a
file that is no good diploma it ends, so that nothing of it is left for the next one. No text of a file comes out.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from diploma_archive.errors import OddFileError
from diploma_archive.model.file_oddities import Names
from diploma_archive.model.quarantine_note import ANOTHERS_REASON
from diploma_archive.pdf.named_in_text import Holder, OtherNumbers, is_anothers, named_in
from diploma_archive.pdf.viewer_rules import look_at

CPU_SECONDS = 2.0  # a diploma takes milliseconds
MEMORY_BYTES = 100_000_000  # beyond what the process needs by itself
READY = b"ready\n"
_SPOOL_BYTES = 1_000_000
_CHUNK_BYTES = 1 << 16


def main() -> None:
    """Check files until standard input ends."""
    # Before the limit is taken, so that the limit is for files alone.
    import pypdfium2  # noqa: F401, PLC0415

    _limit_memory()
    commands, answers = sys.stdin.buffer, sys.stdout.buffer
    answers.write(READY)
    answers.flush()
    others = OtherNumbers()
    while line := commands.readline():
        asked = json.loads(line)
        for digest, user_id in asked["numbers"]:
            others.note(digest, user_id)
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as file:
            _copy(commands, file, asked["size"])  # type: ignore[arg-type]
            answer = _checked(file, Holder(**asked["holder"]), others)  # type: ignore[arg-type]
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()
        if "odd" in answer:
            return


def _checked(file: BinaryIO, holder: Holder, others: OtherNumbers) -> dict[str, object]:
    _limit_time(CPU_SECONDS)
    try:
        seen = look_at(file)
        names = named_in(seen.text, holder)
        if names is Names.NOTHING and is_anothers(seen.text, holder, others):
            raise OddFileError(ANOTHERS_REASON)
        return {"pages": seen.pages, "has_blank_side": seen.has_blank_side, "names": names.value}
    except OddFileError as error:
        return {"odd": error.what}
    except MemoryError:
        return {"odd": "the PDF needs too much memory to be opened"}
    finally:
        _limit_time(0)


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size:
        chunk = source.read(min(size, _CHUNK_BYTES))
        if not chunk:
            sys.exit()  # the program is gone
        target.write(chunk)
        size -= len(chunk)
    target.seek(0)


def _limit_time(seconds: float) -> None:
    """Let the system end this process after so many seconds of CPU time, whatever it is busy with."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit_memory() -> None:
    try:
        import resource  # noqa: PLC0415

        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except (ImportError, OSError):
        return  # not on this system; the limit on time is left
    used = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:")), 0)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY_BYTES, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
