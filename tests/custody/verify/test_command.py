"""`diploma-archive verify` as people and scripts use it: exit codes, JSON, text, signatures."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from diploma_archive.evidence.findings import FindingClass
from tests.support.verifying import delete, edit_text, flip, parts_of
from tests.support.world import World


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A pair of keys as openssl makes them: private and public."""
    return write_keys(tmp_path, Ed25519PrivateKey.generate())


def write_keys(folder: Path, key: Ed25519PrivateKey, name: str = "key") -> tuple[Path, Path]:
    private, public = folder / f"{name}.pem", folder / f"{name}-public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert "Traceback" not in done.stderr, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_a_sound_archive_is_exit_code_0_and_needs_no_frontcore(archived: World) -> None:
    """The bucket alone is enough; the text says what was checked, and with which chain."""
    archived.sandbox.reset_counts()
    done = archived.command("verify", FRONTCORE_API_KEY="", FRONTCORE_BASE_URL="")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Checked everything (quick): 22 objects of 6 certificates; 6 good records, 6 files")
    assert lines[2].startswith("Chain: 2 run reports, 1 of them named by no other yet")
    assert lines[-1] == "22 objects checked, nothing found."
    assert archived.sandbox.requests.total() == 0


def test_findings_are_exit_code_1_with_what_to_do(archived: World) -> None:
    """A person reads class, key, what was seen and what to do; no name of anybody."""
    one, other = parts_of(archived.bucket, 12345), parts_of(archived.bucket, 500001)
    flip(archived.bucket, one.file)
    delete(archived.bucket, other.index)
    done = archived.command("verify")
    assert done.returncode == 1
    for expected in (one.file, other.record, "altered_file (1)", "unindexed_record (1)", "What to do: Run diploma"):
        assert expected in done.stdout
    assert "Doe" not in done.stdout


