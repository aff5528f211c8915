"""Links that point where no diploma may come from: a second, real listener sees neither a connection nor the key.

Hosts that resolve to private addresses are in `test_private_hosts.py`. The fixture `world` checks I1 to I7 after each
test; "token=" is one of its canaries, so no link is in any text.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.responses import Response

from diploma_archive.frontcore import clients
from diploma_archive.sandbox import answer_faults as faults
from diploma_archive.sandbox.fault_script import Exchange, Reworked
from tests.support.world import World

FORBIDDEN = "the download link "
NO_LINK = "no download link"

# {own}: the port of the source, whose host 127.0.0.1 is allowed; {evil}: the port of the listener; {path}: a good link.
LINKS: dict[str, Any] = {
    "userinfo": "http://user:pw@127.0.0.1:{own}{path}",
    "empty-userinfo": "http://@127.0.0.1:{own}{path}",
    "userinfo-that-looks-like-the-host": "http://127.0.0.1:{own}@127.0.0.1:{evil}{path}",
    "fragment-that-hides-the-host": "http://127.0.0.1:{evil}#@127.0.0.1:{own}{path}",
    "other-port": "http://127.0.0.1:{evil}{path}",
    "no-port": "http://127.0.0.1{path}",
    "two-ports": "http://127.0.0.1:{own}:{evil}{path}",
    "ip-decimal": "http://2130706433:{evil}{path}",
    "ip-hex": "http://0x7f000001:{evil}{path}",
    "ip-octal": "http://0177.0.0.1:{evil}{path}",
    "ip-short": "http://127.1:{evil}{path}",
    "ip-v6": "http://[::1]:{evil}{path}",
    "ip-v6-mapped": "http://[::ffff:127.0.0.1]:{evil}{path}",
    "ip-decimal-at-our-port": "http://2130706433:{own}{path}",
    "ip-v6-mapped-at-our-port": "http://[::ffff:127.0.0.1]:{own}{path}",
    "metadata-service": "http://169.254.169.254/latest/meta-data/",
    "localhost": "http://localhost:{evil}{path}",
    "localhost-at-our-port": "http://localhost:{own}{path}",
    "trailing-dot": "http://127.0.0.1.:{own}{path}",
    "leading-space": " http://127.0.0.1:{own}{path}",
    "leading-tab": "\thttp://127.0.0.1:{own}{path}",
    "trailing-line-break": "http://127.0.0.1:{own}{path}\n",
    "tab-in-the-scheme": "ht\ttp://127.0.0.1:{own}{path}",
    "line-break-with-a-header": "http://127.0.0.1:{own}{path}\r\nX-API-Key: x",
    "host-without-a-scheme": "//127.0.0.1:{evil}{path}",
    "path-alone": "{path}",
    "file": "file:///etc/passwd",
    "file-with-a-host": "file://127.0.0.1:{evil}{path}",
    "ftp": "ftp://127.0.0.1:{evil}{path}",
    "javascript": "javascript:alert(1)",
    "data": "data:application/pdf;base64,JVBERi0xLjQK",
    "backslashes": "http:\\\\127.0.0.1:{evil}\\x",
    "backslash-before-the-host": "http://127.0.0.1:{evil}\\@127.0.0.1:{own}{path}",
    "http-to-a-foreign-host": "http://files.example.com{path}",
    "https-to-a-foreign-host": "https://files.example.com{path}",
    "https-at-the-listener": "https://127.0.0.1:{evil}{path}",
    "full-width-digits": "http://\uff11\uff12\uff17.0.0.1:{own}{path}",
    "lone-surrogate": "http://127.0.0.1:{own}/\ud800",
    "100-kb": "http://127.0.0.1:{own}/{long}",
    "a-list": ["http://127.0.0.1:{evil}/"],
}
CONTROL = "http://127.0.0.1:{own}{path}"  # the same, unharmed: it must be archived, or the others prove nothing
NO_LINKS: dict[str, Any] = {"null": None, "empty": "", "missing": ...}
IDS = "+".join([*LINKS, *NO_LINKS])


@dataclass
class Elsewhere:
    """A real listener that never answers: whoever connects is in its queue."""

    socket: socket.socket

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.socket.getsockname()[1])

    def assert_untouched(self) -> None:
        """Check that nobody connected."""
        self.socket.settimeout(0.1)
        try:
            connection, _ = self.socket.accept()
        except TimeoutError:
            return
        connection.close()
        pytest.fail("somebody connected")


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """A second listener on another port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield Elsewhere(listening)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    # A connection that is made to a listener which never answers is to show soon.
    monkeypatch.setattr(clients, "READ_SECONDS", 3.0)


def test_the_listener_would_see_a_connection(elsewhere: Elsewhere) -> None:
    """A test that cannot fail is none: whoever connects is seen."""
    with socket.create_connection(("127.0.0.1", elsewhere.port)), pytest.raises(pytest.fail.Exception):
        elsewhere.assert_untouched()


