"""By which proxy a host is reached (DESIGN.md section 10): `HTTPS_PROXY` and `NO_PROXY` as everybody spells them.

Rule: only https goes by a proxy, through CONNECT, so that no proxy ever sees a key or a token; a password stands in
no text and no `repr`.
"""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

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
    def secret_url(self) -> str:
        """Return the address as a URL with user name and password, for libraries that want them there."""
        if self.user is None:
            return self.url
        return f"{self.scheme}://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{self.address}"

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
    named = getproxies_environment()
    if not named.get("https") or _is_exempt(parts.hostname, parts.port or 443, named.get("no", "")):
        return None
    try:
        return parse_proxy(named["https"], "HTTPS_PROXY")
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
    """Return whether `NO_PROXY` names a host: by its name, its domain, its address or network, or `*`."""
    names = [name.strip().removeprefix("*") if name.strip() != "*" else "*" for name in exempt.split(",")]
    if proxy_bypass_environment(f"{_bracketed(host)}:{port}", {"no": ",".join(filter(None, names))}):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in map(_network, names) if network is not None)


def _network(name: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(name.strip("[]"), strict=False)
    except ValueError:
        return None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
