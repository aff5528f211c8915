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

NO_TLS = ssl.SSLError(1, "x")
NO_TLS.reason = "WRONG_VERSION_NUMBER"
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
        (chained(httpx.ConnectError("x"), NO_TLS), Cause.NO_TLS),
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


def of(error: Exception, proxy: str | None = "https://proxy.test:1") -> tuple[str, str]:
    """Return what is said of an error on the way to FrontCore."""
    by = parse_proxy(proxy, "HTTPS_PROXY") if proxy else None
    return explain(error, Outside("FrontCore", "nobody.test", 1, "FRONTCORE_BASE_URL", proxy=by))


def test_who_is_to_blame() -> None:
    """A proxy is blamed for what it does, and FrontCore behind it for the rest."""
    reset = chained(httpx.ConnectError("x"), ConnectionResetError(104, "x"))
    assert of(chained(httpx.ProxyError("not reached"), TimeoutError()))[0].startswith("the proxy proxy.test:1")
    assert of(chained(httpx.ProxyError("not reached"), UNTRUSTED))[0].startswith("the proxy proxy.test:1")
    assert of(reset)[0].startswith("FrontCore cannot be reached by the proxy proxy.test:1 (HTTPS_PROXY)")
    assert of(httpx.ReadTimeout("x"))[0].startswith("FrontCore cannot be reached by the proxy")
    assert of(chained(httpx.ConnectError("x"), UNTRUSTED))[0].startswith("FrontCore's certificate is not trusted")


@pytest.mark.parametrize(
    ("said", "advised"),
    [
        ("certificate has expired", "clock"),
        ("certificate is not yet valid", "clock"),
        ("Hostname mismatch, certificate is not valid for 'x'", "for another one"),
        ("unable to get local issuer certificate", "SSL_CERT_FILE"),
    ],
)
def test_what_to_do_about_a_certificate(said: str, advised: str) -> None:
    """An authority helps only where one is missing."""
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_message = said
    assert advised in of(chained(httpx.ConnectError("x"), error), None)[1]
