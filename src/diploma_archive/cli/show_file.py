"""What `show` does with a PDF: verifies it while reading, saves it, or makes a link to it.

Rule: each PDF that was asked for leaves a check behind, good or bad; nothing is saved or linked that is not there as it
was archived.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from diploma_archive.cli.output_file import save, target_of
from diploma_archive.cli.show_text import FileCheck, Shown
from diploma_archive.errors import IntegrityError, Kind, ObjectRefusedError, StoreError
from diploma_archive.export.file_names import stem
from diploma_archive.model.record import ArchivedFile
from diploma_archive.search.dossier import Held, Revision, check_there, read_file, versioned
from diploma_archive.settings.archive import ArchiveSettings, S3Access
from diploma_archive.store.presigned_link import presigned_link
from diploma_archive.store.reader import Reader


def look_at(reader: Reader, what: Shown, held: Held, chosen: Revision) -> None:
    """Read the PDF of a revision and verify it.

    Raises:
        StoreError: S3 failed as a whole.
    """

    def read_through(file: ArchivedFile) -> None:
        read_file(reader, file)

    _check(what, held, chosen, read_through, verifies=True)


def look_at_newest(reader: Reader, what: Shown, held: Held) -> None:
    """Read and verify the PDF of the current revision, or the one that was archived before it was withdrawn.

    Raises:
        StoreError: S3 failed as a whole.
    """
    with_file = [one for one in held.revisions if one.content.file is not None]
    if with_file or held.current.content.status == "issued":
        look_at(reader, what, held, with_file[0] if with_file else held.current)


def save_file(reader: Reader, what: Shown, held: Held, chosen: Revision, out: Path, *, overwrite: bool) -> None:
    """Save the PDF of a revision, verified while it is written.

    Raises:
        SettingsError: it cannot be written there.
        StoreError: S3 failed as a whole.
    """

    def save_it(file: ArchivedFile) -> None:
        target = target_of(out, _file_name(chosen), overwrite=overwrite)
        save(target, partial(read_file, reader, file), overwrite=overwrite)
        what.saved = str(target)

    _check(what, held, chosen, save_it, verifies=True)


def link_to_file(
    reader: Reader, what: Shown, held: Held, chosen: Revision, where: ArchiveSettings, access: S3Access, minutes: int
) -> None:
    """Make a link to the PDF of a revision, after a look that it is there.

    Raises:
        SettingsError: it would work for too long.
        StoreError: S3 failed as a whole.
    """

    def link_it(file: ArchivedFile) -> None:
        check_there(reader, file)
        what.link = presigned_link(where, file.key, minutes=minutes, file_name=_file_name(chosen), access=access)
        what.minutes = minutes

    _check(what, held, chosen, link_it, verifies=False)


def _check(
    what: Shown, held: Held, chosen: Revision, handle: Callable[[ArchivedFile], None], *, verifies: bool
) -> None:
    check = what.checks[held.current.content.key] = FileCheck(chosen)
    file = chosen.content.file
    if file is None:
        older = next((versioned(one.content) for one in held.revisions if one.content.file is not None), None)
        fix = f". --revision {older} has the one that was archived before" if older else ""
        check.error = f"revision {versioned(chosen.content)} ({chosen.content.status}) has none{fix}."
        return
    try:
        handle(file)
        check.verified = True if verifies else None
    except StoreError as error:
        if error.kind is Kind.FATAL and not isinstance(error, ObjectRefusedError):
            raise
        check.verified = False if isinstance(error, IntegrityError) else None
        check.error = error.diagnostics()


def _file_name(chosen: Revision) -> str:
    content = chosen.content
    return f"{stem(content.serial, content.certificate_number, content.diploma_id)}.pdf"
