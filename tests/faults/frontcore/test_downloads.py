"""Every kind of bad download: its own diploma fails or is quarantined, nothing partial stays, the next run brings it.

The fixture `world` checks I1 to I7 after each test, among them that the healed source is archived completely.
"""

from __future__ import annotations

import io
import json
import resource
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader, PdfWriter

from diploma_archive.frontcore import clients, download, transport
from diploma_archive.model.outcome import Outcome
from diploma_archive.sandbox import LocalS3, Sandbox
from diploma_archive.sandbox import answer_faults as faults
from diploma_archive.sandbox.certificate import CertificateText, draw
from tests.support import odd_pdfs
from tests.support.world import World

small = pytest.mark.parametrize("sandbox", [3], indirect=True, ids=["small"])
PDF = {"Content-Type": "application/pdf"}
DIPLOMAS = (500001, 500002, 500003, 500004, 500005, 500006, 500007)  # and 12345, which stays right
GOOD = odd_pdfs.GOOD
HTML = b"<!doctype html><html><title>Log in</title>" + b"<p>Please log in.</p>" * 20 + b"</html>"


@dataclass(frozen=True)
class Bad:
    """One bad answer to a download: its name, what is served, and a part of the sentence that the operator gets."""

    name: str
    fault: faults.Fault
    says: str


@dataclass(frozen=True)
class Content:
    """One bad file in a perfect transfer."""

    name: str
    body: bytes
    outcome: Outcome
    says: str = ""


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A school of eight persons with a diploma each; fewer where a test says so: each test ends with full runs."""
    size = getattr(request, "param", 8)
    with Sandbox(participants=size, persons=size, seed=7, requests_per_second=None) as server:
        yield server


@pytest.fixture
def impatient(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Deadlines of a second in place of minutes, for the test only: the checks after it are patient."""
    with monkeypatch.context() as patch:
        patch.setattr(clients, "READ_SECONDS", 0.5)
        patch.setattr(transport, "DOWNLOAD_DEADLINE_SECONDS", 2.0)
        patch.setattr(download, "GRACE_SECONDS", 0.5)
        patch.setattr(download, "SLOWEST_BYTES_PER_SECOND", 50)
        yield


def named(group: Sequence[Bad | Content]) -> str:
    """Return the id of a group of cases that share a run: each case can be found by its name."""
    return "+".join(case.name for case in group)


def expect(world: World, expected: Mapping[int, tuple[str, str]], *, within_seconds: float = 120.0) -> None:
    """Run, and check outcome and sentence of each diploma named; all others are archived.

    Args:
        expected: diploma id -> outcome and a part of the sentence.
    """
    started = time.monotonic()
    run = world.run()
    assert time.monotonic() - started < within_seconds
    found = {finding.diploma_id: finding for finding in world.observer.findings}
    assert set(found) == set(world.sandbox.diplomas)
    for diploma_id, finding in found.items():
        outcome, says = expected.get(diploma_id, ("archived", ""))
        assert (finding.outcome, says in (finding.error or "")) == (outcome, True), (diploma_id, says, finding)
        certificate = f"c-{world.sandbox.diplomas[diploma_id].random_certificate_number}/"
        mine = [key for key in world.bucket.keys_below() if certificate in key]
        where = {"failed": 0, "quarantined": 2, "archived": 3}
        assert len(mine) == where[outcome], mine
        assert all(key.startswith("quarantine/") == (outcome == "quarantined") for key in mine)
    assert run.tally.is_green == (not any(outcome != "archived" for outcome, _ in expected.values()))


