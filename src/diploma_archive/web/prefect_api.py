"""Asks a Prefect server, over HTTP alone, since the library and its commands work without Prefect.

Rule: its key goes to the server of PREFECT_API_URL and nowhere else: no redirect is followed.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from dotenv import dotenv_values

from diploma_archive.network.authorities import trusted
from diploma_archive.network.causes import Outside, explain
from diploma_archive.network.proxies import Proxy, proxy_for

TIMEOUT_SECONDS = 8.0
MAX_ANSWER_BYTES = 4_000_000
_CHECK = "Check PREFECT_API_URL and PREFECT_API_KEY, and that the server runs"


class AskError(Exception):
    """The server did not give what was asked; the text is a plain sentence without an address."""

    def __init__(self, what: str, fix: str = _CHECK, status: int = 0) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.status = status


@dataclass(frozen=True)
class PrefectServer:
    """The server of PREFECT_API_URL."""

    url: str
    authorization: str | None

    @classmethod
    def of_environment(cls) -> PrefectServer | None:
        """Return the server that environment or `.env` name, or None."""
        kept = dotenv_values(".env") if Path(".env").is_file() else {}

        def setting(name: str) -> str:
            return (os.environ.get(name) or kept.get(name) or "").strip()

        url, key, password = (setting(f"PREFECT_API_{name}") for name in ("URL", "KEY", "AUTH_STRING"))
        if not url:
            return None
        basic = f"Basic {base64.b64encode(password.encode()).decode('ascii')}" if password else None
        return cls(url.rstrip("/"), f"Bearer {key}" if key else basic)

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return the JSON of an answer.

        Args:
            body: is sent by POST, where there is one.

        Raises:
            AskError: the server did not give it.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise AskError("PREFECT_API_URL is no web address such as http://127.0.0.1:4200/api")
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
                client.stream("POST" if body else "GET", f"{self.url}/{path}", headers=headers, json=body) as answer,
            ):
                if answer.status_code != httpx.codes.OK:
                    refused = answer.status_code in (401, 403)
                    what = "Prefect refuses the key" if refused else f"Prefect answers {answer.status_code}"
                    raise AskError(what, status=answer.status_code)
                return json.loads(_body_of(answer))
        except httpx.HTTPError as error:
            raise AskError(*explain(error, self._outside(proxy))) from None
        except (httpx.InvalidURL, ValueError, RecursionError):
            raise AskError("what answers at PREFECT_API_URL is no Prefect server") from None

    def _outside(self, proxy: Proxy | None) -> Outside:
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return Outside("Prefect", parts.hostname or "", port, "PREFECT_API_URL", proxy=proxy)

    def find(self, path: str) -> dict[str, Any] | None:
        """Return a JSON object, or None where there is none of that name."""
        try:
            found = self.ask(path)
        except AskError as error:
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
