"""Is this a whole PDF? Cut or foreign files are unusable, complete but odd ones are kept for a person to see."""

from __future__ import annotations

import io
import random
import re

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, NumberObject

from diploma_archive.errors import OddFileError, UnusableFileError
from diploma_archive.pdf.rules import MIN_PDF_BYTES, check_ends, count_pages


def written(writer: PdfWriter) -> bytes:
    body = io.BytesIO()
    writer.write(body)
    return body.getvalue()


def pdf(pages: int = 1, **encryption: str) -> bytes:
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(595, 842)
    if encryption:
        writer.encrypt(algorithm="AES-256", **encryption)
    return written(writer)


def check(body: bytes) -> int:
    return check_file(io.BytesIO(body))


def check_file(file: io.BytesIO) -> int:
    check_ends(file)
    return count_pages(file)


@pytest.mark.parametrize("pages", [1, 3])
def test_a_whole_pdf_is_good(pages):
    """A whole PDF passes, and its pages are counted."""
    assert check(pdf(pages)) == pages


def test_the_position_in_the_file_does_not_matter():
    """A file that was just written is checked from its start."""
    file = io.BytesIO(pdf())
    file.seek(0, io.SEEK_END)
    assert check_file(file) == 1


def test_a_pdf_printed_by_another_program_is_good():
    """A PDF made by reportlab, with fonts and compressed streams, passes the strict look."""
    canvas = pytest.importorskip("reportlab.pdfgen.canvas")
    body = io.BytesIO()
    page = canvas.Canvas(body, pageCompression=1)
    page.drawString(100, 700, "Certificate for \u00c5se \u00d8deg\u00e5rd")
    page.showPage()
    page.save()
    assert check(body.getvalue()) == 1


@pytest.mark.parametrize("size", [0, 1, 5, MIN_PDF_BYTES - 1])
def test_a_file_that_is_too_small_is_unusable(size):
    """An empty or tiny answer is no diploma."""
    with pytest.raises(UnusableFileError, match="too small"):
        check((b"%PDF-1.7 %%EOF" + b" " * 500)[:size])


@pytest.mark.parametrize(
    "body",
    [
        b"<html>" + b"x" * 500 + b"%%EOF",
        b" " + pdf(),
        b"\n" + pdf(),
        b"\xef\xbb\xbf" + pdf(),
        b"junk before " + pdf(),
        pdf().replace(b"%PDF-", b"%pdf-"),
        b"\x00" * 1000,
    ],
    ids=["html", "blank before", "line before", "byte order mark", "junk before", "small letters", "zeros"],
)
def test_what_does_not_begin_as_a_pdf_is_unusable(body):
    """`%PDF-` stands at the very beginning, or it is none."""
    with pytest.raises(UnusableFileError, match="not a PDF"):
        check(body)


@pytest.mark.parametrize(
    "body",
    [
        pdf()[:-6],
        pdf(20)[: len(pdf(20)) // 2],
        pdf().replace(b"%%EOF", b""),
        pdf() + b" " * 1025,
        b"%PDF-1.7 <html>" + b"x" * 500,
    ],
    ids=["end mark cut", "half", "no end mark", "end mark too far from the end", "html behind the mark"],
)
def test_what_does_not_end_as_a_pdf_is_unusable(body):
    """A cut file is never taken for a diploma."""
    with pytest.raises(UnusableFileError, match="cut off"):
        check(body)


@pytest.mark.parametrize("tail", [b"\n", b"\r\n", b"\x00" * 100, b" " * 1000])
def test_a_little_after_the_end_mark_is_fine(tail):
    """PDF readers look for the end mark in the last 1,024 bytes, and so do we."""
    assert check(pdf() + tail) == 1


@pytest.mark.parametrize(
    "body",
    [
        pdf(20)[: len(pdf(20)) // 2] + b"\n%%EOF\n",
        b"%PDF-1.7\n<html><body>" + b"Service unavailable " * 50 + b"</body></html>\n%%EOF\n",
        b"%PDF-1.7\n" + random.Random(1).randbytes(5000) + b"\n%%EOF\n",  # noqa: S311
        b"%PDF-1.7\n" + b"[" * 5000 + b"\nstartxref\n9\n%%EOF\n",
        b"%PDF-1.7\n" + b" " * 500 + b"startxref\n99999999\n%%EOF\n",
        b"%PDF-" + b"%%EOF" * 100,
    ],
    ids=["half with a glued end", "html inside", "noise", "deep nesting", "xref elsewhere", "only marks"],
)
def test_a_file_with_both_marks_that_cannot_be_opened_is_odd(body):
    """Both marks alone prove nothing: the bytes go to quarantine."""
    with pytest.raises(OddFileError):
        check(body)


def test_a_damaged_table_of_contents_is_odd():
    """What a lenient reader would repair by guessing is not taken for whole: the strict look decides."""
    damaged = re.sub(rb"startxref\n\d+", b"startxref\n12", pdf(2))
    assert len(PdfReader(io.BytesIO(damaged), strict=False).pages) == 2
    with pytest.raises(OddFileError, match="cannot be opened"):
        check(damaged)


def test_a_pdf_locked_by_a_user_password_is_odd():
    """Nobody could open it in ten years."""
    with pytest.raises(OddFileError, match="locked by a password"):
        check(pdf(user_password="secret", owner_password="owner"))


def test_a_pdf_with_only_an_owner_password_is_good():
    """Forbidding to print is common on certificates; everybody can open them."""
    assert check(pdf(user_password="", owner_password="owner")) == 1


def test_a_pdf_without_pages_is_odd():
    """A certificate has at least one page."""
    with pytest.raises(OddFileError, match="no page"):
        check(pdf(0))


def test_a_page_count_that_no_page_stands_behind_is_odd():
    """What the catalogue claims does not count as a page."""
    writer = PdfWriter()
    writer.root_object["/Pages"][NameObject("/Count")] = NumberObject(3)
    with pytest.raises(OddFileError):
        check(written(writer))


def test_ten_megabytes_are_fine():
    """A scanned certificate of 10 MB is a diploma like any other."""
    writer = PdfWriter()
    writer.add_blank_page(595, 842)
    writer.add_attachment("scan.bin", random.Random(1).randbytes(10_000_000))  # noqa: S311
    body = written(writer)
    assert len(body) > 10_000_000
    assert check(body) == 1


def test_a_refusal_does_not_quote_the_file():
    """The bytes may be somebody's certificate: none of them is in a text."""
    body = b"%PDF-1.7\n" + b"canary-Kari " * 100 + b"\ntrailer << /Root canary >>\nstartxref\ncanary\n%%EOF\n"
    with pytest.raises(OddFileError) as caught:
        check(body)
    assert "canary" not in caught.value.diagnostics()
    assert caught.value.__cause__ is None
