"""The outcomes of a run on their way to its report, in a temporary file, so that memory stays flat."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any, BinaryIO, cast

from diploma_archive.model.outcome import Finding
from diploma_archive.model.size_limits import REPORT_LINE_BYTES

MOST_TEXT = 10_000  # characters of an error, where a line would be too long
SPOOL_BYTES = 1_000_000


@dataclass(frozen=True)
class SpooledFile:
    """A finished file: at its start, with hex digests and size in bytes."""

    file: BinaryIO
    sha256: str
    md5: str
    size: int


class Spool:
    """Findings on their way to the run report, kept in a file so that memory stays flat."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115  closed by close()
        self._lines = 0

    def add(self, finding: Finding) -> None:
        """Keep one finding, as much of it as a reader of the report would believe."""
        line = finding.to_line()
        if len(line) > REPORT_LINE_BYTES:
            line = replace(finding, error=(finding.error or "")[:MOST_TEXT], conflict=None).to_line()
        self._file.write(line + b"\n")
        self._lines += 1

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @contextmanager
    def finished(self, head: dict[str, Any]) -> Iterator[SpooledFile]:
        """Give the whole report, `head` and then `outcomes`, as one file of JSON."""
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as report:
            for part in self._parts(head):
                sha256.update(part)
                md5.update(part)
                size += len(part)
                report.write(part)
            report.seek(0)
            yield SpooledFile(cast("BinaryIO", report), sha256.hexdigest(), md5.hexdigest(), size)

    def _parts(self, head: dict[str, Any]) -> Iterator[bytes]:
        opening = json.dumps(head, indent=2, ensure_ascii=True).removesuffix("\n}")
        yield f'{opening},\n  "outcomes": ['.encode("ascii")
        self._file.seek(0)
        for number, line in enumerate(self._file):
            yield (b"\n    " if number == 0 else b",\n    ") + line.rstrip(b"\n")
        yield b"\n  ]\n}\n" if self._lines else b"]\n}\n"