@pytest.fixture
def many_links(world: World, elsewhere: Elsewhere) -> dict[int, str]:
    """Add a diploma for each kind of link to one person; return the kinds by diploma id."""
    sandbox = world.sandbox
    person = sandbox.persons[289252]
    kinds = {}
    own = sandbox.base_url.removesuffix("/v2").rpartition(":")[2]
    for name, link in {**LINKS, **NO_LINKS, "control": CONTROL}.items():
        diploma = sandbox.add_diploma(987654, user=sandbox.diplomas[12345].user)
        token = sandbox.tokens.issue(str(person["id"]), diploma.id, 900)
        path = f"/v2/public/course-users/{person['id']}/diplomas/{diploma.id}/download?token={token}"
        made = link
        if isinstance(link, str):
            made = link.format(own=own, evil=elsewhere.port, path=path, long="x" * 100_000)
        sandbox.overrides[diploma.id] = {"links": {} if made is ... else {"download": made}}
        kinds[diploma.id] = name
    kinds.popitem()  # the control
    return kinds


@pytest.mark.parametrize("names", [IDS], ids=str)
def test_a_forbidden_link_is_not_followed(
    world: World, elsewhere: Elsewhere, many_links: dict[int, str], names: str
) -> None:
    """No key, no token, no connection leaves for a forbidden place: failed, and the neighbours are archived."""
    assert names.split("+") == list(many_links.values())
    run = world.run()
    elsewhere.assert_untouched()
    said = {failure["diploma_id"]: failure["error"] for failure in run.tally.failures}
    assert run.tally.as_counts()["archived"] == 7
    assert set(said) == set(many_links), [many_links[key] for key in set(many_links) - set(said)]
    for diploma_id, name in many_links.items():
        says = NO_LINK if name in NO_LINKS else "links.download is not text" if name == "a-list" else FORBIDDEN
        assert says in said[diploma_id], name
        assert "127.0.0.1" not in said[diploma_id]
    assert not run.tally.is_green
    assert world.sandbox.requests["download"] == 7
    assert world.sandbox.requests["other"] == 0
    assert world.sandbox.keys_on_downloads == 0


def test_a_redirect_from_the_allowed_host_is_not_followed(world: World, elsewhere: Elsewhere) -> None:
    """A link that is allowed and then redirects gets nobody to another port, whatever the code and the form."""
    location = f"//127.0.0.1:{elsewhere.port}/x"
    redirects = {
        500001: faults.Redirect(f"http:{location}", 301),
        500002: faults.Redirect(f"http:{location}", 302),
        500003: faults.Redirect(location, 303),
        500004: faults.Redirect(f"http:{location}", 307),
        500005: faults.Redirect(f"http:{location}", 308),
    }
    for diploma_id, redirect in redirects.items():
        world.sandbox.fault("download", redirect, id=diploma_id)
    assert world.counts() == {"archived": 1, "failed": 5}
    elsewhere.assert_untouched()


@dataclass(frozen=True)
class SettingCookies(Reworked):
    """The right answer, and cookies with it."""

    def rework(self, exchange: Exchange) -> Response:
        """Return it."""
        exchange.right.set_cookie("session", "canary-cookie", path="/")
        exchange.right.headers["Authorization"] = "Bearer canary"
        return exchange.right


def test_neither_key_nor_cookies_are_sent_with_downloads(world: World) -> None:
    """What the source sets is never sent back, and a download carries no credential but its link's token."""
    for kind in ("participants", "diplomas", "download"):
        world.sandbox.fault(kind, SettingCookies())
    world.settings["concurrency"] = 1
    assert world.counts() == {"archived": 6}
    assert world.counts(force=True) == {"unchanged": 6}
    seen = [one for one in world.sandbox.seen if one.kind in ("participants", "diplomas", "download")]
    downloads = [one for one in seen if one.kind == "download"]
    assert len(downloads) == 12
    for one in seen:
        assert "cookie" not in one.headers
        assert "authorization" not in one.headers
    for one in downloads:
        assert set(one.headers) == {"host", "accept", "accept-encoding", "connection", "user-agent"}
        assert "canary" not in str(one.headers)
    assert world.sandbox.keys_on_downloads == 0


def test_a_netrc_and_a_proxy_are_not_used(
    world: World, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Credentials of the user's own and a proxy from the environment never get into a request to the source."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login canary password canary\n")
    with monkeypatch.context() as patch:
        patch.setenv("NETRC", str(tmp_path / ".netrc"))
        patch.setenv("HOME", str(tmp_path))
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            patch.setenv(name, f"http://127.0.0.1:{elsewhere.port}")
        patch.setenv("NO_PROXY", world.s3_environment["AWS_ENDPOINT_URL_S3"].removeprefix("http://"))
        assert world.counts(participants="987654") == {"archived": 1}
    elsewhere.assert_untouched()
    assert not any("authorization" in one.headers for one in world.sandbox.seen)
