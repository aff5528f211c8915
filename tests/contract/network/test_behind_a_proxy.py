"""A network where only a proxy leads out: the main job and `doctor` go by it, and it never sees a secret."""

from __future__ import annotations

import socket

import pytest

from tests.contract.network.conftest import BUCKET, SOURCE, Far
from tests.support.network import ConnectProxy, TlsFront

LOGIN = "office:canary p@ss/w%rd"
WRITTEN = "office:canary%20p%40ss%2Fw%25rd"


@pytest.mark.parametrize("login", ["", LOGIN], ids=["open", "with-password"])
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_the_main_job_goes_by_the_proxy(far: Far, login: str, name: str) -> None:
    """Diplomas are archived through CONNECT alone; the proxy sees neither key nor token, nobody the password."""
    with ConnectProxy(far.ways, login=login) as proxy:
        environment = far.environment(**{name: proxy.url(WRITTEN if login else "")})
        done = far.world.command("sync", "--all", **environment)
        assert (done.returncode, done.stdout.count("6 archived")) == (0, 1), done.stderr
        assert {line.split()[1] for line in proxy.asked} == {f"{SOURCE}:443", f"{BUCKET}:443"}
        assert all(line.startswith("CONNECT ") for line in proxy.asked)
        assert far.world.sandbox.keys_on_downloads == 0
        for secret in (far.world.sandbox.api_key, "token=", "X-API-Key", "AWS4-HMAC"):
            assert secret.encode() not in proxy.seen
    assert len(far.world.bucket.records()) == 6
    assert "canary" not in done.stdout + done.stderr


def test_doctor_goes_by_the_proxy(far: Far) -> None:
    """`doctor` asks the same way, and says by which proxy."""
    with ConnectProxy(far.ways, login=LOGIN) as proxy:
        done = far.world.command("doctor", **far.environment(HTTPS_PROXY=proxy.url(WRITTEN)))
    assert done.returncode in (0, 1), done.stderr
    assert "accepted" in done.stdout
    assert f"by the proxy 127.0.0.1:{proxy.port} (HTTPS_PROXY)" in done.stdout
    assert "canary" not in done.stdout + done.stderr


def test_frontcores_own_proxy_counts_more(far: Far) -> None:
    """`FRONTCORE_PROXY` is FrontCore's alone: S3 goes on by `HTTPS_PROXY`."""
    with ConnectProxy({f"{SOURCE}:443": far.ways[f"{SOURCE}:443"]}) as own, ConnectProxy(far.ways) as usual:
        done = far.world.command("sync", "--all", **far.environment(HTTPS_PROXY=usual.url(), FRONTCORE_PROXY=own.url()))
        assert done.returncode == 0, done.stderr
        assert {line.split()[1] for line in own.asked} == {f"{SOURCE}:443"}
        assert {line.split()[1] for line in usual.asked} == {f"{BUCKET}:443"}


def test_plain_http_never_goes_by_a_proxy(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox and an S3 on this machine are asked directly, whatever the environment says."""
    monkeypatch.undo()
    with ConnectProxy({}) as proxy:
        everywhere = {name: proxy.url() for name in ("HTTPS_PROXY", "HTTP_PROXY", "http_proxy", "ALL_PROXY")}
        done = far.world.command("sync", "--all", **everywhere)
    assert (done.returncode, proxy.asked) == (0, []), done.stderr


@pytest.mark.parametrize(
    ("options", "login", "expected"),
    [
        ({"login": LOGIN}, "", "wants a user name and a password (407)"),
        ({"login": LOGIN}, "office:wrong-canary", "does not accept the user name and the password (407)"),
        ({"status": "403 Forbidden"}, "", f"refuses to connect to {SOURCE}:443 (403)"),
        ({"status": "502 Bad Gateway"}, "", f"cannot reach {SOURCE}:443 (502)"),
    ],
    ids=["no-login", "wrong-login", "refused", "bad-gateway"],
)
def test_a_proxy_that_refuses_is_named(far: Far, options: dict[str, str], login: str, expected: str) -> None:
    """The word fits the cause, in `sync` and in `doctor` alike, and holds no password."""
    with ConnectProxy(far.ways, **options) as proxy:  # type: ignore[arg-type]
        environment = far.environment(FRONTCORE_PROXY=proxy.url(login), **s3_directly(far))
        for command in (["sync", "--all"], ["doctor"]):
            done = far.world.command(*command, **environment)
            said = " ".join((done.stdout + done.stderr).split())
            assert done.returncode, said
            assert f"the proxy 127.0.0.1:{proxy.port} (FRONTCORE_PROXY) {expected}" in said, said
            assert "canary" not in said


def test_a_proxy_for_s3_that_refuses_is_named(far: Far) -> None:
    """S3 is spoken of in the same words."""
    with ConnectProxy(far.ways, login=LOGIN) as proxy:
        done = far.world.command("verify", **far.environment(HTTPS_PROXY=proxy.url()))
    assert done.returncode == 3
    assert f"he proxy 127.0.0.1:{proxy.port} (HTTPS_PROXY) wants a user name" in " ".join(done.stderr.split())


def s3_directly(far: Far) -> dict[str, str]:
    """Return the setting of the S3 on this machine."""
    return {"AWS_ENDPOINT_URL_S3": far.world.s3_environment["AWS_ENDPOINT_URL_S3"]}


def test_a_tunnel_that_breaks_within_tls_never_stops_the_run(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    """More tunnels break at the handshake than there are connections: each is tried again, and all is archived."""
    broken = 14

    def cut(front: TlsFront, client: socket.socket) -> None:
        nonlocal broken
        if broken > 0:
            broken -= 1
            return  # the listener closes it
        serve(front, client)

    serve = TlsFront.serve
    monkeypatch.setattr(TlsFront, "serve", cut)
    with ConnectProxy(far.ways) as proxy:
        environment = {**far.environment(HTTPS_PROXY=proxy.url(), ARCHIVE_CONCURRENCY="1"), **s3_directly(far)}
        for _ in range(8):
            done = far.world.command("sync", "--all", **environment)
            if not done.returncode:
                break
            assert "by the proxy" in done.stderr, done.stderr
    assert done.returncode == 0
    assert broken == 0
