"""The memory of the real `sync` command stays flat, whatever the source sends: both figures are printed.

Measured is `VmHWM` of exactly that process, read from /proc while it runs: `ru_maxrss` begins with the size of the
process that forked, which is pytest, and takes in the process that checks PDFs.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from diploma_archive.sandbox import Sandbox
from diploma_archive.sandbox import answer_faults as faults
from tests.support import odd_pdfs
from tests.support.world import World

ALLOWED_BYTES = 60_000_000
POLL_SECONDS = 0.005
ENDS_WITHIN_SECONDS = 20.0  # each takes one to three; it is killed then


@dataclass(frozen=True)
class Measured:
    """How a run of the command ended: peak memory in bytes, exit code and the JSON it printed."""

    peak: int
    code: int
    counts: dict[str, object]


def measure(world: World, *arguments: str) -> Measured:
    """Run `diploma-archive sync` and return its peak memory."""
    process = subprocess.Popen(
        [sys.executable, "-m", "diploma_archive.cli", "sync", *arguments, "--json"],
        env=world.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    deadline = time.monotonic() + ENDS_WITHIN_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            lines = status.read_text(encoding="ascii", errors="replace").splitlines()
            peak = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), peak)
        time.sleep(POLL_SECONDS)
    process.kill()
    stdout, stderr = process.communicate()
    assert "Traceback" not in stderr
    return Measured(peak, process.returncode, json.loads(stdout.splitlines()[-1]) if stdout else {})


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A school of three persons with a diploma each."""
    with Sandbox(participants=3, persons=3, seed=7, requests_per_second=None) as server:
        yield server


def serve(world: World, kind: str, fault: faults.Fault) -> None:
    """Let all requests of a kind meet a fault."""
    world.sandbox.fault(kind, fault)


def large_pdf(world: World) -> None:
    """Let one diploma be a good PDF of 24 MB."""
    world.sandbox.pdf_bytes = 24_000_000
    world.sandbox.diplomas[12345].pdf = world.sandbox.pdf_of(12345)
    world.sandbox.pdf_bytes = None


def bomb(world: World) -> None:
    """Let one more diploma be a nested-Flate bomb."""
    world.sandbox.add_diploma(987654, pdf=odd_pdfs.bomb_in_an_object(2, 300))


def empty_objects(mebibytes: int = 3) -> faults.Fault:
    """Return a list of a size that is allowed (three of eight MB), which holds a million of rows."""
    return faults.Status(200, "[" + "{}," * ((mebibytes << 20) // 3) + "{}]", {"Content-Type": "application/json"})


BODIES: dict[str, tuple[Callable[[World], None], int]] = {
    "participants-of-200-mb": (lambda world: serve(world, "participants", faults.HugeBody(200)), 3),
    "participants-in-one-200-mb-string": (lambda world: serve(world, "participants", faults.HugeString(200)), 3),
    "diplomas-of-200-mb": (lambda world: serve(world, "diplomas", faults.HugeBody(200)), 1),
    "diplomas-as-a-gzip-bomb": (lambda world: serve(world, "diplomas", faults.GzipBomb(200)), 1),
    "download-as-a-gzip-bomb": (lambda world: serve(world, "download", faults.GzipBomb(200)), 1),
    "endless-download": (lambda world: serve(world, "download", faults.Endless()), 1),
    "pdf-of-24-mb": (large_pdf, 0),
    "nested-flate-pdf": (bomb, 1),
}


BLOWN_UP: dict[str, tuple[Callable[[World], None], int]] = {
    "participants-of-a-million-empty-objects": (lambda world: serve(world, "participants", empty_objects()), 1),
    "diplomas-of-a-million-empty-objects": (lambda world: serve(world, "diplomas", empty_objects()), 1),
}


@pytest.mark.long
@pytest.mark.parametrize("names", ["+".join(BODIES)], ids=str)
def test_memory_stays_flat(world: World, capsys: pytest.CaptureFixture[str], names: str) -> None:
    """No body makes the command's peak memory grow by more than 60 MB over a small healthy run."""
    compare(world, capsys, {name: BODIES[name] for name in names.split("+")})


@pytest.mark.long
@pytest.mark.parametrize("names", ["+".join(BLOWN_UP)], ids=str)
def test_memory_stays_flat_within_the_cap(world: World, capsys: pytest.CaptureFixture[str], names: str) -> None:
    """An answer that is small on the wire and large in memory is refused too."""
    compare(world, capsys, {name: BLOWN_UP[name] for name in names.split("+")})


def compare(
    world: World, capsys: pytest.CaptureFixture[str], bodies: dict[str, tuple[Callable[[World], None], int]]
) -> None:
    """Measure a healthy run and one for each body, print the figures and compare them."""
    healthy = measure(world, "--participant", "900001")
    assert (healthy.code, healthy.counts["archived"]) == (0, 1)
    lines, too_much = [f"memory: healthy run {healthy.peak / 1e6:.0f} MB"], []
    for name, (prepare, code) in bodies.items():
        prepare(world)
        under_attack = measure(world, "--all")
        world.heal()
        grown = under_attack.peak - healthy.peak
        lines.append(f"{name} {under_attack.peak / 1e6:.0f} MB ({grown / 1e6:+.0f})")
        if under_attack.code not in (code, 3):
            too_much.append(f"{name} ended with {under_attack.code} instead of {code}, {under_attack.counts}")
        if grown > ALLOWED_BYTES:
            too_much.append(lines[-1])
    with capsys.disabled():
        print(f"\n{'; '.join(lines)}")  # noqa: T201  the figures are this test's second purpose
    assert healthy.peak > 20_000_000, "measured the wrong process"
    assert too_much == []
