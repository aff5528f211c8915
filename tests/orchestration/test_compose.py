"""`deployments/compose.yaml`: no secret in it, open to this machine only, and the topology that tests/scale runs."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values
from prefect.settings import Settings
from pydantic import BaseModel

from tests.support.paths import ROOT

COMPOSE = yaml.safe_load((ROOT / "deployments" / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVER_ENV = dotenv_values(ROOT / "deployments" / "server.env")
SERVER = ("migrate", "api-1", "api-2", "services")
PINNED = re.compile(r"[a-z]+:\d+\.\d+(\.\d+)?-alpine|diploma-archive:\$\{DIPLOMA_ARCHIVE_VERSION:-\d+\.\d+\.\d+\}")
FROM_ENV = re.compile(r"\$\{[A-Z_]+:\?[^}]+\}")  # must be set; the text after the question mark names what is missing


def words(service: str) -> str:
    """Return the command of a service as one line."""
    return " ".join(map(str, SERVICES[service].get("command", ())))


def test_it_has_what_a_scaled_server_needs() -> None:
    """Database, Redis, two API replicas without services, the services once, one address, and n workers."""
    assert set(SERVICES) == {"postgres", "redis", *SERVER, "proxy", "setup", "worker"}
    for replica in ("api-1", "api-2"):
        assert words(replica).startswith("prefect server start --no-services")
    assert words("services") == "prefect server services start"
    assert words("migrate") == "prefect server database upgrade --yes"
    assert SERVICES["worker"]["deploy"]["replicas"] == "${WORKERS:-3}"
    assert words("worker").startswith("prefect worker start --pool diploma-archive")


def test_everything_is_open_to_this_machine_only() -> None:
    """Prefect has no login here: nothing is published but the proxy, on 127.0.0.1."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"proxy": ["127.0.0.1:${PREFECT_PORT:-4200}:4200"]}
    assert not any("network_mode" in service for service in SERVICES.values())


def test_no_secret_is_in_it() -> None:
    """Passwords and keys come from .env, and what is missing there is named."""
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|KEY|TOKEN", name):
                assert FROM_ENV.fullmatch(value), name
            assert all(FROM_ENV.fullmatch(password) for password in re.findall(r"://[^:@/]+:([^@]*)@", value)), name
    assert not any(re.search(r"PASSWORD|SECRET|KEY|TOKEN", name) for name in SERVER_ENV)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_each_service_is_pinned_and_watched(name: str) -> None:
    """Images have whole versions; what runs for ever is restarted, and what others wait for has a health check."""
    service = SERVICES[name]
    assert PINNED.fullmatch(service["image"])
    assert service.get("restart") == (None if name == "setup" else "no" if name == "migrate" else "unless-stopped")
    for other, wanted in service.get("depends_on", {}).items():
        if wanted["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]
        else:
            assert (other, wanted["condition"]) == ("migrate", "service_completed_successfully")


def test_replicas_do_not_start_at_the_same_time() -> None:
    """On an empty database two replicas that start at once write the same block types, and one of them ends."""
    assert SERVICES["api-2"]["depends_on"] == {"api-1": {"condition": "service_healthy"}}


def test_servers_have_the_settings_that_the_scale_test_uses() -> None:
    """Compose and the scale test read one file, and set the same addresses beside it."""
    from tests.support import prefect_cluster as servers

    source = inspect.getsource(servers.cluster)
    for name in SERVER:
        assert SERVICES[name]["env_file"] == ["server.env"]
        assert all(f'"{setting}"' in source for setting in SERVICES[name]["environment"])
    assert servers.shared_settings() == SERVER_ENV
    caddyfile = (ROOT / "deployments" / "Caddyfile").read_text()
    assert "{$API_REPLICAS:api-1:4200 api-2:4200}" in caddyfile
    assert SERVICES["proxy"]["volumes"] == ["./Caddyfile:/etc/caddy/Caddyfile:ro"]


def test_prefect_knows_every_setting() -> None:
    """A misspelt setting would be ignored by Prefect, so none may be there."""
    known = set(variables(Settings, "PREFECT"))
    ours = {name for name in SERVER_ENV if name.startswith("PREFECT_")}
    for service in SERVICES.values():
        ours |= {name for name in service.get("environment", {}) if name.startswith("PREFECT_")}
    assert {name for name in ours - known if not name.startswith("PREFECT_REDIS_")} == set()


def variables(model: type[BaseModel], prefix: str) -> list[str]:
    """Return the environment variables of a group of Prefect's settings."""
    found = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += variables(inner, f"{prefix}_{name.upper()}")
        else:
            found.append(f"{prefix}_{name.upper()}")
    return found