STATUSES = (
    Bad("status-204", faults.Status(204), "status 204"),
    Bad("status-206", faults.Status(206, GOOD, PDF), "status 206"),
    Bad("status-201-with-a-pdf", faults.Status(201, GOOD, PDF), "status 201"),
    Bad("status-400", faults.Status(400), "status 400"),
    Bad("status-403", faults.Status(403), "status 403"),
    Bad("status-404", faults.Status(404), "status 404"),
    Bad("status-404-with-a-pdf", faults.Status(404, GOOD, PDF), "status 404"),
)
MORE_STATUSES = (
    Bad("status-410", faults.Status(410), "status 410"),
    Bad("status-500-for-ever", faults.Status(500), "status 500 after 5 tries"),
    Bad("status-503-for-ever", faults.Status(503, headers={"Retry-After": "3600"}), "status 503 after 5 tries"),
    Bad("status-429-for-ever", faults.Status(429, headers={"Retry-After": "0"}), "(429), again and again"),
    Bad("html-login-200", faults.HtmlLogin(), "a web page"),
    Bad("html-login-labelled-pdf", faults.HtmlLogin("application/pdf"), "a web page"),
    Bad("long-html-labelled-pdf", faults.Status(200, HTML, PDF), "a web page"),
)
TRANSFERS = (
    Bad("truncated-with-content-length", faults.Truncated(True), "connection to FrontCore failed"),
    Bad("truncated-without-content-length", faults.Truncated(False), "the end of the PDF is missing"),
    Bad("cut-chunked", faults.CutChunked(), "connection to FrontCore failed"),
    Bad("gzip", faults.Gzip(), "compressed form"),
    Bad("gzip-bomb", faults.GzipBomb(200), "compressed form"),
    Bad("empty-body", faults.Status(200, b"", PDF), "is empty"),
    Bad("error-under-200", faults.ErrorUnder200("Token expired"), "an answer in JSON"),
)
SLOW_AND_LARGE = (
    Bad("drip-of-one-byte-a-second", faults.Drip(4), "too slow"),
    Bad("drip-until-the-deadline", faults.Drip(200), "took too long"),
    Bad("endless-body", faults.Endless(), "larger than ARCHIVE_MAX_PDF_BYTES"),
    Bad("200-mb-body", faults.HugeBody(200), "larger than ARCHIVE_MAX_PDF_BYTES"),
    Bad("200-mb-announced", faults.HugeBody(200, with_content_length=True), "larger than ARCHIVE_MAX_PDF_BYTES"),
    Bad("stall", faults.Stall(60), "connection to FrontCore failed (ReadTimeout)"),
    Bad("reset", faults.Reset(hard=True), "connection to FrontCore failed"),
)


@pytest.mark.parametrize("group", [STATUSES, MORE_STATUSES, TRANSFERS], ids=named)
def test_a_bad_answer_fails_its_own_diploma(world: World, group: Sequence[Bad]) -> None:
    """Nothing lost, nothing partial: a bad answer is a failure of its diploma alone, and the neighbour is archived."""
    for diploma_id, case in zip(DIPLOMAS, group, strict=True):
        world.sandbox.fault("download", case.fault, id=diploma_id)
    expect(world, {key: ("failed", case.says) for key, case in zip(DIPLOMAS, group, strict=True)})
    assert world.sandbox.keys_on_downloads == 0


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("group", [SLOW_AND_LARGE], ids=named)
def test_what_never_ends_is_ended(world: World, group: Sequence[Bad]) -> None:
    """Slow, endless and silent downloads end within their deadline, and keep nobody else from being archived."""
    world.settings["max_pdf_bytes"] = 3_000_000
    for diploma_id, case in zip(DIPLOMAS, group, strict=True):
        world.sandbox.fault("download", case.fault, id=diploma_id)
    expected = {key: ("failed", case.says) for key, case in zip(DIPLOMAS, group, strict=True)}
    expect(world, expected, within_seconds=120)


