"""What keeps one from FrontCore has a sentence of its own each, with what to set, in `sync` and `doctor` alike."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme

from tests.support.network import HOST, Silent, TlsFront
from tests.support.world import World


def say(world: World, base_url: str, **environment: str) -> str:
    """Return what the main job says on one line, having looked that `doctor` says it too."""
    with ThreadPoolExecutor() as both:  # each waits some seconds before it gives up
        sync, doctor = (
            both.submit(world.command, *arguments, FRONTCORE_BASE_URL=base_url, **environment)
            for arguments in (("sync", "--all"), ("doctor",))
        )
    done, seen = sync.result(), doctor.result()
    assert done.returncode in (2, 3), done.stdout + done.stderr
    said = " ".join(done.stderr.split())
    told = " ".join((seen.stdout + seen.stderr).split())
    assert seen.returncode, told
    sentence = said.partition(". ")[0].removeprefix("The participants cannot be listed: ")[1:]
    assert sentence in told, (sentence, told)
    assert "Traceback" not in said + told
    return said


def test_a_name_that_nobody_knows(world: World) -> None:
    """DNS is to be looked at, or a proxy to be named."""
    said = say(world, "https://nobody.test/v2")
    assert "FrontCore cannot be reached: no address is known for its name" in said
    assert "Check the host in FRONTCORE_BASE_URL and this machine's DNS" in said


def test_a_port_that_is_closed(world: World) -> None:
    """Refused is not the same as unknown."""
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
    assert "FrontCore cannot be reached: the connection is refused" in say(world, f"https://{HOST}:{port}/v2")


def test_a_port_that_speaks_no_tls(world: World) -> None:
    """https to a plain port."""
    said = say(world, f"https://{HOST}:{world.sandbox.port}/v2")
    assert "FrontCore cannot be reached: what answers there does not speak TLS" in said


def test_a_host_that_never_answers(world: World) -> None:
    """It takes the connection and is silent: within some ten seconds, not two minutes."""
    with Silent() as silent:
        assert "FrontCore cannot be reached: nothing answers in time" in say(world, f"https://{HOST}:{silent.port}/v2")


def test_a_proxy_that_is_not_there(world: World) -> None:
    """The proxy is named, and not FrontCore."""
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
    said = say(world, "https://nobody.test/v2", FRONTCORE_PROXY=f"http://office:canary@{HOST}:{port}")
    assert f"he proxy {HOST}:{port} (FRONTCORE_PROXY) cannot be reached: the connection is refused" in said
    assert "canary" not in said


def test_a_proxy_that_never_answers(world: World) -> None:
    """It takes CONNECT and is silent."""
    with Silent() as silent:
        said = say(world, "https://nobody.test/v2", FRONTCORE_PROXY=f"http://{HOST}:{silent.port}")
    assert f"he proxy {HOST}:{silent.port} (FRONTCORE_PROXY) cannot reach nobody.test:443 (no answer in time)" in said


def test_an_authority_that_is_not_known_is_named(world: World, authority: trustme.CA) -> None:
    """Who reads the issuer sees the middlebox."""
    with TlsFront(authority, "localhost", world.sandbox.port) as front:
        said = say(world, f"https://localhost:{front.port}/v2")
    assert "FrontCore's certificate is not trusted" in said
    assert "it was issued by Acme Inspection Root" in said
    assert "FRONTCORE_CA_BUNDLE or SSL_CERT_FILE" in said


def test_a_certificate_for_another_name(world: World, authority: trustme.CA, authority_file: Path) -> None:
    """A trusted authority is not enough."""
    with TlsFront(authority, "other.test", world.sandbox.port) as front:
        said = say(world, f"https://localhost:{front.port}/v2", FRONTCORE_CA_BUNDLE=str(authority_file))
    assert "FrontCore's certificate is not trusted (Hostname mismatch)" in said


@pytest.mark.parametrize("name", ["FRONTCORE_CA_BUNDLE", "SSL_CERT_FILE"])
def test_ones_own_authority_is_believed(
    world: World, authority: trustme.CA, authority_file: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a middlebox whose authority is named, all is archived."""
    with TlsFront(authority, "localhost", world.sandbox.port) as front:
        base_url = f"https://localhost:{front.port}/v2"
        monkeypatch.setattr(type(world.sandbox), "base_url", property(lambda _: base_url))
        done = world.command("sync", "--all", **{"FRONTCORE_BASE_URL": base_url, name: str(authority_file)})
    assert (done.returncode, "6 archived" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("name", ["FRONTCORE_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("text", [None, "no certificate"], ids=["missing", "no-certificate"])
def test_a_bundle_that_is_none_is_refused(world: World, tmp_path: Path, name: str, text: str | None) -> None:
    """A path that does not hold an authority is never passed over in silence."""
    file = tmp_path / "authorities.pem"
    if text:
        file.write_text(text)
    said = say(world, "https://localhost:1/v2", **{name: str(file)})
    assert f"he file that {name} names cannot be read, or holds no certificate" in said


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:1", "ftp://127.0.0.1:1", "http://", "http://a b:1", "x:y:z"])
@pytest.mark.parametrize("name", ["FRONTCORE_PROXY", "HTTPS_PROXY"])
def test_an_address_that_is_no_proxys_is_refused(world: World, name: str, address: str) -> None:
    """It is said which setting is wrong, without its value, which may hold a password."""
    said = say(world, "https://nobody.test/v2", **{name: address})
    assert name in said
    assert "proxy" in said
    assert address == "http://" or address not in said


def test_s3_is_spoken_of_in_the_same_words(world: World, authority: trustme.CA, authority_file: Path) -> None:
    """The bucket's side of the same middlebox: named, and believed once its authority is."""
    with TlsFront(authority, "localhost", int(world.s3_environment["AWS_ENDPOINT_URL_S3"].rsplit(":", 1)[1])) as front:
        endpoint = f"https://localhost:{front.port}"
        done = world.command("verify", AWS_ENDPOINT_URL_S3=endpoint)
        said = " ".join(done.stderr.split())
        assert done.returncode == 3
        assert "he S3 endpoint's certificate is not trusted" in said
        assert "it was issued by Acme Inspection Root" in said
        for name in ("SSL_CERT_FILE", "AWS_CA_BUNDLE"):
            run = world.command("sync", "--all", **{"AWS_ENDPOINT_URL_S3": endpoint, name: str(authority_file)})
            assert run.returncode == 0, run.stderr
    gone = world.command("verify", AWS_ENDPOINT_URL_S3="https://nobody.test")
    assert "he S3 endpoint cannot be reached: no address is known for its name" in " ".join(gone.stderr.split())
