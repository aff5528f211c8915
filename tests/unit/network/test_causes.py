"""Causes are told from chains of errors, whichever library raised them."""

from __future__ import annotations

import socket
import ssl
import urllib.error

import httpx
import pytest
from botocore.exceptions import EndpointConnectionError, ProxyConnectionError

from diploma_archive.network.causes import Cause, Outside, cause_of, explain
from diploma_archive.network.proxies import parse_proxy

UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed")
URL = "https://nobody.test/canary"


def chained(outer: Exception, inner: BaseException) -> Exception:
    """Return an error that came of another."""
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (chained(httpx.ConnectError("x"), socket.gaierror(-2, "x")), Cause.NO_NAME),
        (chained(httpx.ConnectError("x"), ExceptionGroup("x", [ConnectionRefusedError(111, "x")])), Cause.REFUSED),
        (chained(httpx.ConnectError("x"), UNTRUSTED), Cause.UNTRUSTED),
        (httpx.ConnectTimeout("x"), Cause.TIMED_OUT),
        (chained(httpx.ConnectError("x"), OSError(113, "No route to host")), Cause.NO_WAY),
        (chained(httpx.ConnectError("x"), ssl.SSLError(1, "WRONG_VERSION_NUMBER")), Cause.NO_TLS),
        (httpx.ProxyError("407 Proxy Authentication Required"), Cause.PROXY_LOGIN),
        (httpx.ProxyError("403 Forbidden"), Cause.PROXY_REFUSES),
        (httpx.ProxyError("503 Service Unavailable"), Cause.PROXY_FAILS),
        (httpx.RemoteProtocolError("x"), Cause.BROKEN),
        (urllib.error.URLError(socket.gaierror(-3, "x")), Cause.NO_NAME),
        (urllib.error.URLError(OSError("Tunnel connection failed: 407 x")), Cause.PROXY_LOGIN),
        (EndpointConnectionError(endpoint_url=URL, error=ConnectionRefusedError(111, "x")), Cause.REFUSED),
        (ProxyConnectionError(proxy_url=URL, error=OSError("Tunnel connection failed: 403 x")), Cause.PROXY_REFUSES),
    ],
)
@pytest.mark.parametrize("proxy", [None, "http://office:canary@proxy.test:1"])
def test_a_cause_is_told_and_said(error: Exception, cause: Cause, proxy: str | None) -> None:
    """Each has its sentence with what to do, and quotes nothing of the library's."""
    assert cause_of(error)[0] is cause
    outside = Outside(
        "FrontCore", "nobody.test", 1, "FRONTCORE_BASE_URL", proxy=parse_proxy(proxy, "HTTPS_PROXY") if proxy else None
    )
    what, fix = explain(error, outside)
    assert what
    assert fix
    assert "canary" not in what + fix


def test_errors_that_name_each_other_end() -> None:
    """A circle of causes is no endless loop."""
    first, second = OSError("x"), OSError("y")
    first.__cause__, second.__cause__ = second, first
    assert cause_of(first)[0] is Cause.BROKEN
