"""By which proxy a host is reached (DESIGN.md section 10): `HTTPS_PROXY` and `NO_PROXY` as everybody spells them.

Rule: only https goes by a proxy, through CONNECT, so that no proxy ever sees a key or a token; a password stands in
no text and no `repr`.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

from diploma_archive.errors import SettingsError

NONE = "none"  # what switches a proxy off
_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Proxy:
    """A proxy, and the setting that names it."""

    scheme: str
    host: str
    port: int
    setting: str
    user: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """Return host and port, without user name and password."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def url(self) -> str:
        """Return the address as a URL, without user name and password."""
        return f"{self.scheme}://{self.address}"

    @property
    def secret_headers(self) -> dict[str, str]:
        """Return what CONNECT is sent with."""
        if self.user is None:
            return {}
        told = base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")
        return {"Proxy-Authorization": f"Basic {told}"}


def proxy_for(url: str, own: str | None = None) -> Proxy | None:
    """Return the proxy by which a URL is asked for, or None where it is asked for directly.

    Args:
        url: of what is asked; only its scheme, host and port count.
        own: `FRONTCORE_PROXY`, where it is FrontCore that is asked: it counts instead of the environment.

    Raises:
        SettingsError: what the environment says is no address of a proxy.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return None
    if own:
        return None if own.strip().lower() == NONE else parse_proxy(own, "FRONTCORE_PROXY")
    named = getproxies_environment()  # in both cases; small letters count more, as with curl
    text = named.get("https", "").strip()
    if not text or text.lower() == NONE or _is_exempt(parts.hostname, parts.port or 443, named.get("no", "")):
        return None
    try:
        return parse_proxy(text, "HTTPS_PROXY")
    except ValueError as error:
        raise SettingsError(f"HTTPS_PROXY {error}", fix="Put it right in the environment, or unset it") from None


def parse_proxy(text: str, setting: str) -> Proxy:
    """Return what an address of a proxy says; user name and password may be percent-encoded.

    Args:
        setting: what the address came from.

    Raises:
        ValueError: it is none; the text is the end of a sentence that begins with the setting.
    """
    text = text.strip()
    scheme, _, rest = text.partition("://") if "://" in text else ("http", "", text)
    told, _, place = rest.rstrip("/").rpartition("@")  # a password may hold an `@`
    scheme = scheme.lower()
    if scheme.startswith("socks"):
        raise ValueError("names a SOCKS proxy; only http:// and https:// ones can be used")
    try:
        parts = urlsplit(f"//{place}")
        usual_port = _USUAL_PORTS[scheme]
        port = parts.port or usual_port
    except (ValueError, KeyError):
        parts, port = urlsplit(""), 0
    if not parts.hostname or parts.netloc != place or not place.isascii() or not place.isprintable() or " " in place:
        raise ValueError("must be the address of a proxy such as http://proxy.example:3128, or none")
    user, _, password = told.partition(":")
    return Proxy(scheme, parts.hostname, port, setting, unquote(user) if told else None, unquote(password))


def _is_exempt(host: str, port: int, exempt: str) -> bool:
    """Return whether `NO_PROXY` names a host: by name, domain, address or network, with a port or without, or `*`."""
    host = host.rstrip(".")
    for name in re.split(r"[,\s]+", exempt.lower()):
        place, _, named_port = name.rpartition(":") if re.search(r"[^:]:[0-9]+$|\]:[0-9]+$", name) else (name, "", "")
        domain = place.removeprefix("*").strip(".")
        if named_port and int(named_port) != port:
            continue
        if (
            name == "*"
            or (domain and (host == domain or host.endswith(f".{domain}")))
            or _is_in(host, place.strip("[]"))
        ):
            return True
    return False


def _is_in(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
