"""The credentials of `erase` (`ERASURE_*`), which are never those of the runs.

Rule: without credentials of its own nothing is erased; the archiver's are not taken instead, even where they would do.
"""

from __future__ import annotations

from pydantic import SecretStr, ValidationError

from diploma_archive.errors import SettingsError
from diploma_archive.settings.archive import ArchiveSettings, S3Access
from diploma_archive.settings.checks import MAKE_SUPPRESSION_KEY
from diploma_archive.settings.erasure_credentials import ErasureSettings
from diploma_archive.settings.loading import load_archive_settings, setting_problems


def load_erasure_settings() -> tuple[ArchiveSettings, S3Access, SecretStr]:
    """Return where the archive lies, the credentials that may delete, and the secret of the suppression marks.

    Raises:
        SettingsError: a setting is missing or wrong; the text names it.
    """
    where, _ = load_archive_settings()
    try:
        access = ErasureSettings().as_access()
    except ValidationError as error:
        raise SettingsError(
            "; ".join(setting_problems(error, "ERASURE_")), fix="Put it right and start again"
        ) from None
    if where.suppression_key is None:
        raise SettingsError(
            "ARCHIVE_SUPPRESSION_KEY is missing; with it erase makes the mark that keeps a person out of later runs",
            fix=f"Make one with {MAKE_SUPPRESSION_KEY}, keep it where the other secrets are, and give it to every run",
        )
    return where, access, where.suppression_key
