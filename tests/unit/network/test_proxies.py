"""Which proxy a URL is asked for by: the environment as everybody spells it, or FrontCore's own."""

from __future__ import annotations

import base64

import pytest

from diploma_archive.errors import SettingsError
from diploma_archive.network.proxies import parse_proxy, proxy_for

URL = "https://api.frontcore.com:443/v2"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("text", "address", "user", "password"),
    [
        ("http://proxy.test:3128", "proxy.test:3128", None, ""),
        ("proxy.test:3128", "proxy.test:3128", None, ""),
        (" http://proxy.test:3128/ ", "proxy.test:3128", None, ""),
        ("HTTP://Proxy.test", "proxy.test:80", None, ""),
        ("https://proxy.test", "proxy.test:443", None, ""),
        ("http://[::1]:3128", "[::1]:3128", None, ""),
        ("http://office:secret@proxy.test:3128", "proxy.test:3128", "office", "secret"),
        ("http://office@proxy.test:3128", "proxy.test:3128", "office", ""),
        ("http://office:p%40ss%3A%25@proxy.test:1", "proxy.test:1", "office", "p@ss:%"),
        ("http://office:p@ss@proxy.test:1", "proxy.test:1", "office", "p@ss"),
        ("http://dom%5Coffice:s:t@proxy.test:1", "proxy.test:1", "dom\\office", "s:t"),
        ("office:secret@proxy.test:3128", "proxy.test:3128", "office", "secret"),
    ],
)
def test_an_address_is_read(text: str, address: str, user: str | None, password: str) -> None:
    """Every usual spelling gives host, port and login, and what prints it has no login."""
    proxy = parse_proxy(text, "HTTPS_PROXY")
    assert (proxy.address, proxy.user, proxy.password) == (address, user, password)
    if user is not None:
        told = base64.b64decode(proxy.secret_headers["Proxy-Authorization"].removeprefix("Basic ")).decode()
        assert told == f"{user}:{password}"
        assert f"{user}:" not in repr(proxy) and (not password or password not in repr(proxy))


@pytest.mark.parametrize(
    "text",
    ["socks5://proxy.test:1", "SOCKS5H://x:1", "ftp://x:1", "http://", "x y:1", "x:port", "http://x:1/y", "@"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """It is refused by a sentence that does not quote it."""
    with pytest.raises(ValueError, match="proxy") as refused:
        parse_proxy(text, "HTTPS_PROXY")
    assert text == "http://" or text not in str(refused.value)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_the_environment_names_a_proxy_in_both_cases(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """https goes by it, plain http never."""
    monkeypatch.setenv(name, "http://proxy.test:3128")
    found = proxy_for(URL)
    assert found is not None
    assert found.address == "proxy.test:3128"
    assert proxy_for("http://api.frontcore.com/v2") is None


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(
    ("exempt", "url", "is_exempt"),
    [
        ("api.frontcore.com", URL, True),
        ("frontcore.com", URL, True),
        (".frontcore.com", URL, True),
        ("*.frontcore.com", URL, True),
        ("*", URL, True),
        (" other.test , API.frontcore.com ", URL, True),
        ("api.frontcore.com:443", URL, True),
        ("api.frontcore.com:8443", URL, False),
        ("core.com", URL, False),
        ("other.test", URL, False),
        ("localhost,*", URL, True),
        ("localhost api.frontcore.com", URL, True),
        ("api.frontcore.com.", URL, True),
        ("10.0.0.0/8:8443", "https://10.1.2.3/", False),
        ("", URL, False),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.0.0.0/8", URL, False),
        ("10.1.2.3", "https://10.1.2.3:9000/", True),
        ("fd00::/8", "https://[fd00::1]/", True),
        ("::1", "https://[::1]:9000/", True),
    ],
)
def test_hosts_are_exempt(monkeypatch: pytest.MonkeyPatch, name: str, exempt: str, url: str, is_exempt: bool) -> None:
    """`NO_PROXY` is read as curl, requests and Go programs read it: names, domains, ports, networks, a star."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv(name, exempt)
    assert (proxy_for(url) is None) == is_exempt


def test_frontcores_own_proxy_counts_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    """`FRONTCORE_PROXY` counts instead of the environment; `none` switches both off."""
    monkeypatch.setenv("HTTPS_PROXY", "http://usual.test:1")
    monkeypatch.setenv("NO_PROXY", "*")
    found = proxy_for(URL, "http://own.test:2")
    assert found is not None
    assert (found.address, found.setting) == ("own.test:2", "FRONTCORE_PROXY")
    monkeypatch.delenv("NO_PROXY")
    assert proxy_for(URL, "None") is None
    monkeypatch.setenv("HTTPS_PROXY", "none")
    assert proxy_for(URL) is None
    assert proxy_for("http://127.0.0.1/v2", "http://own.test:2") is None


def test_an_environment_that_names_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not passed over: the connection would go where it was not meant to."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://office:canary@proxy.test:1")
    with pytest.raises(SettingsError, match="HTTPS_PROXY names a SOCKS proxy") as refused:
        proxy_for(URL)
    assert "canary" not in refused.value.diagnostics()
