"""The process that opens PDFs: hostile files cost it limited time and memory, and this program nothing."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from diploma_archive.errors import DiplomaArchiveError, Kind, OddFileError, UnusableFileError
from diploma_archive.pdf import checker as pdf_checker
from diploma_archive.pdf import checker_process as pdf_child
from diploma_archive.pdf.checker import PdfChecker
from diploma_archive.pdf.named_in_text import REMEMBERED, Holder
from diploma_archive.sandbox.certificate import CertificateText, draw
from tests.support import odd_pdfs

GOOD = odd_pdfs.GOOD


@pytest.fixture
def checker() -> Iterator[PdfChecker]:
    """A checker, closed after the test."""
    checker = PdfChecker()
    yield checker
    checker.close()


def process_of(checker: PdfChecker) -> int:
    """Return the id of the process that a checker uses now."""
    assert checker._process is not None
    return checker._process.pid


def cost_of(body: bytes) -> tuple[float, int]:
    """Return CPU seconds and peak memory in bytes of a process that checks just this file."""
    checker = PdfChecker()
    with contextlib.suppress(OddFileError), contextlib.closing(checker):
        started = checker._start()
        used: list[resource.struct_rusage] = []

        def wait(timeout: float | None = None) -> int:
            if not used:
                _, status, usage = os.wait4(started.pid, 0)
                used.append(usage)
                started.returncode = os.waitstatus_to_exitcode(status)
            return int(started.returncode or 0)

        started.wait = wait  # type: ignore[method-assign]
        checker.check(io.BytesIO(body))
    return used[0].ru_utime + used[0].ru_stime, used[0].ru_maxrss * 1024


def test_one_process_checks_many_files(checker: PdfChecker) -> None:
    """Good files are counted, whatever their size, all by one process."""
    assert checker.check(io.BytesIO(GOOD)).pages == 1
    first = process_of(checker)
    large = GOOD.replace(b"%PDF-1.5\n", b"%PDF-1.5\n%" + b"x" * 3_000_000 + b"\n")
    assert checker.check(io.BytesIO(large)).pages == 1  # the places in its table are wrong: every viewer repairs that
    assert process_of(checker) == first
    with pytest.raises(OddFileError):
        checker.check(io.BytesIO(b"%PDF-1.5 %%EOF"))
    assert checker.check(io.BytesIO(GOOD)).pages == 1
    second = process_of(checker)
    assert checker.check(io.BytesIO(GOOD)).pages == 1
    assert process_of(checker) == second != first


@pytest.mark.parametrize(
    "make",
    [
        lambda: odd_pdfs.hex_string(20),
        lambda: odd_pdfs.bomb_in_the_table(1, 300),
        lambda: odd_pdfs.bomb_in_the_table(2, 300),
        lambda: odd_pdfs.bomb_in_the_table(3, 300),
        lambda: odd_pdfs.bomb_in_an_object(1, 60),
        lambda: odd_pdfs.bomb_in_an_object(2, 300),
        odd_pdfs.deep,
    ],
    ids=["hex string", "flate table", "nested flate table", "thrice", "flate object", "nested flate object", "deep"],
)
def test_a_hostile_file_is_odd_within_two_seconds_and_100_mb(checker: PdfChecker, make: Callable[[], bytes]) -> None:
    """A bomb ends in quarantine within its limits, and the next file is checked as if nothing had been."""
    hostile = make()
    with pytest.raises(OddFileError) as caught:
        checker.check(io.BytesIO(hostile))
    assert caught.value.reason.startswith("the PDF ")
    assert checker.check(io.BytesIO(GOOD)).pages == 1
    seconds_for_a_good_one, bytes_for_a_good_one = cost_of(GOOD)
    seconds, peak = cost_of(hostile)
    assert seconds < 2 * seconds_for_a_good_one + pdf_child.CPU_SECONDS + 0.5
    assert peak < bytes_for_a_good_one + pdf_child.MEMORY_BYTES


def test_the_process_has_none_of_our_secrets(checker: PdfChecker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that takes over the process finds neither key nor credentials in its environment."""
    monkeypatch.setenv("FRONTCORE_API_KEY", "canary")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    checker.check(io.BytesIO(GOOD))
    environment = Path(f"/proc/{process_of(checker)}/environ").read_bytes()
    assert b"canary" not in environment
    assert b"PATH=" in environment


