"""The table of every key in DESIGN.md, section 5, is walked: what it says is noticed, is noticed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from diploma_archive.archive.checkpoints import CheckpointFolder, Segment
from diploma_archive.archive.open_archive import open_store
from diploma_archive.model.key_kinds import KeyKind, kind_of
from diploma_archive.sandbox import answer_faults as faults
from tests.support.erasing import SUPPRESSION_KEY, USER, erase, plant_person
from tests.support.paths import ROOT
from tests.support.timestamps import TimestampService
from tests.support.verifying import delete
from tests.support.world import World

KEY = Ed25519PrivateKey.generate()
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
CERTIFICATES: list[bytes] = []  # of the service that stamped
CHANGES = ("missing", "altered", "added", "newer format")


def table() -> dict[str, dict[str, str]]:
    """Return the rows of the table by kind, each as column -> cell."""
    lines = (ROOT / "docs/DESIGN.md").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| kind | written by |"))
    header = [cell.strip() for cell in lines[start].strip("|").split("|")]
    rows = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows[cells[0]] = dict(zip(header, cells, strict=True))
    return rows


TABLE = table()
NOTICED = [
    pytest.param(kind, change, id=f"{kind}-{change}")
    for kind, row in TABLE.items()
    for change in CHANGES
    if not row[change].startswith("no: ")
]


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an archive holds that has something of every kind; filled by the first test that needs it."""
    return {}


@pytest.fixture
def archive(world: World, tmp_path: Path, every_kind: dict[str, bytes]) -> Iterator[World]:
    """An archive that has something of every kind."""
    if every_kind:
        for key, body in every_kind.items():
            world.bucket.client.put_object(
                Bucket=world.bucket.name, Key=f"{world.bucket.prefix}/{key}", Body=body, ChecksumAlgorithm="SHA256"
            )
    else:
        fill(world, tmp_path)
        every_kind |= {key: world.bucket.body(key) for key in world.bucket.keys_below()}
    yield world


def fill(world: World, folder: Path) -> None:
    """Archive, quarantine, sign, stamp, erase; leave a checkpoint and a probe."""
    plant_person(world)
    world.sandbox.fault("download", faults.SamePdf(b"%PDF-1.4\n" + b"odd" * 200 + b"%%EOF"), id=12345)
    with TimestampService(folder / "service") as service:
        CERTIFICATES[:] = [service.certificates.read_bytes()]
        settings = {
            "ARCHIVE_SIGNING_KEY": PEM,
            "ARCHIVE_TIMESTAMP_URL": service.url,
            "ARCHIVE_SUPPRESSION_KEY": SUPPRESSION_KEY,
        }
        for _ in range(2):
            assert world.command("sync", "--all", **settings).returncode == 1
        assert erase(world, "--user", str(USER), "--confirm")[0] == 0
        assert world.command("sync", "--all", **settings).returncode == 1
    with open_store(world.as_settings().archive) as store:
        done = Segment("cut-off", datetime.now(UTC), (1,), (), ())
        CheckpointFolder(store, "0123456789abcdef").add(1, done)
    world.bucket.put("state/probe/create-only.txt", b"probe")


def verify(world: World, tmp_path: Path) -> tuple[int, dict[str, int]]:
    """Run `verify --full --json` with all that it can be given; return exit code and counts."""
    public = tmp_path / "public.pem"
    public.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    options = ("--full", "--public-key", str(public), "--json")
    certificates = tmp_path / "certificates.pem"
    certificates.write_bytes(CERTIFICATES[0])
    known = {"ARCHIVE_SUPPRESSION_KEY": SUPPRESSION_KEY, "ARCHIVE_TIMESTAMP_CERTIFICATES": str(certificates)}
    done = world.command("verify", *options, **known)
    assert "Traceback" not in done.stderr
    return done.returncode, dict(json.loads(done.stdout.splitlines()[-1]).get("counts", {}))


def of_kind(world: World, kind: str) -> str:
    """Return a key of a kind; of run reports the first one, which others name."""
    return next(key for key in world.bucket.keys_below() if kind_of(key) == kind)


