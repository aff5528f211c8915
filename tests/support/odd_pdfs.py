"""PDFs written by hand to be awkward: bombs and files that keep a reader busy, all with proper beginning and end."""

from __future__ import annotations

import zlib

_MEBIBYTE = 1 << 20
PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 1 1] >>"
CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"


def pdf_of(*objects: bytes) -> bytes:
    """Return a PDF of these objects (1, 2, ...), with a right table of where they are."""
    body, places = b"%PDF-1.5\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(body))
        body += _object(number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    head = b"xref\n0 %d\n0000000000 65535 f \n" % size
    tail = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(body))
    return body + head + table + tail


def hex_string(megabytes: int = 20) -> bytes:
    """Return a valid PDF whose page tree holds a long hexadecimal string: pypdf takes half a second a megabyte."""
    tree = b"<< /Type /Pages /Kids [3 0 R] /Count 1 /X <" + b"41" * (megabytes * 500_000) + b"> >>"
    return pdf_of(CATALOG, tree, PAGE)


def bomb_in_the_table(levels: int = 2, mebibytes: int = 2000) -> bytes:
    """Return a PDF whose cross-reference stream unpacks, level by level, to that much."""
    body = b"%PDF-1.5\n" + _object(1, CATALOG) + _object(2, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>")
    body += _object(3, PAGE)
    stream = _flate_stream(levels, mebibytes, b"/Type /XRef /W [1 2 1] /Size 5 /Root 1 0 R")
    return body + _object(4, stream) + b"startxref\n%d\n%%%%EOF\n" % len(body)


def bomb_in_an_object(levels: int = 1, mebibytes: int = 60) -> bytes:
    """Return a PDF whose page tree lies in an object stream that unpacks to that much."""
    body = b"%PDF-1.5\n"
    catalog = len(body)
    body += _object(1, CATALOG)
    packed = len(body)
    body += _object(4, _flate_stream(levels, mebibytes, b"/Type /ObjStm /N 1 /First 10"))
    table = len(body)
    rows = [(0, 0, 0), (1, catalog, 0), (2, 4, 0), (0, 0, 0), (1, packed, 0), (1, min(table, 65535), 0)]
    data = b"".join(bytes([kind]) + where.to_bytes(2, "big") + bytes([index]) for kind, where, index in rows)
    body += _object(5, _stream(data, b"/Type /XRef /W [1 2 1] /Size 6 /Root 1 0 R"))
    return body + b"startxref\n%d\n%%%%EOF\n" % table


def deep(levels: int = 200_000) -> bytes:
    """Return a PDF with arrays nested so deep that a recursive reader gives up."""
    tree = b"<< /Type /Pages /Kids [3 0 R] /Count 1 /X " + b"[" * levels + b"]" * levels + b" >>"
    return pdf_of(CATALOG, tree, PAGE)


def _object(number: int, content: bytes) -> bytes:
    return b"%d 0 obj\n" % number + content + b"\nendobj\n"


def _stream(data: bytes, entries: bytes) -> bytes:
    return b"<< /Length %d %s >>\nstream\n" % (len(data), entries) + data + b"\nendstream"


def _flate_stream(levels: int, mebibytes: int, entries: bytes) -> bytes:
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(b" " * _MEBIBYTE) for _ in range(mebibytes)) + packer.flush()
    for _ in range(levels - 1):
        data = zlib.compress(data, 9)
    return _stream(data, entries + b" /Filter [" + b"/FlateDecode " * levels + b"]")


PAGE_WITH_SQUARE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 72 72] /Contents 4 0 R >>"
SQUARE = b"<< /Length 14 >>\nstream\n9 9 36 36 re f\nendstream"
GOOD = pdf_of(CATALOG, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", PAGE_WITH_SQUARE, SQUARE)
