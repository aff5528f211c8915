"""One look at everything before the first run: this machine, FrontCore, the bucket, Prefect.

Rule: what can be looked at is looked at, also where something else is wrong; nothing here ends in an error.
"""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pypdf import PdfWriter

from diploma_archive.archive.health.checks import bucket_checks
from diploma_archive.checkup import Check, Result, from_error, ok, problem, warning
from diploma_archive.errors import DiplomaArchiveError, SettingsError, unexpected
from diploma_archive.frontcore.doctor_checks import setting_checks, source_checks
from diploma_archive.pdf_checker import PdfChecker
from diploma_archive.prefect_server import prefect_checks
from diploma_archive.settings import (
    ArchiveSettings,
    FrontCoreSettings,
    S3Access,
    load_archive_settings,
    load_source_settings,
)

T = TypeVar("T")
SPARE_BYTES = 500_000_000  # for the run report of a large account, beside the downloads under way


@dataclass
class Examination:
    """What was seen so far."""

    checks: list[Check] = field(default_factory=list)
    wrong_settings: list[SettingsError] = field(default_factory=list)

    def count(self, result: Result) -> int:
        """Return how many checks ended so."""
        return sum(check.result is result for check in self.checks)

    def sentence(self) -> str:
        """Return the result as a person reads it: `2 problems, 1 warning, 20 ok`."""
        counts = {result: self.count(result) for result in Result}
        counted = (Result.WARNING, Result.PROBLEM)
        parts = [f"{n} {result.value}{'s' * (n > 1 and result in counted)}" for result, n in counts.items() if n]
        return ", ".join(parts)

    def raise_wrong_settings(self) -> None:
        """Raise where settings are missing or wrong, naming all of them.

        Raises:
            SettingsError: they are.
        """
        if self.wrong_settings:
            raise SettingsError("; ".join(error.what for error in self.wrong_settings), fix=self.wrong_settings[0].fix)

    def to_document(self) -> dict[str, Any]:
        """Return everything as `--json` prints it."""
        return {
            "checks": [check.to_document() for check in self.checks],
            **{result.value.replace(" ", "_"): self.count(result) for result in Result},
        }


def examine(*, write: bool, observe: Callable[[Check], None] = lambda _: None) -> Examination:
    """Look at everything, and return what was seen.

    Args:
        write: whether to try out writing to the bucket, with probe objects.
        observe: is told of each check as it is made.
    """
    examination = Examination()

    def keep(checks: Iterator[Check]) -> None:
        try:
            for check in checks:
                examination.checks.append(check)
                observe(check)
        except Exception as error:  # noqa: BLE001  what nobody thought of is one more problem, and no end
            keep(iter([from_error("doctor", unexpected(error))]))

    source = _loaded(load_source_settings, "FrontCore settings", examination, keep)
    archive = _loaded(load_archive_settings, "bucket settings", examination, keep)
    where, access = archive or (None, S3Access())
    keep(_machine_checks(where))
    if source is not None:
        keep(_source_checks(source))
    if where is not None:
        keep(bucket_checks(where, access, source.account if source else None, write=write))
    keep(prefect_checks(source, where))
    return examination


def _loaded(
    load: Callable[[], T], name: str, examination: Examination, keep: Callable[[Iterator[Check]], None]
) -> T | None:
    try:
        loaded = load()
    except SettingsError as error:
        examination.wrong_settings.append(error)
        keep(iter([from_error(name, error)]))
        return None
    keep(iter([ok(name, "complete")]))
    return loaded


def _source_checks(source: FrontCoreSettings) -> Iterator[Check]:
    yield from setting_checks(source)
    yield from asyncio.run(source_checks(source))


def _machine_checks(where: ArchiveSettings | None) -> Iterator[Check]:
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
    """A PDF of one blank page goes the way that each download goes."""
    page = io.BytesIO()
    with PdfWriter() as writer:
        writer.add_blank_page(72, 72)
        writer.write(page)
    page.seek(0)
    try:
        with closing(PdfChecker()) as checker:
            pages = checker.check(page)
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
