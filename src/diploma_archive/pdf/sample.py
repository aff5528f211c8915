"""A PDF of our own, to see that the checker works on this machine."""

from __future__ import annotations

import io

_OBJECTS = (
    b"<< /Type /Catalog /Pages 2 0 R >>",
    b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 72 72] /Contents 4 0 R >>",
    b"<< /Length 14 >>\nstream\n9 9 36 36 re f\nendstream",
)


def one_page() -> io.BytesIO:
    """Return a PDF of one page with a square on it, at its start."""
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(_OBJECTS, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    tail = b"trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(body)
    return io.BytesIO(body + b"xref\n0 5\n0000000000 65535 f \n" + table + tail)
