"""Diplomas come from the allowed hosts and ports only, whatever a link looks like."""

from __future__ import annotations

import pytest

from diploma_archive.errors import LinkForbiddenError
from diploma_archive.frontcore.link_policy import LinkPolicy

CANARY = "canary-token"
POLICY = LinkPolicy(frozenset({("good.example", 443), ("files.example", 8443)}), allow_http=False)
LOCAL = LinkPolicy(frozenset({("127.0.0.1", 8765), ("::1", 8765), ("localhost", 80)}), allow_http=True)


@pytest.mark.parametrize(
    ("link", "host", "port"),
    [
        ("https://good.example/v2/public/d?token=eyJ0.a-b_c~d", "good.example", None),
        ("https://GOOD.Example/d?token=x", "good.example", None),
        ("https://files.example:8443/d?token=x", "files.example", 8443),
        ("https://good.example/", "good.example", None),
        ("https://good.example/a%20b?x=%2F&y=@z#part", "good.example", None),
        ("https://good.example/https://evil.example/", "good.example", None),
    ],
)
def test_allowed_links_are_followed(link, host, port):
    """A link to an allowed host and port passes, and goes just there."""
    url = POLICY.check(link)
    assert (url.scheme, url.host, url.port) == ("https", host, port)


@pytest.mark.parametrize("link", ["http://127.0.0.1:8765/d?token=x", "http://[::1]:8765/d", "http://localhost/d"])
def test_http_is_for_this_machine(link):
    """Plain http passes exactly where the policy allows it."""
    assert LOCAL.check(link).scheme == "http"
    with pytest.raises(LinkForbiddenError):
        LinkPolicy(LOCAL.hosts, allow_http=False).check(link)


@pytest.mark.parametrize(
    "link",
    [
        # elsewhere
        "https://evil.example/d",
        "https://good.example.evil.example/d",
        "https://evilgood.example/d",
        "https://sub.good.example/d",
        "https://example/d",
        "https://good.example:8443/d",
        "https://good.example:80/d",
        "https://files.example/d",
        "https://files.example:8444/d",
        # another scheme
        "http://good.example/d",
        "http://good.example:443/d",
        "ftp://good.example/d",
        "file:///etc/passwd",
        "file://good.example/d",
        "javascript:alert(1)",
        "data:application/pdf;base64,AAAA",
        "//good.example/d",
        "/d?token=x",
        "good.example/d",
        "https:good.example/d",
        "https:/good.example/d",
        "https:///good.example/d",
        "https://",
        "",
        # userinfo
        "https://user@good.example/d",
        "https://user:pw@good.example/d",
        "https://@good.example/d",
        "https://good.example@evil.example/d",
        "https://good.example:443@evil.example/d",
        "https://good.example%40evil.example/d",
        # what two programs read differently
        "https://good.example#@evil.example/d",
        "https://evil.example#@good.example/d",
        "https://good.example?@evil.example/d",
        "https://good.example\\@evil.example/d",
        "https://evil.example\\@good.example/d",
        "https://good.example\\.evil.example/d",
        "https://good.example/\\d",
        "https://good.example/d d",
        " https://good.example/d",
        "https://good.example/d ",
        "https://good.example/d\n",
        "https://good.example/\td",
        "https://go\tod.example/d",
        "https://go\nod.example/d",
        "https://good.example\r\nHost:evil.example/d",
        "https://good.example/\x00",
        "https://good.example/\x7f",
        "https://good.example./d",
        "https://good..example/d",
        "https://.good.example/d",
        "https://good.example:443:8443/d",
        "https://good.example:99999/d",
        "https://good.example:-1/d",
        "https://good.example:x/d",
        # addresses
        "https://127.0.0.1/d",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/d",
        "https://0x7f000001/d",
        "https://[::1]/d",
        "https://[::ffff:127.0.0.1]/d",
        "https://localhost/d",
        # other alphabets
        "https://g\u043e\u043ed.example/d",
        "https://good\u3002example/d",
        "https://\uff47ood.example/d",
        "https://good.example\u2024evil.example/d",
        "https://xn--god-1ub.example/d",
        "https://good.example/\u00e5",
        "https://good.example/\ud800",
        # over-long
        "https://good.example/" + "a" * 8000,
    ],
)
def test_everything_else_is_refused(link):
    """What points elsewhere, or could be read to point elsewhere, is never followed."""
    with pytest.raises(LinkForbiddenError):
        POLICY.check(link)


@pytest.mark.parametrize(
    "link",
    [f"https://{CANARY}.example/d", f"https://good.example/d d?token={CANARY}", f"https://u:{CANARY}@good.example/"],
)
def test_a_refusal_does_not_quote_the_link(link):
    """The text of a refusal goes to logs and reports: no link and no token is in it."""
    with pytest.raises(LinkForbiddenError) as caught:
        POLICY.check(link)
    assert CANARY not in caught.value.diagnostics()
    assert caught.value.__cause__ is None


def test_no_host_allowed_means_none():
    """An empty allow-list allows nothing."""
    with pytest.raises(LinkForbiddenError):
        LinkPolicy(frozenset(), allow_http=True).check("https://good.example/")


@pytest.mark.parametrize("link", ["https://[good.example/d", "https://good]/d", "https://[x]/d"])
def test_a_broken_address_is_refused_in_our_words(link):
    """A malformed bracket host is a LinkForbiddenError, not a ValueError."""
    with pytest.raises(LinkForbiddenError):
        POLICY.check(link)


@pytest.mark.parametrize("link", ["https://good.example:443/d", "https://good.example:0443/d"])
def test_the_default_port_may_be_written_out(link):
    """Host and port 443 are on the allow-list: the link passes."""
    assert POLICY.check(link).host == "good.example"


def test_the_default_http_port_may_be_written_out():
    """The same for port 80 on this machine."""
    assert LinkPolicy(frozenset({("127.0.0.1", 80)}), allow_http=True).check("http://127.0.0.1:80/d")
