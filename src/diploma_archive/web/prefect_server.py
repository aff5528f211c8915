"""What `doctor` asks of a Prefect server: reached, the limit that shares out the rate, and the account's blocks.

Rule: asked over HTTP alone, since the library and its commands work without Prefect. Its key goes to the server of
PREFECT_API_URL and nowhere else: no redirect is followed.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from dotenv import dotenv_values

from diploma_archive.errors import DiplomaArchiveError
from diploma_archive.model.doctor_check import Check, from_error, not_asked, ok, problem, warning
from diploma_archive.network.authorities import trusted
from diploma_archive.network.causes import Outside, explain
from diploma_archive.network.proxies import Proxy, proxy_for
from diploma_archive.settings.archive import ArchiveSettings
from diploma_archive.settings.frontcore import FrontCoreSettings
from diploma_archive.settings.rate_shares import limit_name, slots_of

TIMEOUT_SECONDS = 8.0
MAX_ANSWER_BYTES = 4_000_000
_SETUP = "Run python -m deployments.setup"
_CHECK = "Check PREFECT_API_URL and PREFECT_API_KEY, and that the server runs"


class _AskError(Exception):
    """The server did not give what was asked; the text is a plain sentence without an address."""

    def __init__(self, what: str, fix: str = _CHECK, status: int = 0) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.status = status


def prefect_checks(source: FrontCoreSettings | None, where: ArchiveSettings | None) -> Iterator[Check]:
    """Yield what is to be said of the Prefect server, or that none was asked.

    Args:
        source: FrontCore's settings, where they are whole.
        where: the bucket's, likewise.
    """
    server = _Server.of_environment()
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
    except _AskError as error:
        yield problem("Prefect", error.what, error.fix)
    except DiplomaArchiveError as error:
        yield from_error("Prefect", error)


@dataclass(frozen=True)
class _Server:
    url: str
    authorization: str | None

    @classmethod
    def of_environment(cls) -> _Server | None:
        kept = dotenv_values(".env") if Path(".env").is_file() else {}

        def setting(name: str) -> str:
            return (os.environ.get(name) or kept.get(name) or "").strip()

        url, key, password = (setting(f"PREFECT_API_{name}") for name in ("URL", "KEY", "AUTH_STRING"))
        if not url:
            return None
        basic = f"Basic {base64.b64encode(password.encode()).decode('ascii')}" if password else None
        return cls(url.rstrip("/"), f"Bearer {key}" if key else basic)

    def ask(self, path: str) -> Any:
        """Return the JSON of an answer."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _AskError("PREFECT_API_URL is no web address such as http://127.0.0.1:4200/api")
        headers = {"Accept": "application/json"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        proxy = proxy_for(self.url)
        by = httpx.Proxy(proxy.url, headers=proxy.secret_headers) if proxy else None
        if proxy and proxy.scheme == "https":
            by = httpx.Proxy(proxy.url, headers=proxy.secret_headers, ssl_context=trusted())
        try:
            with (
                httpx.Client(proxy=by, verify=trusted(), trust_env=False, timeout=TIMEOUT_SECONDS) as client,
                client.stream("GET", f"{self.url}/{path}", headers=headers) as answer,
            ):
                if answer.status_code != httpx.codes.OK:
                    refused = answer.status_code in (401, 403)
                    what = "Prefect refuses the key" if refused else f"Prefect answers {answer.status_code}"
                    raise _AskError(what, status=answer.status_code)
                return json.loads(_body_of(answer))
        except httpx.HTTPError as error:
            raise _AskError(*explain(error, self._outside(proxy))) from None
        except (httpx.InvalidURL, ValueError, RecursionError):
            raise _AskError("what answers at PREFECT_API_URL is no Prefect server") from None

    def _outside(self, proxy: Proxy | None) -> Outside:
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return Outside("Prefect", parts.hostname or "", port, "PREFECT_API_URL", proxy=proxy)

    def find(self, path: str) -> dict[str, Any] | None:
        """Return a JSON object, or None where there is none of that name."""
        try:
            found = self.ask(path)
        except _AskError as error:
            if error.status == 404:
                return None
            raise
        return found if isinstance(found, dict) else None


def _body_of(answer: httpx.Response) -> bytes:
    body = b""
    for piece in answer.iter_bytes():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise ValueError("no answer of Prefect's is as long")
    return body


def _limit(server: _Server, account: str, requests_per_second: float | None) -> Check:
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
    server: _Server, kind: str, account: str, settings: Mapping[str, Any]
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
