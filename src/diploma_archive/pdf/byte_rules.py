"""What the bytes of a download say before anything opens it: is it a PDF, and did all of it come? (DESIGN.md section 7)

Rule: what never came whole is unusable, and so is an error page; everything else that came is kept, whatever it is.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from typing import BinaryIO

from diploma_archive.errors import OddFileError, UnusableFileError
from diploma_archive.model.file_oddities import Oddity

HEAD_BYTES = 1_024  # within these PDFium, and so Chrome, looks for the beginning
_TAIL_BYTES = 1_024  # within these the end mark is looked for
_MARK, _END = b"%PDF-", b"%%EOF"
_LINEARISED = re.compile(rb"/Linearized\b[^>]{0,400}?/L\s+([0-9]{1,15})\b", re.DOTALL)
_PDF_TYPES = frozenset({"application/pdf", "application/x-pdf", "application/octet-stream", "binary/octet-stream", ""})
"""What a PDF may be labelled as; no label counts as octet-stream (RFC 9110, section 8.3)."""
_BYTE_ORDERS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8"))
_MARKUP = re.compile(r"<[!?a-z]")
_MOST_JSON = 100_000  # an answer of an API is shorter


def check_bytes(file: BinaryIO, *, whole: bool, media_type: str) -> tuple[Oddity, ...]:
    """Return what is odd about a PDF by its bytes alone, and leave the file at its start.

    Args:
        whole: the transfer says so itself: as many bytes as were announced, or the last chunk.
        media_type: what it was labelled as, in lower case and without parameters.

    Raises:
        UnusableFileError: it is an error page, or it did not come whole.
        OddFileError: it came whole, and is no PDF.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(HEAD_BYTES)
    begins = head.find(_MARK)
    if begins < 0:
        file.seek(0)
        _refuse_error_page(file.read(_MOST_JSON + 1))
        if not size:
            raise UnusableFileError("the download is empty")
        if not whole:
            raise UnusableFileError("the download is not a PDF, and nothing says that all of it came")
        raise OddFileError("the download is not a PDF")
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read()
    file.seek(0)
    linearised = _LINEARISED.search(head)
    # The length that a linearised file tells of itself counts from its own beginning.
    is_short = linearised is not None and size - begins < int(linearised[1])
    if not whole and (_END not in tail or is_short):
        raise UnusableFileError("the download is cut off: the end of the PDF is missing")
    end = _behind(tail)
    if end is None:
        end = _behind(file.read())  # what a generator appends may be long
    file.seek(0)
    found = {
        Oddity.JUNK_BEFORE: begins > 0,
        Oddity.JUNK_BEHIND: end is not None and bool(end.strip(b" \t\r\n\f")),
        Oddity.DAMAGED_END: end is None,
        Oddity.SHORTER_THAN_IT_SAYS: is_short,
        Oddity.WRONG_LABEL: media_type not in _PDF_TYPES,
    }
    return tuple(oddity for oddity, is_so in found.items() if is_so)


def _behind(data: bytes) -> bytes | None:
    """Return what stands behind the last end mark, or None where there is none."""
    _, mark, behind = data.rpartition(_END)
    return behind if mark else None


def _refuse_error_page(start: bytes) -> None:
    encoding = next((name for mark, name in _BYTE_ORDERS if start.startswith(mark)), "utf-8")
    text = start.decode(encoding, "replace").lstrip("\ufeff \t\r\n\f\v\0")
    if _MARKUP.match(text[:2].lower()):
        raise UnusableFileError("the download is a web page and no PDF")
    if text.startswith(("{", "[")):
        raise UnusableFileError("the download is an answer in JSON and no PDF")
    if text and len(start) <= _MOST_JSON:
        with suppress(ValueError, RecursionError):
            json.loads(text)
            raise UnusableFileError("the download is an answer in JSON and no PDF")
