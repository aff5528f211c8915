"""Where settings come from beside the environment: secrets in files, as Docker and Kubernetes mount them.

Rule: a name that begins as ours do and is none of ours is never ignored in silence; no value is ever echoed.
"""

from __future__ import annotations

import difflib
import logging
import os
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from diploma_archive.errors import SettingsError

ENV_FILE = ".env"
OUR_PREFIXES = ("FRONTCORE_", "ARCHIVE_", "ERASURE_")
# What `.env` says for others too: for boto3, and for whatever else speaks to the outside.
HANDED_ON = ("AWS_", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
AWS_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
MOST_BYTES = 10_000  # of a file with a secret

log = logging.getLogger("diploma_archive.settings")
_said: set[str] = set()


class EnvironmentSettings(BaseSettings):
    """Settings of the environment and of `.env`; a secret may also lie in the file that `{NAME}_FILE` names."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add the files with secrets behind the environment."""
        return init_settings, env_settings, dotenv_settings, SecretFiles(settings_cls)


class SecretFiles(PydanticBaseSettingsSource):
    """Reads `{NAME}_FILE` for each setting that is a secret."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return a secret, or None where no file is named.

        Raises:
            SettingsError: see `secret_of`.
        """
        prefix = str(self.config.get("env_prefix", "")).upper()
        is_secret = SecretStr in (field.annotation, *typing.get_args(field.annotation))
        return secret_of(f"{prefix}{field_name.upper()}", given()) if is_secret else None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the secrets that lie in files."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def given() -> dict[str, str]:
    """Return what the environment and `.env` say, by names in capitals; the environment counts more, blanks nothing."""
    kept = {name.upper(): value or "" for name, value in dotenv_values(ENV_FILE).items()}
    there = {name.upper(): value for name, value in os.environ.items()}
    return {name: value for name, value in (kept | {n: v for n, v in there.items() if v}).items() if value}


def secret_of(name: str, values: Mapping[str, str]) -> str | None:
    """Return the secret that lies in the file which `{name}_FILE` names, or None where none is named.

    Raises:
        SettingsError: both are set, or the file cannot be read or is empty.
    """
    named = values.get(f"{name}_FILE")
    if not named:
        return None
    if values.get(name):
        raise SettingsError(f"{name} and {name}_FILE are both set", fix="Leave one of them out")
    try:
        with Path(named).open("rb") as file:
            text = file.read(MOST_BYTES + 1).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError, ValueError):
        raise SettingsError(
            f"the file that {name}_FILE names cannot be read", fix="Check the path, and that this user may read it"
        ) from None
    if not text or len(text) > MOST_BYTES:
        what = "is empty" if not text else "is no secret: it is too long"
        raise SettingsError(f"the file that {name}_FILE names {what}", fix="Put the secret alone into it")
    return text


def known_names(kinds: Iterable[type[EnvironmentSettings]]) -> set[str]:
    """Return the names of all settings of these classes, with the `_FILE` of each secret."""
    names: set[str] = set()
    for kind in kinds:
        prefix = str(kind.model_config.get("env_prefix", "")).upper()
        for name, field in kind.model_fields.items():
            names.add(f"{prefix}{name.upper()}")
            if SecretStr in (field.annotation, *typing.get_args(field.annotation)):
                names.add(f"{prefix}{name.upper()}_FILE")
    return names


def unknown_names(names: Iterable[str], known: set[str]) -> dict[str, str | None]:
    """Return the names that begin as ours do and are none, each with the nearest of ours, where one is near."""
    ours = [name for name in {name.upper() for name in names} if name.startswith(OUR_PREFIXES)]
    return {
        name: next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)), None)
        for name in sorted(ours)
        if name not in known
    }


def check_names(known: set[str]) -> list[str]:
    """Return a sentence for each unknown name in `.env`, which is ours alone; warn once of those in the environment."""
    kept = dotenv_values(ENV_FILE)
    for name, nearest in unknown_names(set(os.environ) - set(kept), known).items():
        if name not in _said:
            _said.add(name)
            log.warning("%s", _sentence(name, nearest))
    return [_sentence(name, nearest) for name, nearest in unknown_names(kept, known).items()]


def _sentence(name: str, nearest: str | None) -> str:
    return f"{name} is no setting{f'; did you mean {nearest}?' if nearest else ' of this program'}"
