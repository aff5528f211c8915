"""Would whoever opens it see a diploma? Files of several makers, and such as lost something."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, NameObject, NumberObject
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from diploma_archive.errors import OddFileError
from diploma_archive.pdf.sample import one_page
from diploma_archive.pdf.viewer_rules import Seen, look_at
from tests.support.odd_pdfs import GOOD

PIL = pytest.importorskip("PIL.Image")


def drawn(*pages: Callable[[Canvas], None], compress: int = 1) -> bytes:
    """Return what reportlab makes of some pages."""
    body = io.BytesIO()
    canvas = Canvas(body, pageCompression=compress)
    for page in pages:
        page(canvas)
        canvas.showPage()
    canvas.save()
    return body.getvalue()


def words(canvas: Canvas) -> None:
    """A page with text."""
    canvas.drawString(100, 700, "Certificate for \u00c5se \u00d8deg\u00e5rd")


def nothing(canvas: Canvas) -> None:
    """A blank side, as makers write it."""
    canvas.saveState()
    canvas.setFillColorRGB(1, 0, 0)
    canvas.restoreState()


def scan(canvas: Canvas) -> None:
    """A picture over the whole page, and nothing else."""
    picture = PIL.new("L", (60, 80), 255)
    picture.paste(0, (10, 10, 40, 20))
    canvas.drawImage(ImageReader(picture), 0, 0, 595, 842)


def white_scan(canvas: Canvas) -> None:
    """A picture on which nothing is to be seen."""
    canvas.drawImage(ImageReader(PIL.new("L", (60, 80), 255)), 0, 0, 595, 842)


def form(canvas: Canvas) -> None:
    """A form alone."""
    canvas.acroForm.textfield(name="holder", x=100, y=600, width=200, height=20, value="Ase")


def seen(body: bytes) -> Seen:
    """Look at a file."""
    return look_at(io.BytesIO(body))


def lost_scan(canvas: Canvas) -> None:
    """A picture with a margin, whose data was lost: a black box."""
    canvas.drawImage(ImageReader(PIL.new("L", (60, 80), 0)), 60, 60, 400, 600)


@pytest.mark.parametrize("page", [words, scan, form])
@pytest.mark.parametrize("compress", [0, 1])
def test_something_to_be_seen_is_enough(page: Callable[[Canvas], None], compress: int) -> None:
    """Text, an image or a form: whoever opens it sees a diploma."""
    assert seen(drawn(page, compress=compress)).pages == 1


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_scan_on_its_side_is_seen(degrees: int) -> None:
    """Scanners turn pages; and a black box on its side is none."""
    for page in (scan, lost_scan):
        writer = PdfWriter(clone_from=PdfReader(io.BytesIO(drawn(page))))
        writer.pages[0].rotate(degrees)
        body = io.BytesIO()
        writer.write(body)
        if page is scan:
            assert seen(body.getvalue()).pages == 1
            continue
        with pytest.raises(OddFileError, match="empty"):
            seen(body.getvalue())


def test_the_text_is_read() -> None:
    """What is printed can be compared with whom it came for."""
    assert "\u00d8deg\u00e5rd" in seen(drawn(words)).text
    assert seen(drawn(scan)).text.strip() == ""
    assert len(seen(drawn(*[words] * 30)).text) < 200_000


EMPTY = {"nothing": nothing, "a white picture": white_scan, "a black box": lost_scan}


@pytest.mark.parametrize("page", EMPTY.values(), ids=EMPTY)
def test_a_file_that_shows_nothing_is_odd(page: Callable[[Canvas], None]) -> None:
    """Empty pages alone are no diploma."""
    with pytest.raises(OddFileError, match="empty"):
        seen(drawn(page, page))


@pytest.mark.parametrize("page", [nothing, white_scan], ids=["nothing", "a white picture"])
def test_a_blank_side_beside_a_full_one_is_fine(page: Callable[[Canvas], None]) -> None:
    """Double-sided printing leaves blank sides; that is noted."""
    assert seen(drawn(words, page)) == Seen(2, True, seen(drawn(words)).text + "\n")
    assert not seen(drawn(words, scan)).has_blank_side


def content_of_second(body: bytes, content: bytes | None, filtered: bool = False) -> bytes:
    """Put other bytes in the place of the second page's content, as damage on a disk would."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(body)))
    page = writer.pages[1]
    if content is None:
        del page["/Contents"]
    else:
        stream = DecodedStreamObject()
        stream.set_data(content)
        if filtered:
            stream[NameObject("/Filter")] = NameObject("/FlateDecode")
        page[NameObject("/Contents")] = writer._add_object(stream)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    "content", [None, b"", b" \n", b"q Q", b"q\n1 0 0 1 0 0 cm\nQ\n", b"BT ET", b"/Artifact BMC EMC"]
)
def test_what_makers_write_on_a_blank_side(content: bytes | None) -> None:
    """No content, or operators that draw nothing."""
    assert seen(content_of_second(drawn(words, words), content)).has_blank_side


