"""One look at everything before the first run: this machine, FrontCore, the bucket, Prefect.

Rule: what can be looked at is looked at, also where something else is wrong; nothing here ends in an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from diploma_archive.doctor.archive_check import archive_check, cursor_check
from diploma_archive.doctor.machine_checks import machine_checks
from diploma_archive.errors import SettingsError, unexpected
from diploma_archive.frontcore.doctor_checks import setting_checks, source_checks
from diploma_archive.model.doctor_check import Check, Result, from_error, ok
from diploma_archive.settings.archive import S3Access
from diploma_archive.settings.frontcore import FrontCoreSettings
from diploma_archive.settings.loading import load_archive_settings, load_source_settings
from diploma_archive.store.doctor_checks import bucket_checks
from diploma_archive.store.reader import Reader
from diploma_archive.web.prefect_server import prefect_checks

T = TypeVar("T")


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
    keep(machine_checks(where))
    if source is not None:
        keep(_source_checks(source))
    if where is not None:
        account = source.account if source else None
        keep(bucket_checks(where, access, write=write, look_inside=lambda reader: _look_inside(reader, account)))
    keep(prefect_checks(source, where))
    return examination


def _look_inside(reader: Reader, account: str | None) -> Iterator[Check]:
    yield archive_check(reader, account)
    yield cursor_check(reader)


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