@pytest.mark.usefixtures("impatient")
def test_status_302_to_another_host_is_not_followed(world: World) -> None:
    """A redirect of any kind is a failure; the host that it names sees no connection."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        location = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/x.pdf"
        codes = dict(zip(DIPLOMAS, (301, 302, 303, 307, 308), strict=False))
        for diploma_id, code in codes.items():
            world.sandbox.fault("download", faults.Redirect(location, code), id=diploma_id)
        expect(world, {key: ("failed", f"status {code}") for key, code in codes.items()})
        elsewhere.settimeout(0.1)
        with pytest.raises(TimeoutError):
            elsewhere.accept()


@small
def test_an_expired_token_for_ever_costs_one_new_listing(world: World) -> None:
    """Links that are always too old: list again once, try once, then failed; never hammered."""
    world.sandbox.on_request = lambda kind, _: world.sandbox.expire_links() if kind == "download" else None
    expect(world, dict.fromkeys(world.sandbox.diplomas, ("failed", "status 410")))
    assert world.sandbox.requests["download"] == world.sandbox.requests["diplomas"] == 6


@small
def test_a_used_token_is_replaced(world: World) -> None:
    """Tokens that work once: a transfer that broke off costs one new listing, and the diploma is archived."""
    world.sandbox.single_use_tokens = True
    world.sandbox.fault("download", faults.Truncated(True), id=500001, times=1)
    expect(world, {})
    assert (world.sandbox.requests["diplomas"], world.sandbox.requests["download"]) == (4, 5)


@small
def test_a_foreign_token_opens_nothing(world: World) -> None:
    """A link that carries another diploma's token is refused by the source: failed after one new listing."""
    sandbox = world.sandbox
    mine, other = sandbox.diplomas[500001], sandbox.diplomas[500002]
    token = sandbox.tokens.issue(str(other.user["id"]), other.id, 900)
    path = f"public/course-users/{mine.user['id']}/diplomas/{mine.id}/download"
    sandbox.overrides[mine.id] = {"links": {"download": f"{sandbox.base_url}/{path}?token={token}"}}
    expect(world, {mine.id: ("failed", "status 403")})


@small
def test_a_swapped_link_is_quarantined(world: World) -> None:
    """A link to another diploma's file never archives that file twice: the bytes are kept, the first one is named."""
    sandbox = world.sandbox
    first = sandbox.diplomas[500001]
    token = sandbox.tokens.issue(str(first.user["id"]), first.id, 900)
    path = f"public/course-users/{first.user['id']}/diplomas/{first.id}/download"
    sandbox.overrides[500002] = {"links": {"download": f"{sandbox.base_url}/{path}?token={token}"}}
    world.settings["concurrency"] = 1  # so that the owner of the file comes first
    expect(world, {500002: ("quarantined", "the same bytes as the file of diploma 500001")})
    (kept,) = [key for key in world.bucket.keys_below("quarantine/") if key.endswith(".bin")]
    assert world.bucket.body(kept) == sandbox.pdf_of(500001)


def test_all_links_give_one_identical_pdf(world: World) -> None:
    """One file for everybody (a cached page) is archived once at most, and never green."""
    world.sandbox.fault("download", faults.SamePdf(GOOD))
    run = world.run()
    counts = run.tally.as_counts()
    assert (counts["archived"], counts["quarantined"]) == (1, 7)
    assert not run.tally.is_green
    kept = [world.bucket.body(key) for key in world.bucket.keys_below("quarantine/") if key.endswith(".bin")]
    assert kept == [GOOD] * 7
    assert len([key for key in world.bucket.keys_below("diplomas/") if key.endswith(".pdf")]) == 1


@small
def test_render_anew_gives_other_bytes_at_each_download(world: World) -> None:
    """Other bytes at each download are no change; a repair after a broken transfer commits the bytes it got."""
    world.sandbox.render_anew = True
    world.sandbox.fault("download", faults.Truncated(False), id=500001, times=1)
    expect(world, {500001: ("failed", "the end of the PDF is missing")})
    assert world.counts() == {"archived": 1, "unchanged": 2}
    assert world.counts(force=True, participants="987654") == {"archived": 1}
    assert len({record["file"]["sha256"] for record in world.bucket.records(12345)}) == 2


def real_pdf() -> bytes:
    """Return a certificate as the sandbox draws it."""
    return draw(CertificateText("A", "B", "C", "D", "E", "F", "G"))


def a_zip() -> bytes:
    """Return a zip of some size."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("diploma.pdf", GOOD)
    return packed.getvalue()


def locked() -> bytes:
    """Return a PDF that asks for a password."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(real_pdf())))
    writer.encrypt("secret", algorithm="AES-256")
    packed = io.BytesIO()
    writer.write(packed)
    return packed.getvalue()