def test_a_file_that_crashes_the_process_is_odd(checker: PdfChecker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a file does to the process, it costs its own diploma and nobody else's."""
    checker.check(io.BytesIO(GOOD))
    os.kill(process_of(checker), signal.SIGSEGV)
    with pytest.raises(OddFileError, match="crash"):
        checker.check(io.BytesIO(GOOD))
    assert checker.check(io.BytesIO(GOOD)).pages == 1


def test_a_process_that_was_killed_from_outside_fails_for_now(checker: PdfChecker) -> None:
    """Where the system took the process away, the file is not to blame: it is tried again by the next run."""
    checker.check(io.BytesIO(GOOD))
    os.kill(process_of(checker), signal.SIGKILL)
    with pytest.raises(UnusableFileError, match="could not be checked"):
        checker.check(io.BytesIO(GOOD))
    assert checker.check(io.BytesIO(GOOD)).pages == 1


def test_a_file_closed_meanwhile_does_not_mix_with_the_next(checker: PdfChecker) -> None:
    """After a failure half-way nothing of that file is taken for part of the next one."""

    class Failing(io.BytesIO):
        reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            """Fail at the fourth piece."""
            self.reads += 1
            if self.reads == 4:
                raise ValueError("I/O operation on closed file")
            return super().read(size)

    with pytest.raises(ValueError, match="closed file"):
        checker.check(Failing(GOOD + b" " * 1 + b"%" * 200_000 + b"\n%%EOF\n"))
    assert checker.check(io.BytesIO(GOOD)).pages == 1


def test_many_threads_share_it(checker: PdfChecker) -> None:
    """Several downloads may be checked at once."""
    pages: list[int] = []
    threads = [threading.Thread(target=lambda: pages.append(checker.check(io.BytesIO(GOOD)).pages)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pages == [1] * 12


def test_where_no_process_can_start_the_run_stops(checker: PdfChecker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unchecked files are never archived: without the process nothing can be done, and a person is told."""
    monkeypatch.setattr(pdf_checker.sys, "executable", "/bin/false")
    with pytest.raises(DiplomaArchiveError, match="cannot be started") as caught:
        checker.check(io.BytesIO(GOOD))
    assert caught.value.kind is Kind.FATAL


def test_closing_leaves_no_process(checker: PdfChecker) -> None:
    """After a run there is no process left, and closing twice does no harm."""
    checker.check(io.BytesIO(GOOD))
    pid = process_of(checker)
    checker.close()
    checker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_system_limits_the_memory_of_the_process(checker: PdfChecker) -> None:
    """Also where pypdf has no limit of its own, a file cannot take the machine's memory."""
    checker.check(io.BytesIO(GOOD))
    limits = Path(f"/proc/{process_of(checker)}/limits").read_text(encoding="ascii")
    (line,) = [line for line in limits.splitlines() if line.startswith("Max data size")]
    assert int(line.split()[3]) < 2 * pdf_child.MEMORY_BYTES + 200_000_000


CASES = sorted((Path(__file__).parents[2] / "pdfs").glob("*.pdf"))


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_files_of_many_makers(checker: PdfChecker, file: Path) -> None:
    """What every viewer shows whole is good, whatever is odd about it; an empty or missing page is not."""
    assert len(CASES) >= 20
    if file.stem.startswith("ok_"):
        assert checker.check(io.BytesIO(file.read_bytes()), whole=True).pages in (1, 3)
        return
    with pytest.raises(OddFileError):
        checker.check(io.BytesIO(file.read_bytes()), whole=True)


def certificate(number: str, name: str) -> io.BytesIO:
    """Return a certificate with a number and a name on it."""
    return io.BytesIO(draw(CertificateText(name, "Course", "C-1", "2024-01-01", "Oslo", "S-1", number)))


def test_the_file_of_another_person_is_told_by_its_number(checker: PdfChecker) -> None:
    """Its own number or its holder's name speaks for a file; another's number alone speaks against it.

    The numbers are told again to the process that comes after one that ended.
    """
    kari, ola = Holder("ABC123456", "Kari Nordmann", 1), Holder("DEF654321", "Ola Hansen", 2)
    for holder in (kari, ola):
        checker.note_listed(holder.certificate_number, holder.user_id)
    for _ in range(2):
        assert checker.check(certificate("ABC123456", "Kari Nordmann"), holder=kari).names == "certificate"
        assert checker.check(certificate("-", "Kari Nordmann"), holder=kari).names == "holder"
        assert checker.check(certificate("DEF654321", "Kari Nordmann"), holder=kari).names == "holder"
        assert checker.check(certificate("GHI000000", "Per Olsen"), holder=kari).names == "nothing"
        with pytest.raises(OddFileError, match="another person's") as caught:
            checker.check(certificate("DEF654321", "Ola Hansen"), holder=kari)
        assert "Ola" not in caught.value.diagnostics()
        assert "DEF" not in caught.value.diagnostics()


def test_numbers_and_names_are_in_no_argument(checker: PdfChecker) -> None:
    """Whoever lists the processes of the machine sees nobody's number."""
    checker.note_listed("CANARY-123456", 1)
    checker.check(io.BytesIO(GOOD), holder=Holder("CANARY-654321", "Canary Name", 2))
    process = Path(f"/proc/{process_of(checker)}")
    for what in ("cmdline", "environ"):
        assert b"canary" not in (process / what).read_bytes().lower()


def test_numbers_cost_no_memory(checker: PdfChecker) -> None:
    """However many diplomas are listed, the last 10,000 are kept here and there."""
    for count in range(30_000):
        checker.note_listed(f"number-{count}", count)
    assert len(checker._numbers) == REMEMBERED
    assert len(checker._unsent) <= REMEMBERED  # also where nothing is ever checked
    checker.check(io.BytesIO(GOOD))
    assert not checker._unsent
