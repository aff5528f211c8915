"""Brings chosen diplomas, or the whole archive, out of the bucket into a folder: a BagIt bag or a plain one.

Rules: the bucket is only read; everything is checked while it is read; one bad object never stops the others; and what
was begun can be gone on with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from diploma_archive.export.chosen_records import Choice
from diploma_archive.export.export_folder import plain_disk_errors
from diploma_archive.export.export_run import COPIED_FIRST, Export
from diploma_archive.export.target_folder import start_in
from diploma_archive.model.json_document import Document
from diploma_archive.model.keys import NO_PART
from diploma_archive.store.reader import Reader

Layout = Literal["bagit", "plain"]
MAX_PROBLEMS_KEPT = 10_000  # in memory and in `--json`; `not-exported.csv` has all of them


@dataclass(frozen=True)
class Exported:
    """What an export did; sizes in bytes."""

    folder: Path
    diplomas: int
    records: int
    objects: int
    bytes: int
    problems: int
    not_exported: tuple[tuple[str, str], ...]  # key and reason, MAX_PROBLEMS_KEPT at the most
    not_found: tuple[str, ...]  # options that nothing fits: `--certificate ABC123456`

    @property
    def is_complete(self) -> bool:
        """Return whether all that was asked for is there."""
        return not self.problems and not self.not_found


def export(
    reader: Reader,
    choice: Choice,
    to: Path,
    *,
    layout: Layout,
    workers: int,
    tell: Callable[[int], None],
    certificates: bytes | None = None,
) -> Exported:
    """Bring what was chosen into a folder; what an earlier call brought there is not read again.

    Args:
        to: a new or empty folder, or one with an export of the same archive and choice.
        workers: how many requests may be under way at once.
        tell: is told how many objects are done.
        certificates: those of the time-stamping service (PEM), for whoever checks the export.

    Raises:
        SettingsError: the folder holds something else.
        StoreError: S3 is out of reach.
        DiplomaArchiveError: the folder cannot be written to.
    """
    selection: Document = {"kind": "export", **choice.to_document()}
    with begin(reader, to, selection, layout=layout, workers=workers, tell=tell, certificates=certificates) as work:
        if choice.everything:
            for below in COPIED_FIRST:
                work.copy_rows(row for row in reader.list(below) if not row.key.startswith(NO_PART))
        work.copy_chosen(choice)
        if choice.everything or not work.is_empty:
            work.copy_identity()
            if choice.everything:
                work.copy_rest()
            work.finish()
        return exported(work, to, choice)


@contextmanager
def begin(
    reader: Reader,
    to: Path,
    selection: Document,
    *,
    layout: Layout,
    workers: int,
    tell: Callable[[int], None],
    certificates: bytes | None = None,
) -> Iterator[Export]:
    """Begin an export, or go on with one, and tidy up when it is done; after an error everything is left as it is.

    Raises:
        SettingsError: the folder holds something else than an export of this archive and selection.
        DiplomaArchiveError: the folder cannot be written to.
    """
    with plain_disk_errors(to):
        start = start_in(reader, to, selection, layout)
        ledger = start.open_ledger()
        try:
            yield Export(reader, start, ledger, workers, tell, certificates)
        finally:
            ledger.close()
        start.tidy_up()


def exported(work: Export, to: Path, choice: Choice) -> Exported:
    """Return what an export did."""
    ledger = work.ledger
    return Exported(
        folder=to,
        diplomas=ledger.count("diplomas"),
        records=ledger.count("records"),
        objects=ledger.count("objects"),
        bytes=ledger.count("bytes"),
        problems=ledger.count("problems"),
        not_exported=tuple(ledger.problems(MAX_PROBLEMS_KEPT)),
        not_found=tuple(work.not_found(choice)),
    )