def other_types() -> tuple[Content, ...]:
    """Return bodies of other types, whole but labelled as PDF."""
    pdf, odd = real_pdf(), Outcome.QUARANTINED
    return (
        Content("zip-labelled-pdf", a_zip(), odd, "is not a PDF"),
        Content("png-labelled-pdf", b"\x89PNG\r\n\x1a\n" + bytes(500), odd, "is not a PDF"),
        Content("junk-before-the-header", b"\r\n\r\n" + pdf, Outcome.ARCHIVED),
        Content("much-junk-after-the-trailer", pdf + b"<!-- ad -->\n" * 200, Outcome.ARCHIVED),
        Content("half-a-pdf-with-a-glued-eof", pdf[: len(pdf) // 2] + b"\n%%EOF\n", odd, "the PDF "),
        Content("html-behind-a-pdf-header", b"%PDF-1.4\n" + HTML, odd, "cannot be opened"),
        Content("html-between-header-and-eof", b"%PDF-1.4\n" + HTML + b"\n%%EOF\n", odd, "cannot be opened"),
    )


def odd_files() -> tuple[Content, ...]:
    """Return complete files that are no good diplomas; the limits of the checker's process end the bombs."""
    odd = Outcome.QUARANTINED
    empty = odd_pdfs.pdf_of(odd_pdfs.CATALOG, b"<< /Type /Pages /Kids [] /Count 0 >>", b"(" + b"x" * 200 + b")")
    return (
        Content("nested-flate-bomb-in-the-table", odd_pdfs.bomb_in_the_table(2, 200), odd, "the PDF "),
        Content("nested-flate-bomb-in-an-object", odd_pdfs.bomb_in_an_object(2, 200), odd, "the PDF "),
        Content("hex-string", odd_pdfs.hex_string(8), odd, "the PDF "),
        Content("deep-arrays", odd_pdfs.deep(), odd, "the PDF "),
        Content("password-locked-pdf", locked(), odd, "locked by a password"),
        Content("pdf-without-pages", empty, odd, "the PDF "),
        Content("little-junk-after-the-trailer", real_pdf() + b"<!-- ad -->\n" * 5, Outcome.ARCHIVED),
    )


@pytest.mark.parametrize("make", [other_types, odd_files], ids=lambda make: named(make()))
def test_a_bad_file_is_refused_or_kept(world: World, make: Any) -> None:
    """What is no PDF fails; what is a complete but odd one is quarantined with its bytes exactly; neighbours pass."""
    cases = dict(zip(DIPLOMAS, make(), strict=True))
    for diploma_id, case in cases.items():
        world.sandbox.diplomas[diploma_id].pdf = case.body
    expected = {key: (case.outcome.value, case.says) for key, case in cases.items()}
    expect(world, expected, within_seconds=120)
    for diploma_id, case in cases.items():
        number = world.sandbox.diplomas[diploma_id].random_certificate_number
        kept = [key for key in world.bucket.keys_below(f"quarantine/c-{number}/") if key.endswith(".bin")]
        assert [world.bucket.body(key) for key in kept] == [case.body] * (case.outcome is Outcome.QUARANTINED)


@small
@pytest.mark.parametrize("limit_bytes", [500_000, 1_200_000], ids=["at-the-rollover", "behind-the-rollover"])
def test_disk_full_in_the_temporary_folder(world: World, s3: LocalS3, temporary: Path, limit_bytes: int) -> None:
    """Where the temporary folder takes no more, each diploma fails with a sentence; no traceback, nothing partial."""
    world.sandbox.pdf_bytes = 1_500_000
    ids = ("--participant", "900001", "--participant", "900002")
    done = subprocess.run(
        [sys.executable, "-m", "diploma_archive.cli", "sync", *ids, "--json"],
        env=world.environment(TMPDIR=str(temporary), PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes)),
    )
    world.sandbox.pdf_bytes = None
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (answer["failed"], answer["archived"]) == (2, 0)
    assert {failure["diploma_id"] for failure in answer["failures"]} == {500001, 500002}
    for failure in answer["failures"]:
        assert "TMPDIR" in failure["error"]
    assert world.bucket.keys_below("diplomas/") == world.bucket.keys_below("certificates/") == []
