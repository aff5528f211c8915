"""Runs sign and stamp their reports; what was kept of it elsewhere shows a rollback, `verify` says how old it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.support.timestamps import TimestampService, openssl
from tests.support.verifying import delete
from tests.support.world import World

KEY = Ed25519PrivateKey.generate()
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """The public half of the runs' key."""
    path = tmp_path / "public.pem"
    path.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


@pytest.fixture
def service(tmp_path: Path) -> Iterator[TimestampService]:
    """A real time-stamping service."""
    with TimestampService(tmp_path / "service") as running:
        yield running


def sync(world: World, **environment: str) -> tuple[int, dict[str, Any], str]:
    """Run `sync --all`; no key ever shows in what it says."""
    done = world.command("sync", "--all", "--json", **environment)
    assert "Traceback" not in done.stderr
    assert PEM.splitlines()[1] not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def verify(world: World, *arguments: object, **environment: str) -> tuple[int, dict[str, Any]]:
    """Run `verify --json`."""
    done = world.command("verify", *map(str, arguments), "--json", **environment)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def seals(world: World, ending: str = "") -> list[str]:
    """Return the keys of seals."""
    return [key for key in world.bucket.keys_below("seals/") if key.endswith(ending)]


def kept(world: World, folder: Path) -> Path:
    """Copy the newest seal to a folder, as an operator who keeps it elsewhere; return the path without its ending."""
    stem = folder / "kept"
    newest = seals(world, ".json")[-1].removesuffix(".json")
    for ending in (".json", ".sig", ".tsr"):
        if newest + ending in seals(world):
            stem.with_suffix(ending).write_bytes(world.bucket.body(newest + ending))
    return stem


def rolled_back(world: World, folder: Path, **environment: str) -> Path:
    """Archive twice, keep the newest seal, and take the second run away; return the path of what was kept."""
    sync(world, **environment)
    before = set(world.bucket.keys_below())
    world.sandbox.reissue(12345, "2026-03-05 10:00:00", passed_note="better")
    sync(world, **environment)
    stem = kept(world, folder)
    delete(world.bucket, *(set(world.bucket.keys_below()) - before))
    return stem