def renamed(key: str) -> str:
    """Return another key of the same kind: in its last part, a hex digit or a digit of its date is another."""
    folder, _, name = key.rpartition("/")
    by_run = key.startswith(("runs/", "seals/", "state/cursor/"))
    at = re.search(r"[0-9]{6}Z|^[0-9]{10}" if by_run else r"[0-9a-f]{16}", name)
    assert at, key
    place = at.end() - 2
    other = f"{folder}/{name[:place]}{'0' if name[place] != '0' else '1'}{name[place + 1 :]}"
    assert kind_of(other) == kind_of(key)
    return other


def plant(world: World, key: str, change: str) -> None:
    """Do to an object what the column says."""
    body = world.bucket.body(key)
    if change == "missing":
        delete(world.bucket, key)
    elif change == "added":
        world.bucket.put(renamed(key), body)
    elif change == "newer format":
        document: dict[str, Any] = json.loads(body)
        world.bucket.put(key, (json.dumps({**document, "format": 2}, indent=2) + "\n").encode())
    elif key.endswith(".json"):
        # A change that leaves it what it is: a letter in its last text.
        at = max(body.rfind(b"Z"), body.rfind(b"diploma-archive")) if b"Z" in body else body.rfind(b"a")
        world.bucket.put(key, body[:at] + b"X" + body[at + 1 :])
    else:
        world.bucket.put(key, body[:-1] + bytes([body[-1] ^ 1]))


def test_every_kind_has_a_row_and_every_cell_says_something() -> None:
    """An empty cell is a gap; what stays unnoticed says in words why it may."""
    assert set(TABLE) == {kind.value for kind in KeyKind}
    for row in TABLE.values():
        for cell in row.values():
            assert cell
            assert not cell.startswith("no: ") or len(cell) > 20, cell


def test_what_the_program_writes_has_a_row(archive: World, tmp_path: Path) -> None:
    """Each key in the bucket is of a kind of the table, each kind is there, and nothing is found."""
    kinds = {kind_of(key) for key in archive.bucket.keys_below()}
    assert None not in kinds
    assert kinds == set(KeyKind)
    assert verify(archive, tmp_path) == (0, {})


@pytest.mark.parametrize(("kind", "change"), NOTICED)
def test_what_the_table_says_is_noticed(archive: World, tmp_path: Path, kind: str, change: str) -> None:
    """One planting, and what stands in the table: one class, or those that cannot be told apart from outside."""
    plant(archive, of_kind(archive, kind), change)
    code, counts = verify(archive, tmp_path)
    expected = TABLE[kind][change]
    assert (code, set(counts)) == ((3, set()) if expected == "exit 3" else (1, set(expected.split(" + "))))


UNNOTICED = [
    pytest.param(kind, change, id=f"{kind}-{change}")
    for kind, row in TABLE.items()
    for change in ("missing", "altered")
    if row[change].startswith("no: ")
]


@pytest.mark.parametrize(("kind", "change"), UNNOTICED)
def test_what_may_stay_unnoticed_is_no_finding(archive: World, tmp_path: Path, kind: str, change: str) -> None:
    """The words of the table are true as well."""
    for key in [key for key in archive.bucket.keys_below() if kind_of(key) == kind]:
        plant(archive, key, change)
    assert verify(archive, tmp_path) == (0, {})


@pytest.mark.parametrize(
    "command",
    [
        *(("sync", "--all"), ("verify",), ("find", "--certificate", "ABC123456"), ("find", "--user", "1")),
        *(("show", "ABC123456"), ("rebuild-index",), ("reconcile",)),
        ("retention", "report", "--years", "5"),
        *(("export", "--all", "--to", "out"), ("subject", "--user", "1", "--to", "out"), ("doctor",)),
    ],
    ids=" ".join,
)
def test_every_command_refuses_a_newer_format(archive: World, tmp_path: Path, command: tuple[str, ...]) -> None:
    """One place decides, before anything else is read or written."""
    plant(archive, "archive.json", "newer format")
    before = archive.bucket.keys_below()
    done = archive.command(*command, "--json", cwd=tmp_path, ARCHIVE_SUPPRESSION_KEY=SUPPRESSION_KEY)
    assert done.returncode == (1 if command == ("doctor",) else 3), done.stdout + done.stderr
    assert "another format" in done.stdout + done.stderr
    assert archive.bucket.keys_below() == before
