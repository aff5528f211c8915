"""The credentials of `erase` (`ERASURE_*`), which are never those of the runs.

Rule: without credentials of its own nothing is erased; the archiver's are not taken instead, even where they would do.
"""

from __future__ import annotations

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from diploma_archive.errors import SettingsError
from diploma_archive.settings.archive import ArchiveSettings, S3Access
from diploma_archive.settings.checks import MAKE_SUPPRESSION_KEY
from diploma_archive.settings.loading import load_archive_settings, setting_problems


class ErasureSettings(BaseSettings):
    """Who may delete: an access key, with the token of its session if it has one, or a profile of the AWS files."""

    model_config = SettingsConfigDict(
        env_prefix="ERASURE_", env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    aws_access_key_id: SecretStr | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None
    aws_profile: str | None = None

    def as_access(self) -> S3Access:
        """Return how to reach S3 with these credentials; region and endpoint are those of the runs.

        Raises:
            SettingsError: they are missing, not complete, or there are two kinds of them.
        """
        if self.aws_profile and (self.aws_access_key_id or self.aws_secret_access_key):
            raise SettingsError(
                "ERASURE_AWS_PROFILE and ERASURE_AWS_ACCESS_KEY_ID exclude each other", fix="Leave one of them out"
            )
        if not self.aws_profile and not (self.aws_access_key_id and self.aws_secret_access_key):
            raise SettingsError(
                "erase needs credentials of its own: ERASURE_AWS_ACCESS_KEY_ID and ERASURE_AWS_SECRET_ACCESS_KEY (with "
                "ERASURE_AWS_SESSION_TOKEN where they have one), or ERASURE_AWS_PROFILE",
                fix="Set them for this one command; deployments/iam/eraser.json is their policy",
            )
        return S3Access(
            access_key_id=self.aws_access_key_id,
            secret_access_key=self.aws_secret_access_key,
            session_token=self.aws_session_token,
            profile=self.aws_profile,
        )


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
