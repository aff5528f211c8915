"""A PDF of our own, to see that the checker works on this machine."""

from __future__ import annotations

import io

from pypdf import PdfWriter


def blank_page() -> io.BytesIO:
    """Return a PDF of one blank page, at its start."""
    page = io.BytesIO()
    with PdfWriter() as writer:
        writer.add_blank_page(72, 72)
        writer.write(page)
    page.seek(0)
    return page
