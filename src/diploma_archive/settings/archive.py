"""Where the archive lies, what it keeps, and how S3 is reached (DESIGN.md section 10)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from diploma_archive.model.source_items import OMITTABLE_FIELDS
from diploma_archive.settings.checks import (
    check_bucket,
    check_lock_mode,
    check_object_lock,
    check_prefix,
    check_retain_years,
    check_suppression_key,
    check_timestamp_url,
)
from diploma_archive.settings.comma_separated import CommaSeparated, split_commas
from diploma_archive.settings.sources import EnvironmentSettings


class ArchiveSettings(EnvironmentSettings):
    """Where the archive lies and what it keeps (`ARCHIVE_*`)."""

    model_config = SettingsConfigDict(env_prefix="ARCHIVE_")

    bucket: str
    prefix: str = ""
    omit_fields: CommaSeparated = ("user.national_identification_number",)
    max_pdf_bytes: int = Field(default=25_000_000)
    concurrency: int = Field(default=8)
    catalogue: Path | None = None
    suppression_key: SecretStr | None = None
    signing_key: SecretStr | None = None  # Ed25519: PEM, or the path of a PEM file
    timestamp_url: str | None = None
    timestamp_certificates: Path | None = None
    object_lock_mode: str | None = None
    retain_years: int | None = None
    object_lock_compliance_confirmed: str = ""

    _suppression_key = field_validator("suppression_key", mode="after")(check_suppression_key)
    _timestamp_url = field_validator("timestamp_url", mode="after")(check_timestamp_url)
    _lock_mode = field_validator("object_lock_mode", mode="after")(check_lock_mode)
    _retain_years = field_validator("retain_years", mode="after")(check_retain_years)

    @model_validator(mode="after")
    def _whole_object_lock(self) -> Self:
        check_object_lock(self.object_lock_mode, self.retain_years, self.object_lock_compliance_confirmed)
        return self

    @field_validator("omit_fields", mode="before")
    @classmethod
    def _blank_is_the_default(cls, value: object) -> object:
        # A variable that was left blank must never mean that national numbers are kept.
        return split_commas(value) or cls.model_fields["omit_fields"].default

    _bucket = field_validator("bucket", mode="after")(check_bucket)
    _prefix = field_validator("prefix", mode="after")(check_prefix)

    @field_validator("omit_fields", mode="after")
    @classmethod
    def _known_fields(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # A misspelt field would keep personal data that somebody meant to leave out.
        if value == ("none",):
            return ()
        unknown = [field for field in value if field not in OMITTABLE_FIELDS]
        if unknown:
            raise ValueError(
                "names a field that does not exist or cannot be left out; use names such as user.email, "
                "separated by commas, or none"
            )
        return value

    @field_validator("max_pdf_bytes", mode="after")
    @classmethod
    def _sane_cap(cls, value: int) -> int:
        if not 1_000 <= value <= 1_000_000_000:
            raise ValueError("must be a number of bytes between 1000 and 1000000000")
        return value

    @field_validator("concurrency", mode="after")
    @classmethod
    def _sane_concurrency(cls, value: int) -> int:
        if not 1 <= value <= 64:
            raise ValueError("must be a whole number from 1 to 64")
        return value


@dataclass(frozen=True)
class S3Access:
    """How to reach S3; what is None is left to boto3's own chain, so that IAM roles and profiles work."""

    endpoint_url: str | None = None
    region: str | None = None
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    profile: str | None = None
