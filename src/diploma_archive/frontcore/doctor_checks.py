"""What `doctor` asks of FrontCore: one request."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx

from diploma_archive.errors import DiplomaArchiveError
from diploma_archive.frontcore.addresses import AddressGuard
from diploma_archive.frontcore.answers import read_json, read_list
from diploma_archive.frontcore.redaction import quiet_http_logs
from diploma_archive.frontcore.transport import open_transport
from diploma_archive.model.doctor_check import Check, clock_check, from_error, ok, warning
from diploma_archive.settings.checks import LOOPBACK_HOSTS
from diploma_archive.settings.frontcore import FRONTCORE_HOST, FRONTCORE_REQUESTS_PER_SECOND, FrontCoreSettings

_OTHERS = 0.5  # requests per second that should be left to the account's other integrations


def setting_checks(source: FrontCoreSettings) -> list[Check]:
    """Return what is to be said of the settings alone."""
    return [_base_url(source.base_url), _rate(source.requests_per_second)]


async def source_checks(source: FrontCoreSettings) -> list[Check]:
    """Return whether FrontCore answers and takes the key, and how our clock stands against its."""
    quiet_http_logs()
    local = urlsplit(source.base_url).hostname in LOOPBACK_HOSTS
    heard: list[tuple[str | None, datetime]] = []

    async def read(response: httpx.Response) -> object:
        heard.append((response.headers.get("Date"), datetime.now(UTC)))
        return await read_json(response)

    try:
        async with open_transport(source, 1, AddressGuard(allow_loopback=local)) as transport:
            listed = read_list(await transport.ask_api("participants", {"limit": 1}, read)).items
            proxy = transport.proxy
        way = f", by the proxy {proxy.address} ({proxy.setting})" if proxy else ""
        key = ok("API key", f"accepted{way}") if listed else _nothing_listed()
    except DiplomaArchiveError as error:
        key = from_error("API key", error)
    return [key, *(clock_check("FrontCore", date, now) for date, now in heard[-1:])]


def _nothing_listed() -> Check:
    fix = "Check in FrontCore that the key is that of the right account and may see participants"
    return warning("API key", "accepted, but it lists no participant", fix)


def _base_url(base_url: str) -> Check:
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    if host == FRONTCORE_HOST:
        return ok("base URL", FRONTCORE_HOST)
    where = "this machine, so a sandbox" if host in LOOPBACK_HOSTS else f"{host}, not {FRONTCORE_HOST}"
    return warning("base URL", where, "For the real FrontCore leave FRONTCORE_BASE_URL unset")


def _rate(requests_per_second: float) -> Check:
    seen = f"{requests_per_second:g} requests per second"
    limit = FRONTCORE_REQUESTS_PER_SECOND
    if requests_per_second > limit:
        fix = "Leave FRONTCORE_REQUESTS_PER_SECOND at 4"
        return warning("request rate", f"{seen}, more than the {limit:g} that FrontCore allows an account", fix)
    if requests_per_second > limit - _OTHERS:
        fix = "Lower FRONTCORE_REQUESTS_PER_SECOND to 4, unless nothing else uses this account's API"
        return warning("request rate", f"{seen} of {limit:g}: nothing is left for other integrations", fix)
    if requests_per_second < 1:
        hours = 50_000 / requests_per_second / 3600
        fix = "Raise FRONTCORE_REQUESTS_PER_SECOND, up to 4"
        return warning("request rate", f"{seen}: 50,000 participants would take {hours:.0f} hours", fix)
    return ok("request rate", f"{seen} of {limit:g}")
