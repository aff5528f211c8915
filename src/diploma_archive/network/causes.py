"""Why something outside could not be reached, as one sentence and what to set.

Rule: a cause is told from the chain of errors that a library raised, whichever it was (httpx, botocore, urllib);
no text of theirs is passed on, since it may hold an address with a token or a password.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from diploma_archive.network.authorities import issuer_of
from diploma_archive.network.proxies import Proxy

NO_ANSWER = "no answer in time"  # the text of a ProxyError where CONNECT is not answered
_STATUS = re.compile(r"(?:Tunnel connection failed: )?([1-5][0-9]{2})\b")
_PROXYS = ("ProxyError", "ProxyConnectionError")  # what httpx, urllib3 and botocore call what a proxy does
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG")
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL)


class Cause(StrEnum):
    """What keeps one from the outside."""

    NO_NAME = "no address is known for its name"
    REFUSED = "the connection is refused"
    NO_WAY = "no way leads there from this network"
    TIMED_OUT = "nothing answers in time"
    UNTRUSTED = "its certificate is not trusted"
    NO_TLS = "what answers there does not speak TLS"
    TLS_REFUSED = "no TLS connection can be agreed on with it"
    PROXY_LOGIN = "the proxy wants a user name and a password"
    PROXY_REFUSES = "the proxy refuses this host"
    PROXY_FAILS = "the proxy cannot reach this host"
    BROKEN = "the connection breaks off"


@dataclass(frozen=True)
class Outside:
    """What was to be reached, and by which settings."""

    who: str
    host: str
    port: int
    address_setting: str
    bundle_setting: str = "SSL_CERT_FILE"
    proxy_setting: str = "HTTPS_PROXY"
    proxy: Proxy | None = None


def cause_of(error: BaseException) -> tuple[Cause, str]:
    """Return the cause of a failed connection, with the proxy's status or what is wrong with a certificate."""
    errors = list(_chain(error))
    for one in errors:
        status = _proxy_status(one)
        if status == 407:
            return Cause.PROXY_LOGIN, "407"
        if status:
            return (Cause.PROXY_FAILS if status >= 500 else Cause.PROXY_REFUSES), str(status)
        if type(one).__name__ in _PROXYS and str(one) == NO_ANSWER:
            return Cause.PROXY_FAILS, NO_ANSWER
    for one in errors:
        if isinstance(one, ssl.SSLCertVerificationError):
            return Cause.UNTRUSTED, str(getattr(one, "verify_message", "")).partition(",")[0]
    kinds: tuple[tuple[Cause, Callable[[BaseException], bool]], ...] = (
        (Cause.NO_NAME, lambda one: isinstance(one, socket.gaierror)),
        (Cause.REFUSED, lambda one: isinstance(one, ConnectionRefusedError)),
        (Cause.TIMED_OUT, lambda one: isinstance(one, TimeoutError) or "Timeout" in type(one).__name__),
        (Cause.NO_WAY, lambda one: isinstance(one, OSError) and one.errno in _UNREACHABLE),
        (Cause.NO_TLS, lambda one: isinstance(one, ssl.SSLError) and getattr(one, "reason", "") in _NO_TLS),
        (Cause.TLS_REFUSED, lambda one: isinstance(one, ssl.SSLError) and not isinstance(one, ssl.SSLEOFError)),
    )
    found = (cause for cause, is_kind in kinds if any(is_kind(one) for one in errors))
    return next(found, Cause.BROKEN), ""


