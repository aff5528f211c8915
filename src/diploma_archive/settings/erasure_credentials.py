"""The credentials of `erase` (`ERASURE_*`), which are never those of the runs."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from diploma_archive.errors import SettingsError
from diploma_archive.settings.archive import S3Access
from diploma_archive.settings.sources import EnvironmentSettings


class ErasureSettings(EnvironmentSettings):
    """Who may delete: an access key, with the token of its session if it has one, or a profile of the AWS files."""

    model_config = SettingsConfigDict(env_prefix="ERASURE_")

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
