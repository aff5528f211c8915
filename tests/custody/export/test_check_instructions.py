"""`CHECK.md` in a bag: its lines, as they stand, in a shell that knows nothing of this program."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.support.timestamps import TimestampService
from tests.support.world import World

KEY = Ed25519PrivateKey.generate()
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
STEPS = ["files", "records", "reports", "signatures", "stamps"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[TimestampService]:
    """A real time-stamping service."""
    with TimestampService(tmp_path / "service") as running:
        yield running


@pytest.fixture
def bag(world: World, tmp_path: Path, service: TimestampService) -> Path:
    """An export of an archive that was signed and stamped twice, with the provider's public key beside it."""
    settings = {
        "ARCHIVE_SIGNING_KEY": PEM,
        "ARCHIVE_TIMESTAMP_URL": service.url,
        "ARCHIVE_TIMESTAMP_CERTIFICATES": str(service.certificates),
    }
    for _ in range(2):
        assert world.command("sync", "--all", **settings).returncode == 0
    done = world.command("export", "--all", "--to", str(tmp_path / "bag"), **settings)
    assert done.returncode == 0, done.stderr
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "bag/public.pem").write_bytes(public)
    return tmp_path / "bag"


def steps(bag: Path) -> dict[str, int]:
    """Run each block of the instructions and return its exit code."""
    blocks = re.findall(r"```sh\n(.*?)```", (bag / "data/CHECK.md").read_text(), re.DOTALL)
    codes = {}
    for name, block in zip(STEPS, blocks, strict=False):
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
        done = subprocess.run(["/bin/sh", "-c", block], cwd=bag, env=environment, capture_output=True, check=False)
        codes[name] = done.returncode
    return codes


def remake(bag: Path) -> None:
    """Make the manifests fit again, as a forger would."""
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        names = [line.split("  ", 1)[1] for line in (bag / manifest).read_text().splitlines()]
        done = subprocess.run(["/usr/bin/sha256sum", *names], cwd=bag, capture_output=True, text=True, check=True)
        (bag / manifest).write_text(done.stdout)


def test_a_good_bag_passes_each_step(bag: Path) -> None:
    """All five, in English and Norwegian alike, with no line of this program."""
    assert steps(bag) == dict.fromkeys(STEPS, 0)
    text = (bag / "data/CHECK.md").read_text()
    assert "Does not prove" in text
    assert "Viser ikke" in text


def test_a_changed_byte_fails_the_first_step(bag: Path) -> None:
    """And where somebody remade the manifests around it, the second."""
    pdf = next((bag / "data/diplomas").iterdir())
    pdf.write_bytes(pdf.read_bytes() + b"%")
    assert steps(bag)["files"] != 0
    remake(bag)
    assert {name for name, code in steps(bag).items() if code} == {"records"}


def test_a_missing_file_fails_the_first_step(bag: Path) -> None:
    """The manifest names it."""
    next((bag / "data/records").iterdir()).unlink()
    assert steps(bag)["files"] != 0


def test_a_forged_record_fails_the_step_of_the_reports(bag: Path) -> None:
    """Whoever changes a record and remakes the manifests cannot change what the reports say."""
    record = next((bag / "data/records").iterdir())
    record.write_text(record.read_text().replace('"lastname": "', '"lastname": "X'))
    remake(bag)
    assert {name for name, code in steps(bag).items() if code} == {"reports"}


def test_a_foreign_signature_fails_the_step_of_the_signatures(bag: Path) -> None:
    """It was made with another key than the provider's."""
    statement = next(path for path in (bag / "data/seals").iterdir() if path.suffix == ".json")
    statement.with_suffix(".sig").write_bytes(Ed25519PrivateKey.generate().sign(statement.read_bytes()))
    remake(bag)
    assert {name for name, code in steps(bag).items() if code} == {"signatures"}


def test_a_report_that_is_not_the_signed_one_fails_it_too(bag: Path) -> None:
    """A signature proves something of this export only if what it names is in it."""
    sealed = json.loads(next(path for path in (bag / "data/seals").iterdir() if path.suffix == ".json").read_text())
    lines = [json.loads(line) for line in (bag / "data/objects.jsonl").read_text().splitlines()]
    (file,) = [line["file"] for line in lines if line["key"] == sealed["heads"][0]["key"]]
    report = bag / "data" / file
    report.write_bytes(report.read_bytes().replace(b'"force": false', b'"force": true'))
    remake(bag)
    assert {name for name, code in steps(bag).items() if code} == {"signatures"}


def test_a_stamp_of_another_statement_fails_the_last_step(bag: Path) -> None:
    """It is about other bytes."""
    one, other = sorted(path for path in (bag / "data/seals").iterdir() if path.suffix == ".tsr")
    shutil.copy(one, other)
    remake(bag)
    assert {name for name, code in steps(bag).items() if code} == {"stamps"}


def test_a_bag_without_seals_has_the_steps_that_fit_it(world: World, tmp_path: Path) -> None:
    """What nobody signed is not called signed, and a part has no reports."""
    assert world.command("sync", "--all").returncode == 0
    assert world.command("export", "--all", "--to", str(tmp_path / "all")).returncode == 0
    assert steps(tmp_path / "all") == {"files": 0, "records": 0, "reports": 0}
    assert world.command("export", "--certificate", "ABC123456", "--to", str(tmp_path / "one")).returncode == 0
    assert steps(tmp_path / "one") == {"files": 0, "records": 0}