def test_json_has_everything_a_script_needs(archived: World) -> None:
    """One object on the last line, in the shape that is documented."""
    one = parts_of(archived.bucket, 12345)
    flip(archived.bucket, one.file)
    done = archived.command("verify", "--full", "--json")
    result = answer(done)
    assert done.returncode == 1
    assert set(result) == {"checked", "findings", "notes", "counts", "heads"}
    assert result["counts"] == {"altered_file": 1}
    (finding,) = result["findings"]
    assert set(finding) == {"class", "key", "detail", "advice"}
    assert (finding["class"], finding["key"]) == ("altered_file", one.file)
    assert result["checked"]["mode"] == "full"
    assert result["checked"]["objects"] == 22
    assert {head["key"] for head in result["heads"]} <= set(archived.bucket.keys_below("runs/"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--sample", "2"),
        ("--sample", "0%"),
        ("--sample", "101%"),
        ("--sample", "x%"),
        ("--sample", "2%", "--certificate", "X"),
        ("--prefix", "diplomas/", "--certificate", "X"),
        ("--prefix", " "),
        ("--certificate", " "),
        ("--certificate", "NOBODY"),
        ("--sign", "key.pem"),
        ("--signature", "x.json"),
        ("--public-key", "key.pem"),
        ("--sign", "nothing-there.pem", "--signature", "new.json"),
        ("--public-key", "nothing-there.pem", "--signature", "new.json"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(archived: World, arguments: tuple[str, ...], tmp_path: Path) -> None:
    """What was mistyped is never taken for a check that found nothing."""
    done = archived.command("verify", *arguments, "--json", cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert answer(done)["kind"] == "usage"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "environment",
    [{"ARCHIVE_PREFIX": "acme/other"}, {"ARCHIVE_BUCKET": "not-there"}, {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}],
    ids=["prefix", "bucket", "endpoint"],
)
def test_what_cannot_be_reached_is_exit_code_3(archived: World, environment: dict[str, str]) -> None:
    """An archive that is not there is no clean archive."""
    done = archived.command("verify", "--json", **environment)
    assert (done.returncode, answer(done)["kind"]) == (3, "fatal")


def test_a_key_copied_with_the_archives_prefix_is_understood(archived: World) -> None:
    """The console shows whole keys; nobody has to cut them."""
    done = archived.command("verify", "--prefix", "acme/prod/diplomas/s-2024-SAFE-001", "--json")
    assert (done.returncode, answer(done)["checked"]["certificates"]) == (0, 1)


def test_control_characters_in_a_key_do_not_reach_the_terminal(archived: World) -> None:
    """A stranger's key cannot write to the operator's screen."""
    archived.bucket.put("diplomas/a\tb/\x7fc", b"")
    done = archived.command("verify")
    assert done.returncode == 1
    assert "\x7f" not in done.stdout
    assert "\t" not in done.stdout


def test_the_chain_can_be_signed_and_checked_years_later(
    archived: World, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    """Who holds the key proves that today's chain still contains what was signed."""
    private, public = keys
    file = tmp_path / "signature.json"
    done = archived.command("verify", "--sign", str(private), "--signature", str(file))
    assert done.returncode == 0, done.stderr
    assert f"signed: {file}" in done.stderr
    document = json.loads(file.read_text())
    assert len(document["statement"]["heads"]) == 1
    assert "PRIVATE" not in file.read_text()
    archived.run()
    arguments = ("verify", "--public-key", str(public), "--signature", str(file), "--json")
    assert archived.command(*arguments).returncode == 0
    head = document["statement"]["heads"][0]["key"]
    delete(archived.bucket, *[key for key in archived.bucket.keys_below("runs/") if key >= head])
    result = answer(archived.command(*arguments))
    assert ("missing_report", head) in {(one["class"], one["key"]) for one in result["findings"]}


def test_the_newest_report_edited_without_a_trace_shows_in_the_signature(
    archived: World, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    """What agrees with itself and is named by nobody yet is covered by a signature alone."""
    private, public = keys
    file = tmp_path / "signature.json"
    archived.command("verify", "--sign", str(private), "--signature", str(file))
    head = json.loads(file.read_text())["statement"]["heads"][0]["key"]
    edit_text(archived.bucket, head, b'"force": false', b'"force": true', with_checksum=True)
    assert archived.command("verify").returncode == 0
    result = answer(archived.command("verify", "--public-key", str(public), "--signature", str(file), "--json"))
    assert result["counts"] == {"altered_report": 1}


@pytest.mark.parametrize("what", ["heads", "signature", "key", "archive"])
def test_a_signature_that_does_not_fit_is_found(
    archived: World, keys: tuple[Path, Path], tmp_path: Path, what: str
) -> None:
    """A changed statement, another key and another archive's signature all fail."""
    private, public = keys
    file = tmp_path / "signature.json"
    archived.command("verify", "--sign", str(private), "--signature", str(file))
    document = json.loads(file.read_text())
    if what == "heads":
        document["statement"]["heads"] = []
    elif what == "signature":
        document["signature"] = "AAAA" + document["signature"][4:]
    elif what == "key":
        _, public = write_keys(tmp_path, Ed25519PrivateKey.generate(), "other")
    else:
        identity = archived.bucket.document("archive.json")
        archived.bucket.put("archive.json", json.dumps(identity | {"archive_id": "another"}).encode())
    file.write_text(json.dumps(document))
    done = archived.command("verify", "--public-key", str(public), "--signature", str(file), "--json")
    also = {"altered_identity": 1} if what == "archive" else {}
    assert (done.returncode, answer(done)["counts"]) == (1, {"bad_signature": 1, **also})


def test_a_broken_chain_is_not_signed(archived: World, keys: tuple[Path, Path], tmp_path: Path) -> None:
    """Nobody signs by mistake what somebody else has cut."""
    delete(archived.bucket, parts_of(archived.bucket, 12345).report)
    file = tmp_path / "signature.json"
    done = archived.command("verify", "--sign", str(keys[0]), "--signature", str(file))
    assert done.returncode == 1
    assert "NOT signed" in done.stderr
    assert not file.exists()


def test_a_signature_is_never_overwritten(archived: World, keys: tuple[Path, Path], tmp_path: Path) -> None:
    """An old signature is evidence too."""
    file = tmp_path / "signature.json"
    file.write_text("old")
    done = archived.command("verify", "--sign", str(keys[0]), "--signature", str(file), "--json")
    assert (done.returncode, answer(done)["kind"], file.read_text()) == (2, "usage", "old")


def test_only_a_plain_ed25519_key_signs(archived: World, tmp_path: Path) -> None:
    """Another kind of key, one behind a password and no key at all are each one sentence."""
    password = BestAvailableEncryption(b"secret-password")
    bodies = {
        "rsa": generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "password": Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, password),
        "text": b"hello",
        "empty": b"",
    }
    for name, body in bodies.items():
        path = tmp_path / f"{name}.pem"
        path.write_bytes(body)
        done = archived.command("verify", "--sign", str(path), "--signature", str(tmp_path / "new.json"), "--json")
        assert (done.returncode, answer(done)["kind"]) == (2, "usage"), name


def test_the_help_names_the_options(world: World) -> None:
    """What the README says is there."""
    text = world.command("verify", "--help").stdout
    for option in ("--full", "--sample", "--prefix", "--certificate", "--chain", "--sign", "--signature"):
        assert option in text
    assert len(FindingClass) == 23
