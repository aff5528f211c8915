"""Would the person who opens it see a diploma? Asked of PDFium, what Chrome opens PDFs with (DESIGN.md section 7).

Rule: it opens without a password, every page loads, and at least one has something to be seen on it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, BinaryIO

from diploma_archive.errors import OddFileError
from diploma_archive.pdf.blank_pages import is_blank_side

MOST_TEXT = 200_000  # characters that are looked through
_RENDERED_POINTS = 200.0  # the longer side of a page that is looked at for anything at all, in pixels
_UNSEEN = ("FPDF_ANNOT_LINK", "FPDF_ANNOT_POPUP")


@dataclass(frozen=True)
class Seen:
    """What PDFium sees: pages, whether one of them is a blank side, and the text (at most `MOST_TEXT` characters)."""

    pages: int
    has_blank_side: bool
    text: str


def look_at(file: BinaryIO) -> Seen:
    """Open a PDF as a viewer does. A hostile file can keep PDFium busy: the process that calls this has limits.

    Raises:
        OddFileError: whoever opens it does not see a diploma.
    """
    # The import takes memory and time, which the process that opens no PDF should not spend.
    import pypdfium2 as pdfium  # noqa: PLC0415

    try:
        document = pdfium.PdfDocument(file)
    except pdfium.PdfiumError as error:
        if error.err_code == pdfium.raw.FPDF_ERR_PASSWORD:
            raise OddFileError("the PDF is locked by a password") from None
        raise OddFileError("the PDF cannot be opened") from None
    with closing(document):
        if len(document) < 1:
            raise OddFileError("the PDF has no page")
        empty, texts, length = [], [], 0
        for number, page in _pages(document):
            text = _text(page, MOST_TEXT - length)
            texts.append(text)
            length += len(text)
            if not text.strip() and not _shows_something(page):
                empty.append(number)
        if len(empty) == len(document):
            raise OddFileError("the PDF opens, and its pages are empty")
        if not all(is_blank_side(file, number) for number in empty):
            raise OddFileError("the PDF has a page whose content is lost")
        return Seen(len(document), bool(empty), "\n".join(texts))


def _pages(document: Any) -> Iterator[tuple[int, Any]]:
    import pypdfium2 as pdfium  # noqa: PLC0415

    for number in range(len(document)):
        try:
            page = document[number]
        except pdfium.PdfiumError:
            raise OddFileError("the PDF has a page that cannot be loaded") from None
        with closing(page):
            yield number, page


def _text(page: Any, most: int) -> str:
    with closing(page.get_textpage()) as text:
        return str(text.get_text_range(0, min(text.count_chars(), most))) if most > 0 else ""


def _shows_something(page: Any) -> bool:
    """Return whether a page without text shows anything: an image or a drawing is looked for where it would be seen."""
    import pypdfium2.raw as pdfium  # noqa: PLC0415

    unseen = {getattr(pdfium, name) for name in _UNSEEN}
    for number in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, number)
        kind = pdfium.FPDFAnnot_GetSubtype(annotation)
        pdfium.FPDFPage_CloseAnnot(annotation)
        if kind not in unseen:
            return True
    count = pdfium.FPDFPage_CountObjects(page)
    objects = [pdfium.FPDFPage_GetObject(page, number) for number in range(count)]
    if not objects:
        return False
    scale = _RENDERED_POINTS / max(*page.get_size(), 1.0)
    with closing(page.render(scale=scale, grayscale=True)) as bitmap:
        rows = [
            bytes(bitmap.buffer[start : start + bitmap.width])
            for start in range(0, bitmap.stride * bitmap.height, bitmap.stride)
        ]
    if any(pdfium.FPDFPageObj_GetType(one) != pdfium.FPDF_PAGEOBJ_IMAGE for one in objects):
        return _is_varied(rows)
    # A picture whose data is lost is drawn as a box of one colour.
    return any(_is_varied(_part(rows, page, one, scale)) for one in objects)


def _part(rows: list[bytes], page: Any, image: Any, scale: float) -> list[bytes]:
    """Return what is seen of an image, without its edges."""
    import pypdfium2.raw as pdfium  # noqa: PLC0415

    edges = [ctypes.c_float() for _ in range(4)]
    if not pdfium.FPDFPageObj_GetBounds(image, *edges):
        return rows
    left, bottom, right, top = (edge.value for edge in edges)
    places = [_place(page, x, y, scale) for x, y in ((left, top), (right, bottom))]
    (x0, x1), (y0, y1) = (sorted(axis) for axis in zip(*places, strict=True))
    return [row[max(x0 + 2, 0) : max(x1 - 1, 0)] for row in rows[max(y0 + 2, 0) : max(y1 - 1, 0)]]


def _place(page: Any, x: float, y: float, scale: float) -> tuple[int, int]:
    """Return where a point of a page is in its picture, turned as the page is."""
    import pypdfium2.raw as pdfium  # noqa: PLC0415

    width, height = (max(1, round(side * scale)) for side in page.get_size())
    to_x, to_y = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDF_PageToDevice(page, 0, 0, width, height, 0, x, y, to_x, to_y)
    return to_x.value, to_y.value


def _is_varied(rows: list[bytes]) -> bool:
    return len(set(b"".join(rows))) > 1
