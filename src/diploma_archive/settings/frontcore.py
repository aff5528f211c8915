"""How to reach FrontCore (DESIGN.md section 10)."""

from __future__ import annotations

import math
import re
from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from diploma_archive.network.proxies import NONE, parse_proxy
from diploma_archive.settings.checks import check_base_url, check_hosts
from diploma_archive.settings.comma_separated import CommaSeparated, split_commas
from diploma_archive.settings.sources import EnvironmentSettings

FRONTCORE_HOST = "api.frontcore.com"
FRONTCORE_REQUESTS_PER_SECOND = 5.0  # per account, shared with its other integrations (FRONTCORE.md)


class FrontCoreSettings(EnvironmentSettings):
    """How to reach one FrontCore account (`FRONTCORE_*`)."""

    model_config = SettingsConfigDict(env_prefix="FRONTCORE_")

    api_key: SecretStr
    account: str = "default"
    base_url: str = "https://api.frontcore.com/v2"
    requests_per_second: float = 4.0
    link_ttl_seconds: int = 900
    download_hosts: CommaSeparated = ()
    proxy: SecretStr | None = None
    ca_bundle: str | None = None

    _split = field_validator("download_hosts", mode="before")(split_commas)

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

    @field_validator("proxy", mode="after")
    @classmethod
    def _usable_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value().strip() if value is not None else ""
        if text and text.lower() != NONE:
            parse_proxy(text, "FRONTCORE_PROXY")
        return SecretStr(text) if text else None

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