LOST = {
    "zeros": (bytes(400), False),
    "zeros where packed content should be": (bytes(400), True),
    "rubbish": (b"\x8f\x03\xfe\x91rub bish \xff" * 20, False),
    "a cut stream": (zlib.compress(b"q 1 0 0 1 0 0 cm Q " * 50)[:20], True),
    "words that are no operators": (b"hello world this is no page", False),
    "html": (b"<html><body>Not found</body></html>", False),
    "a half of zeros": (b"q Q\n" + bytes(100) + b"Q\x00q nonsense", False),
}


@pytest.mark.parametrize(("content", "filtered"), LOST.values(), ids=LOST)
def test_a_page_whose_content_is_lost_is_odd(content: bytes, filtered: bool) -> None:
    """An empty page beside full ones is damage where its content is none."""
    with pytest.raises(OddFileError, match="content is lost"):
        seen(content_of_second(drawn(words, words), content, filtered))


def test_a_page_that_cannot_be_loaded_is_odd() -> None:
    """What the catalogue claims does not count as a page."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(drawn(words))))
    writer.root_object["/Pages"][NameObject("/Count")] = NumberObject(3)
    body = io.BytesIO()
    writer.write(body)
    with pytest.raises(OddFileError):
        seen(body.getvalue())


def test_a_table_that_every_viewer_repairs_is_fine() -> None:
    """A wrong place of the table of objects is repaired by whoever opens it."""
    damaged = re.sub(rb"startxref\n\d+", b"startxref\n12", drawn(words))
    assert seen(damaged).pages == 1


def locked(**passwords: str) -> bytes:
    """Return a protected file."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(drawn(words, nothing))))
    writer.encrypt(algorithm="AES-256", **passwords)
    body = io.BytesIO()
    writer.write(body)
    return body.getvalue()


def test_a_pdf_locked_by_a_user_password_is_odd() -> None:
    """Nobody could open it in ten years."""
    with pytest.raises(OddFileError, match="locked by a password"):
        seen(locked(user_password="secret", owner_password="owner"))


def test_a_pdf_with_only_an_owner_password_is_good() -> None:
    """Forbidding to print is common on certificates; everybody can open them, and its blank side is one."""
    assert seen(locked(user_password="", owner_password="owner")).has_blank_side


@pytest.mark.parametrize(
    "body", [b"%PDF-1.7\n" + b"x" * 500, b"%PDF-" + b"%%EOF" * 100, b"%PDF-1.4\n<html>" + b"x" * 500]
)
def test_what_cannot_be_opened_is_odd(body: bytes) -> None:
    """A beginning alone is no PDF, and no byte of it is in the sentence."""
    with pytest.raises(OddFileError, match="cannot be opened") as caught:
        seen(body)
    assert caught.value.__cause__ is None


def test_our_own_samples_are_good() -> None:
    """The doctor's file and the one of the tests pass."""
    assert (look_at(one_page()).pages, seen(GOOD).pages) == (1, 1)
