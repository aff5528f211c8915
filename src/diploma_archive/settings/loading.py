"""Reads the settings of DESIGN.md section 10, checked once at the start; no value is ever echoed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from diploma_archive.errors import SettingsError
from diploma_archive.settings.archive import ArchiveSettings, S3Access
from diploma_archive.settings.erasure_credentials import ErasureSettings
from diploma_archive.settings.frontcore import FrontCoreSettings
from diploma_archive.settings.sources import (
    AWS_SECRETS,
    ENV_FILE,
    HANDED_ON,
    check_names,
    given,
    known_names,
    secret_of,
)

SettingsT = TypeVar("SettingsT", bound=BaseSettings)
_from_files: set[str] = set()  # AWS names that were handed to boto3 from a file
_KNOWN = known_names((FrontCoreSettings, ArchiveSettings, ErasureSettings))


@dataclass(frozen=True)
class Settings:
    """All settings of one run."""

    frontcore: FrontCoreSettings
    archive: ArchiveSettings
    s3: S3Access = field(default_factory=S3Access)

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
        _hand_names_on()
        where = _load(ArchiveSettings, "ARCHIVE_", problems, archive)
        problems += check_names(_KNOWN) if archive is None else []
    if where is None or problems:
        raise _wrong_settings(problems, from_block=archive is not None)
    return where, s3 or S3Access()


def load_source_settings() -> FrontCoreSettings:
    """Read the settings of FrontCore alone, for a command that looks at each part by itself.

    Raises:
        SettingsError: a setting is missing or wrong; the text names it.
    """
    problems: list[str] = []
    with _readable_env_file():
        _hand_names_on()
        source = _load(FrontCoreSettings, "FRONTCORE_", problems, None)
        problems += check_names(_KNOWN)
    if source is None or problems:
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

    What `.env` says for others too (`AWS_*`, proxies, authorities) is handed on through the environment where it
    does not have it yet, because boto3 does not read `.env` itself.

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
        _hand_names_on()
        source = _load(FrontCoreSettings, "FRONTCORE_", problems, frontcore)
        where = _load(ArchiveSettings, "ARCHIVE_", problems, archive)
        problems += check_names(_KNOWN) if frontcore is None or archive is None else []
    if source is None or where is None or problems:
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


def _hand_names_on() -> None:
    for name, value in dotenv_values(ENV_FILE).items():
        is_there = {name.lower(), name.upper()} & set(os.environ)  # proxies are spelled in both cases
        if name.upper().startswith(HANDED_ON) and value and not is_there:
            os.environ[name] = value
    values = {name: value for name, value in given().items() if name not in _from_files}
    for name in AWS_SECRETS:
        secret = secret_of(name, values)
        if secret is not None:
            os.environ[name] = secret
            _from_files.add(name)
