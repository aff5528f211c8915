"""Draws a certificate as a one-page PDF; the rule: the same text gives the same bytes, and no text can break it."""

from __future__ import annotations

import io
import random
import zlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Any, Self

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4, landscape
from reportlab.pdfbase.pdfdoc import PDFStream
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from diploma_archive.sandbox.school_data import SandboxDiploma

_INK = HexColor("#1c2b3a")
_SOFT = HexColor("#6b7785")
_GOLD = HexColor("#b08d4a")
_LONGEST_TEXT = 160
# What the page itself weighs, measured; the padding is what is missing from there to `pdf_bytes`.
_PAGE_BYTES = 2_600


@dataclass(frozen=True)
class CertificateText:
    """What stands on a certificate."""

    name: str
    course: str
    course_reference: str
    date: str
    place: str
    serial: str
    number: str

    @classmethod
    def of(cls, diploma: SandboxDiploma) -> Self:
        """Return the text for a diploma, with gaps where a test has put something odd."""
        user, course, coursedate = (_mapping(part) for part in (diploma.user, diploma.course, diploma.coursedate))
        return cls(
            name=f"{user.get('firstname') or ''} {user.get('lastname') or ''}".strip(),
            course=str(course.get("title") or ""),
            course_reference=str(course.get("reference") or ""),
            date=str(coursedate.get("end_at") or diploma.created_at or "")[:10],
            place=str(_mapping(coursedate.get("location")).get("title") or ""),
            serial=str(diploma.serial or ""),
            number=str(diploma.random_certificate_number or ""),
        )


def printable(text: str) -> str:
    """Return `text` with a question mark for all that the standard fonts cannot show (controls, lone surrogates)."""
    latin = text[:_LONGEST_TEXT].encode("latin-1", "replace").decode("latin-1")
    return "".join(char if char.isprintable() or char == "\xa0" else "?" for char in latin)


@lru_cache(maxsize=512)
def draw(text: CertificateText, pdf_bytes: int | None = None, stamp: str | None = None) -> bytes:
    """Return the PDF, of about `pdf_bytes` bytes when given; `stamp` goes into the document info."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=landscape(A4), invariant=1, pageCompression=1)
    canvas.setTitle(printable(f"Certificate {text.serial}"))
    canvas.setAuthor("FrontCore sandbox")
    canvas.setSubject(printable(text.course))
    if stamp is not None:
        canvas.setKeywords(f"rendered {stamp}")
    _page(canvas, text)
    if pdf_bytes is not None and pdf_bytes > _PAGE_BYTES:
        _pad(canvas, text, pdf_bytes - _PAGE_BYTES)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _pad(canvas: Canvas, text: CertificateText, size_bytes: int) -> None:
    """Add an object that no compressor shrinks, as a scanned signature would be."""
    seed = zlib.crc32("\0".join(astuple(text)).encode("utf-8", "surrogatepass"))
    noise = random.Random(seed).randbytes(size_bytes)  # noqa: S311 - filling, not a secret
    # reportlab writes `endstream` right after the content, and strict readers want a line end before it.
    canvas._doc.Reference(PDFStream(content=noise + b"\n", filters=[]))


def _page(canvas: Canvas, text: CertificateText) -> None:
    width, height = landscape(A4)
    middle = width / 2
    _border(canvas, width, height)
    _spaced(canvas, middle, height - 104, "CERTIFICATE OF COMPLETION", size=15, colour=_GOLD)
    canvas.setFillColor(_SOFT)
    canvas.setFont("Times-Italic", 15)
    canvas.drawCentredString(middle, height - 158, "This is to certify that")
    _fitted(canvas, middle, height - 210, text.name, font="Times-Roman", size=42)
    canvas.setStrokeColor(_GOLD)
    canvas.setLineWidth(0.6)
    canvas.line(middle - 200, height - 228, middle + 200, height - 228)
    canvas.setFillColor(_SOFT)
    canvas.setFont("Times-Italic", 15)
    canvas.drawCentredString(middle, height - 262, "has passed the course")
    _fitted(canvas, middle, height - 302, text.course, font="Times-Bold", size=26)
    canvas.setFillColor(_SOFT)
    canvas.setFont("Helvetica", 11)
    held = ", ".join(part for part in (text.course_reference, text.place) if part)
    canvas.drawCentredString(middle, height - 328, printable(held))
    _facts(canvas, width, text)
    canvas.setFillColor(_SOFT)
    canvas.setFont("Helvetica", 7)
    canvas.drawCentredString(middle, 48, "Drawn by the sandbox for tests and demonstrations. It certifies nothing.")


def _border(canvas: Canvas, width: float, height: float) -> None:
    canvas.setStrokeColor(_INK)
    canvas.setLineWidth(1)
    canvas.rect(28, 28, width - 56, height - 56)
    canvas.setStrokeColor(_GOLD)
    canvas.setLineWidth(0.5)
    canvas.rect(34, 34, width - 68, height - 68)


def _facts(canvas: Canvas, width: float, text: CertificateText) -> None:
    """Three columns: a small label above each value."""
    lines = (("DATE", text.date), ("SERIAL", text.serial), ("CERTIFICATE NUMBER", text.number))
    column = (width - 160) / 3
    for position, (label, value) in enumerate(lines):
        center = 80 + column * (position + 0.5)
        canvas.setStrokeColor(_SOFT)
        canvas.setLineWidth(0.4)
        canvas.line(center - column / 2 + 20, 140, center + column / 2 - 20, 140)
        _fitted(canvas, center, 150, value or "-", font="Helvetica", size=14, widest=column - 44)
        _spaced(canvas, center, 124, label, size=7.5, colour=_SOFT)


def _spaced(canvas: Canvas, center: float, baseline: float, text: str, *, size: float, colour: HexColor) -> None:
    """Capitals want air between them; the air behind the last one must not shift the line to the left."""
    gap = size * 0.18
    canvas.setFillColor(colour)
    canvas.setFont("Helvetica", size)
    whole = stringWidth(text, "Helvetica", size) + gap * (len(text) - 1)
    canvas.drawString(center - whole / 2, baseline, text, charSpace=gap)


def _fitted(
    canvas: Canvas, center: float, baseline: float, text: str, *, font: str, size: float, widest: float = 660
) -> None:
    """Centre a text whose length nobody limits: it gets smaller until it fits."""
    shown = printable(text)
    needed = stringWidth(shown, font, size)
    fitting = size if needed <= widest else max(4.0, size * widest / needed)
    canvas.setFillColor(_INK)
    canvas.setFont(font, fitting)
    canvas.drawCentredString(center, baseline, shown)


def _mapping(part: object) -> Mapping[str, Any]:
    """Return an empty mapping for what a test put in place of one."""
    return part if isinstance(part, dict) else {}
