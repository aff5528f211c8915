"""The settings of DESIGN.md section 10, checked once at the start; no value is ever echoed."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from diploma_archive.errors import SettingsError
from diploma_archive.models import OMITTABLE_FIELDS
from diploma_archive.setting_checks import (
    check_base_url,
    check_bucket,
    check_hosts,
    check_lock_mode,
    check_object_lock,
    check_prefix,
    check_retain_years,
    check_suppression_key,
)

FRONTCORE_HOST = "api.frontcore.com"
FRONTCORE_REQUESTS_PER_SECOND = 5.0  # per account, shared with its other integrations (FRONTCORE.md)

SettingsT = TypeVar("SettingsT", bound=BaseSettings)

CommaSeparated = Annotated[tuple[str, ...], NoDecode]


def _split_commas(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class FrontCoreSettings(BaseSettings):
    """How to reach one FrontCore account (`FRONTCORE_*`)."""

    model_config = SettingsConfigDict(
        env_prefix="FRONTCORE_", env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    api_key: SecretStr
    account: str = "default"
    base_url: str = "https://api.frontcore.com/v2"
    requests_per_second: float = 4.0
    link_ttl_seconds: int = 900
    download_hosts: CommaSeparated = ()

    _split = field_validator("download_hosts", mode="before")(_split_commas)

    @field_validator("api_key", mode="after")
    @classmethod
    def _usable_key(cls, value: SecretStr) -> SecretStr:
        key = value.get_secret_value().strip()
        if not key:
            raise ValueError("is blank; set it to the API key of your FrontCore account")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError("holds characters that no key has; copy the key again from FrontCore")
        return SecretStr(key)

    @field_validator("account", mode="after")
    @classmethod
    def _plain_account(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value.strip()):
            raise ValueError("must be a short name of letters, digits, dots, dashes and underscores")
        return value.strip()

    _base_url = field_validator("base_url", mode="after")(check_base_url)

    @field_validator("requests_per_second", mode="after")
    @classmethod
    def _positive_rate(cls, value: float) -> float:
        if not math.isfinite(value) or value <= 0:
            raise ValueError("must be a number above 0, for example 4")
        return value

    @field_validator("link_ttl_seconds", mode="after")
    @classmethod
    def _positive_ttl(cls, value: int) -> int:
        if value <= 0:
            raise ValueError("must be a whole number of seconds above 0, for example 900")
        return value

    @model_validator(mode="after")
    def _within_the_source_limit(self) -> Self:
        at_frontcore = (urlsplit(self.base_url).hostname or "").rstrip(".") == FRONTCORE_HOST
        if at_frontcore and self.requests_per_second > FRONTCORE_REQUESTS_PER_SECOND:
            raise ValueError("requests_per_second: must not be above 5, the limit of api.frontcore.com")
        return self

    @property
    def allowed_hosts(self) -> frozenset[tuple[str, int]]:
        """Return host and port of each place that diplomas may be downloaded from."""
        base = urlsplit(self.base_url)
        default_port = 443 if base.scheme == "https" else 80
        if not self.download_hosts:
            return frozenset({(base.hostname or "", base.port or default_port)})
        hosts = set()
        for entry in self.download_hosts:
            parts = urlsplit(f"//{entry}")
            hosts.add((parts.hostname or "", parts.port or default_port))
        return frozenset(hosts)

    _hosts = field_validator("download_hosts", mode="after")(check_hosts)


class ArchiveSettings(BaseSettings):
    """Where the archive lies and what it keeps (`ARCHIVE_*`)."""

    model_config = SettingsConfigDict(
        env_prefix="ARCHIVE_", env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    bucket: str
    prefix: str = ""
    omit_fields: CommaSeparated = ("user.national_identification_number",)
    max_pdf_bytes: int = Field(default=25_000_000)
    concurrency: int = Field(default=8)
    catalogue: Path | None = None
    suppression_key: SecretStr | None = None
    object_lock_mode: str | None = None
    retain_years: int | None = None
    object_lock_compliance_confirmed: str = ""

    _suppression_key = field_validator("suppression_key", mode="after")(check_suppression_key)
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
        return _split_commas(value) or cls.model_fields["omit_fields"].default

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


@dataclass(frozen=True)
class Settings:
    """All settings of one run."""

    frontcore: FrontCoreSettings
    archive: ArchiveSettings
    s3: S3Access = S3Access()

    def at_rate(self, requests_per_second: float) -> Settings:
        """Return the same settings with another rate, for a run that has leased a share of the account's."""
        return replace(self, frontcore=self.frontcore.model_copy(update={"requests_per_second": requests_per_second}))


