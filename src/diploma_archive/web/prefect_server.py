"""What `doctor` asks of a Prefect server: reached, the limit that shares out the rate, and the account's blocks.

Rule: no secret is asked for.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from diploma_archive.errors import DiplomaArchiveError
from diploma_archive.model.doctor_check import Check, from_error, not_asked, ok, problem, warning
from diploma_archive.settings.archive import ArchiveSettings
from diploma_archive.settings.frontcore import FrontCoreSettings
from diploma_archive.settings.rate_shares import limit_name, slots_of
from diploma_archive.web.prefect_api import AskError, PrefectServer

_SETUP = "Run python -m deployments.setup"


def prefect_checks(source: FrontCoreSettings | None, where: ArchiveSettings | None) -> Iterator[Check]:
    """Yield what is to be said of the Prefect server, or that none was asked.

    Args:
        source: FrontCore's settings, where they are whole.
        where: the bucket's, likewise.
    """
    server = PrefectServer.of_environment()
    if server is None:
        yield not_asked("Prefect", "PREFECT_API_URL is not set")
        return
    try:
        server.ask("health")
        yield ok("Prefect", "reached")
        account = source.account if source else "default"
        account_block = yield from _block(server, "frontcore-account", account, _shown_settings(source))
        yield from _block(server, "archive-bucket", account, _shown_settings(where))
        rate = account_block.get("requests_per_second", source.requests_per_second if source else None)
        yield _limit(server, account, float(rate) if isinstance(rate, int | float) else None)
    except AskError as error:
        yield problem("Prefect", error.what, error.fix)
    except DiplomaArchiveError as error:
        yield from_error("Prefect", error)


def _limit(server: PrefectServer, account: str, requests_per_second: float | None) -> Check:
    name = limit_name(account)
    limit = server.find(f"v2/concurrency_limits/{quote(name, safe='')}")
    if limit is None:
        return problem("Prefect limit", f"there is no concurrency limit {name}, and no flow runs without it", _SETUP)
    slots = limit.get("limit")
    if limit.get("active") is not True or limit.get("slot_decay_per_second"):
        return problem(
            "Prefect limit", f"{name} is switched off or has a decay: it does not share out the rate", _SETUP
        )
    wanted = None if requests_per_second is None else slots_of(requests_per_second)
    if wanted is not None and slots != wanted:
        return problem("Prefect limit", f"{name} has {slots} slots, and the rate asks for {wanted}", _SETUP)
    return ok("Prefect limit", f"{name} has {slots} slots")


def _block(
    server: PrefectServer, kind: str, account: str, settings: Mapping[str, Any]
) -> Generator[Check, None, dict[str, Any]]:
    """Yield how it is with a block, and return what it says; no secret is asked for."""
    name = f"Prefect block {kind}"
    found = server.find(f"block_types/slug/{kind}/block_documents/name/{quote(account, safe='')}")
    if found is None:
        seen = f"there is none named {account}: the flows take the environment of the worker"
        yield warning(name, seen, f"{_SETUP} with the settings in the environment, or make one in Prefect's UI")
        return {}
    data = found.get("data")
    data = data if isinstance(data, dict) else {}
    other = [field for field, value in settings.items() if data.get(field, value) != value]
    if other:
        seen = f"{account} differs from the environment in {', '.join(other)}; the flows go by the block"
        yield warning(name, seen, f"{_SETUP}, which takes the environment's over, or put the environment right")
    else:
        yield ok(name, f"{account} is there")
    return data


def _shown_settings(settings: FrontCoreSettings | ArchiveSettings | None) -> dict[str, Any]:
    """Return those settings that a block shows, and that make a difference."""
    names = ("base_url", "requests_per_second", "bucket", "prefix")
    return {} if settings is None else {name: getattr(settings, name) for name in names if hasattr(settings, name)}