@pytest.mark.parametrize("form", ["PEM", "PEM in one line", "path", "file with the secret"])
def test_each_run_signs_its_report(world: World, tmp_path: Path, public: Path, form: str) -> None:
    """With the key as text or as a file; openssl agrees, with nothing of this program."""
    (tmp_path / "key.pem").write_text(PEM)
    settings = {
        "PEM": {"ARCHIVE_SIGNING_KEY": PEM},
        "PEM in one line": {"ARCHIVE_SIGNING_KEY": PEM.replace("\n", "\\n")},
        "path": {"ARCHIVE_SIGNING_KEY": str(tmp_path / "key.pem")},
        "file with the secret": {"ARCHIVE_SIGNING_KEY_FILE": str(tmp_path / "key.pem")},
    }[form]
    assert sync(world, **settings)[0] == 0
    stem = kept(world, tmp_path)
    check = ("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public, "-in", stem.with_suffix(".json"))
    assert b"Verified Successfully" in openssl(*check, "-sigfile", stem.with_suffix(".sig"), folder=tmp_path)
    code, answer = verify(world, "--public-key", public)
    assert (code, "hours old and was checked" in answer["notes"][0]["detail"]) == (0, True)
    assert "NOT checked" in verify(world)[1]["notes"][0]["detail"]


@pytest.mark.parametrize("value", ["/nowhere/key.pem", "rubbish", "-----BEGIN PRIVATE KEY-----\nAA\n-----END"])
def test_a_key_that_is_none_stops_the_run_before_it_writes(world: World, value: str) -> None:
    """Nobody believes that runs sign when they do not."""
    code, answer, _ = sync(world, ARCHIVE_SIGNING_KEY=value)
    assert (code, answer["kind"], world.bucket.keys_below()) == (2, "usage", [])


def test_a_rollback_is_found_by_a_signature_that_was_kept(world: World, tmp_path: Path, public: Path) -> None:
    """By itself, with nothing else from outside."""
    stem = rolled_back(world, tmp_path, ARCHIVE_SIGNING_KEY=PEM)
    assert verify(world, "--public-key", public)[0] == 0
    code, answer = verify(world, "--public-key", public, "--signature", stem.with_suffix(".json"))
    assert (code, answer["counts"]) == (1, {"missing_report": 1})


def test_a_rollback_is_found_by_a_time_stamp_that_was_kept(
    world: World, tmp_path: Path, service: TimestampService
) -> None:
    """By itself, without a key."""
    certificates = {"ARCHIVE_TIMESTAMP_CERTIFICATES": str(service.certificates)}
    stem = rolled_back(world, tmp_path, ARCHIVE_TIMESTAMP_URL=service.url)
    assert verify(world, **certificates)[0] == 0
    code, answer = verify(world, "--stamp", stem.with_suffix(".tsr"), **certificates)
    assert (code, answer["counts"]) == (1, {"missing_report": 1})
    code, answer = verify(world, "--stamp", stem.with_suffix(".tsr"))
    assert (code, answer["kind"]) == (2, "usage")


def test_an_old_seal_is_a_finding_where_somebody_says_so(world: World, public: Path) -> None:
    """A rollback to last week leaves last week's seal as the newest; what was not checked does not count."""
    sync(world, ARCHIVE_SIGNING_KEY=PEM)
    assert verify(world, "--public-key", public, "--not-older-than", "2d")[0] == 0
    assert verify(world, "--not-older-than", "2d")[1]["counts"] == {"stale_seal": 1}
    delete(world.bucket, *seals(world))
    code, answer = verify(world, "--public-key", public, "--not-older-than", "2d")
    assert (code, answer["counts"]) == (1, {"stale_seal": 1})
    assert verify(world, "--not-older-than", "soon")[1]["kind"] == "usage"


def test_a_signature_or_statement_that_was_changed_is_found(world: World, tmp_path: Path, public: Path) -> None:
    """Another key, other bytes, a statement that is gone, a foreign object beside them."""
    sync(world, ARCHIVE_SIGNING_KEY=PEM)
    (statement,), (signature,) = seals(world, ".json"), seals(world, ".sig")
    good = world.bucket.body(signature)
    world.bucket.put(signature, good[:-1] + bytes([good[-1] ^ 1]))
    assert verify(world, "--public-key", public)[1]["counts"] == {"bad_signature": 1}
    world.bucket.put(signature, good)
    body = world.bucket.body(statement)
    world.bucket.put(statement, body.replace(b'"sealed_at": "2', b'"sealed_at": "3'))
    assert verify(world, "--public-key", public)[1]["counts"] == {"bad_signature": 1}
    world.bucket.put(statement, b"rubbish")
    assert verify(world)[1]["counts"] == {"bad_signature": 1}
    delete(world.bucket, statement)
    assert verify(world)[1]["counts"] == {"bad_signature": 1}
    delete(world.bucket, signature)
    world.bucket.put("seals/readme.txt", b"hello")
    assert verify(world)[1]["counts"] == {"unknown_object": 1}


def test_a_run_is_stamped_and_openssl_agrees(world: World, tmp_path: Path, service: TimestampService) -> None:
    """The reply lies beside the statement; the service sees a hash and nothing else."""
    assert sync(world, ARCHIVE_TIMESTAMP_URL=service.url)[0] == 0
    stem = kept(world, tmp_path)
    check = ("ts", "-verify", "-data", stem.with_suffix(".json"), "-in", stem.with_suffix(".tsr"))
    trusted = ("-CAfile", service.certificates, "-untrusted", service.certificates)
    assert b"OK" in openssl(*check, *trusted, folder=tmp_path)
    code, answer = verify(world, ARCHIVE_TIMESTAMP_CERTIFICATES=str(service.certificates))
    assert (code, "was checked" in answer["notes"][0]["detail"]) == (0, True)
    assert verify(world, "--not-older-than", "1h", ARCHIVE_TIMESTAMP_CERTIFICATES=str(service.certificates))[0] == 0


@pytest.mark.parametrize("broken", [503, b"", b"<html>nonsense</html>", b"\x30\x03\x02\x01\x00", "down"], ids=repr)
def test_a_service_that_fails_costs_a_warning_and_is_caught_up(
    world: World, service: TimestampService, broken: Any
) -> None:
    """Never a red run: the next one stamps both."""
    url = service.url if broken != "down" else "http://127.0.0.1:9/stamp"
    service.broken = broken if broken != "down" else None
    code, _, said = sync(world, ARCHIVE_TIMESTAMP_URL=url)
    assert (code, seals(world, ".tsr")) == (0, [])
    assert "no time stamp" in said
    assert "127.0.0.1" not in said.replace(url, "")
    service.broken = None
    assert sync(world, ARCHIVE_TIMESTAMP_URL=service.url)[0] == 0
    assert len(seals(world, ".tsr")) == len(seals(world, ".json")) == 2
    assert verify(world, ARCHIVE_TIMESTAMP_CERTIFICATES=str(service.certificates))[0] == 0


def test_a_stamp_of_another_service_or_statement_is_found(
    world: World, tmp_path: Path, service: TimestampService
) -> None:
    """By the certificates that the operator names, and by the hash alone where there are none."""
    sync(world, ARCHIVE_TIMESTAMP_URL=service.url)
    with TimestampService(tmp_path / "other") as other:
        code, answer = verify(world, ARCHIVE_TIMESTAMP_CERTIFICATES=str(other.certificates))
    assert (code, answer["counts"]) == (1, {"bad_signature": 1})
    first = seals(world, ".tsr")[0]
    sync(world, ARCHIVE_TIMESTAMP_URL=service.url)
    world.bucket.put(first, world.bucket.body(seals(world, ".tsr")[-1]))
    assert verify(world)[1]["counts"] == {"bad_signature": 1}


def test_runs_without_these_settings_leave_no_seals(world: World) -> None:
    """Nothing is written that nobody asked for, and nothing is said of it."""
    sync(world)
    assert (seals(world), verify(world)[1]["notes"]) == ([], [])
    assert shutil.which("openssl")