def load_archive_settings(
    archive: Mapping[str, Any] | None = None, s3: S3Access | None = None
) -> tuple[ArchiveSettings, S3Access]:
    """Read the settings of the bucket alone, for commands that do not ask FrontCore.

    Args:
        archive: all fields of `ArchiveSettings`, where a Prefect block has them.
        s3: how to reach S3, likewise.

    Raises:
        SettingsError: a setting is missing or wrong; the text names it.
    """
    problems: list[str] = []
    with _readable_env_file():
        _hand_aws_names_to_boto3()
        where = _load(ArchiveSettings, "ARCHIVE_", problems, archive)
    if where is None:
        raise _wrong_settings(problems, from_block=archive is not None)
    return where, s3 or S3Access()


def load_source_settings() -> FrontCoreSettings:
    """Read the settings of FrontCore alone, for a command that looks at each part by itself.

    Raises:
        SettingsError: a setting is missing or wrong; the text names it.
    """
    problems: list[str] = []
    with _readable_env_file():
        source = _load(FrontCoreSettings, "FRONTCORE_", problems, None)
    if source is None:
        raise _wrong_settings(problems, from_block=False)
    return source


_MISSING_HINTS = {
    "FRONTCORE_API_KEY": "is missing; set it to the API key of your FrontCore account",
    "ARCHIVE_BUCKET": "is missing; set it to the name of your S3 bucket",
}


def load_settings(
    frontcore: Mapping[str, Any] | None = None, archive: Mapping[str, Any] | None = None, s3: S3Access | None = None
) -> Settings:
    """Read the settings from the environment and `.env`, or from values that were kept elsewhere.

    `AWS_*` names in `.env` are handed to boto3 through the environment where it does not have them yet,
    because boto3 does not read `.env` itself.

    Args:
        frontcore: all fields of `FrontCoreSettings`, where a Prefect block has them.
        archive: all fields of `ArchiveSettings`, likewise.
        s3: how to reach S3, likewise.

    Returns:
        The checked settings.

    Raises:
        SettingsError: one or more settings are missing or wrong; the text names each of them.
    """
    problems: list[str] = []
    with _readable_env_file():
        _hand_aws_names_to_boto3()
        source = _load(FrontCoreSettings, "FRONTCORE_", problems, frontcore)
        where = _load(ArchiveSettings, "ARCHIVE_", problems, archive)
    if source is None or where is None:
        raise _wrong_settings(problems, from_block=bool(frontcore or archive))
    return Settings(source, where, s3 or S3Access())


@contextmanager
def _readable_env_file() -> Iterator[None]:
    try:
        yield
    except (UnicodeDecodeError, OSError):
        raise SettingsError(
            "the file .env cannot be read", fix="Save it as UTF-8 text, readable for this user"
        ) from None


def _wrong_settings(problems: list[str], *, from_block: bool) -> SettingsError:
    place = "the Prefect block" if from_block else "the environment or in .env"
    return SettingsError("; ".join(problems), fix=f"Put it right in {place} and start again")


def _load(
    kind: type[SettingsT], prefix: str, problems: list[str], values: Mapping[str, Any] | None
) -> SettingsT | None:
    try:
        return kind(**values) if values is not None else kind()
    except ValidationError as error:
        problems.extend(setting_problems(error, prefix))
        return None


def setting_problems(error: ValidationError, prefix: str) -> list[str]:
    """Return one sentence for each wrong setting in a pydantic error, naming settings and no values."""
    return [_problem(dict(detail), prefix) for detail in error.errors(include_input=False, include_url=False)]


def _problem(detail: dict[str, Any], prefix: str) -> str:
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["loc"]:
        name = f"{prefix}{detail['loc'][0]}".upper()
    else:
        field, _, message = message.partition(": ")
        name = f"{prefix}{field}".upper()
    if detail["type"] == "missing":
        return f"{name} {_MISSING_HINTS.get(name, 'is missing')}"
    if detail["type"] in ("int_parsing", "int_type", "int_from_float"):
        return f"{name} must be a whole number"
    if detail["type"] in ("float_parsing", "float_type"):
        return f"{name} must be a number above 0, for example 4"
    return f"{name} {message[0].lower()}{message[1:]}"


def _hand_aws_names_to_boto3() -> None:
    dotenv = Path(".env")
    if dotenv.is_file():
        for name, value in dotenv_values(dotenv).items():
            if name.startswith("AWS_") and value:
                os.environ.setdefault(name, value)