def explain(error: BaseException, outside: Outside) -> tuple[str, str]:
    """Return what happened and what to do about it; where a certificate is not trusted, this asks who issued it."""
    cause, detail = cause_of(error)
    proxy = outside.proxy
    # Without a mark of the library's: what fails while connecting to a place is the proxy's, where there is one.
    is_proxys = proxy is not None and (
        any(type(one).__name__ in _PROXYS for one in _chain(error))
        or cause
        in (Cause.NO_NAME, Cause.REFUSED, Cause.NO_WAY, Cause.PROXY_LOGIN, Cause.PROXY_REFUSES, Cause.PROXY_FAILS)
    )
    if is_proxys and proxy is not None:
        return _of_the_proxy(cause, detail, outside, proxy)
    who = outside.who
    if cause is Cause.UNTRUSTED:
        return _of_the_certificate(detail, outside)
    if cause in (Cause.NO_TLS, Cause.TLS_REFUSED):
        return f"{who} cannot be reached: {cause}", f"Check host and port in {outside.address_setting}"
    if proxy is not None:
        return (
            f"{who} cannot be reached by the proxy {proxy.address} ({proxy.setting}): {cause}",
            f"Check {outside.address_setting}, and whether the proxy lets this host through",
        )
    only_proxy = f"; where only a proxy leads out, name it in {outside.proxy_setting}"
    first = {
        Cause.NO_NAME: f"Check the host in {outside.address_setting} and this machine's DNS",
        Cause.REFUSED: f"Check host and port in {outside.address_setting}, and that it runs",
    }.get(cause, f"Check {outside.address_setting} and the network")
    return f"{who} cannot be reached: {cause}", first + only_proxy


def _of_the_certificate(detail: str, outside: Outside) -> tuple[str, str]:
    issuer = issuer_of(outside.host, outside.port, outside.proxy)
    what = f"{outside.who}'s certificate is not trusted" + (f" ({detail})" if detail else "")
    if "mismatch" in detail:
        fix = f"Check the host in {outside.address_setting}: the certificate is for another one"
    elif "expired" in detail or "not yet valid" in detail:
        fix = "Check this machine's clock; if it is right, whoever runs the server must renew the certificate"
    else:
        fix = (
            f"If that is your own network's authority, name a file with its certificate in {outside.bundle_setting}; "
            "if not, something stands between: ask whoever runs the network"
        )
    return what + (f": it was issued by {issuer}" if issuer else ""), fix


def _of_the_proxy(cause: Cause, detail: str, outside: Outside, proxy: Proxy) -> tuple[str, str]:
    named = f"the proxy {proxy.address} ({proxy.setting})"
    there = f"{outside.host}:{outside.port}" if outside.host else outside.who
    if cause is Cause.PROXY_LOGIN and proxy.user is not None:
        return f"{named} does not accept the user name and the password (407)", f"Put them right in {proxy.setting}"
    if cause is Cause.PROXY_LOGIN:
        return (
            f"{named} wants a user name and a password (407)",
            f"Write them into {proxy.setting}, as http://user:password@{proxy.address}",
        )
    if cause in (Cause.PROXY_REFUSES, Cause.PROXY_FAILS):
        verb = "refuses to connect to" if cause is Cause.PROXY_REFUSES else "cannot reach"
        return (
            f"{named} {verb} {there} ({detail})",
            f"Check {outside.address_setting}, ask whoever runs the proxy to allow it, or, where no proxy is needed "
            f"for it, {_directly(proxy)}",
        )
    reached = "is not trusted" if cause is Cause.UNTRUSTED else f"cannot be reached: {cause}"
    return (
        f"{named} {reached}" + (f" ({detail})" if detail else ""),
        f"Check {proxy.setting}, or, where no proxy is needed, {_directly(proxy)}",
    )


def _directly(proxy: Proxy) -> str:
    return "set FRONTCORE_PROXY=none" if proxy.setting == "FRONTCORE_PROXY" else "name the host in NO_PROXY"


def _proxy_status(error: BaseException) -> int:
    """Return with which status a proxy refused, or 0: httpx and urllib say it in a text of their own making."""
    text = str(error)
    if type(error).__name__ == "ProxyError" or text.startswith("Tunnel connection failed"):
        found = _STATUS.match(text)
        return int(found[1]) if found else 0
    return 0


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it came of, wherever its library keeps them."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        kept = getattr(one, "kwargs", None)
        waiting += [*one.args, one.__cause__, one.__context__, getattr(one, "reason", None)]
        waiting += kept.values() if isinstance(kept, dict) else ()
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
