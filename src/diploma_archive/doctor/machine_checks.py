"""What `doctor` says of this machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from diploma_archive.errors import DiplomaArchiveError
from diploma_archive.model.doctor_check import Check, from_error, ok, problem, warning
from diploma_archive.pdf.checker import PdfChecker
from diploma_archive.pdf.sample import one_page
from diploma_archive.settings.archive import ArchiveSettings

SPARE_BYTES = 500_000_000  # for the run report of a large account, beside the downloads under way


def machine_checks(where: ArchiveSettings | None) -> Iterator[Check]:
    """Yield what is to be said of this machine: room for downloads, the process that opens PDFs, time zones."""
    yield _temporary_folder(where)
    yield _pdf_checker()
    yield _time_zones()


def _temporary_folder(where: ArchiveSettings | None) -> Check:
    name, fix = "temporary folder", "Set TMPDIR to a folder with room that this user may write to"
    try:
        folder = tempfile.gettempdir()
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"diploma-archive doctor")
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return problem(name, f"cannot be written to ({error.strerror or type(error).__name__})", fix)
    asked = os.environ.get("TMPDIR")
    if asked and Path(asked).resolve() != Path(folder).resolve():
        return warning(name, "TMPDIR is not usable, so the system's own folder is used", fix)
    needed = where.concurrency * where.max_pdf_bytes if where else 0
    seen = f"{free / 1e9:.1f} GB free"
    if free < needed:
        return problem(name, f"{seen}; the downloads under way may need {needed / 1e9:.1f} GB", fix)
    if free < needed + SPARE_BYTES:
        return warning(name, f"{seen}, which is little", fix)
    return ok(name, seen)


def _pdf_checker() -> Check:
    """A PDF of one page goes the way that each download goes."""
    try:
        with closing(PdfChecker()) as checker:
            pages = checker.check(one_page()).pages
    except DiplomaArchiveError as error:
        return from_error("PDF checker", error)
    if pages != 1:
        return problem("PDF checker", f"sees {pages} pages in a PDF of one", "Reinstall diploma-archive")
    return ok("PDF checker", "starts, and reads a PDF")


def _time_zones() -> Check:
    summer = datetime(2026, 7, 1, tzinfo=UTC)
    try:
        offset = summer.astimezone(ZoneInfo("Europe/Oslo")).utcoffset()
    except (ZoneInfoNotFoundError, OSError, ValueError):
        offset = None
    if offset != timedelta(hours=2):
        return problem("time zone data", "Europe/Oslo is missing or wrong", "pip install tzdata")
    return ok("time zone data", "Europe/Oslo is there")
