"""Is this a whole PDF? (DESIGN.md section 7)

Rule: a file that is cut, empty or something else is unusable; one that is complete but odd is kept for a person to see.
"""

from __future__ import annotations

import logging
import os
from typing import BinaryIO

from diploma_archive.errors import OddFileError, UnusableFileError

MIN_PDF_BYTES = 200
_TAIL_BYTES = 1024  # where PDF readers look for the end mark
MEDIA_TYPES = frozenset({"application/pdf", "application/x-pdf", "application/octet-stream", "binary/octet-stream", ""})
"""What a PDF may be labelled as; no label counts as octet-stream (RFC 9110, section 8.3)."""


def check_ends(file: BinaryIO) -> None:
    """Check that a file begins and ends as a PDF, and leave it at its start.

    Raises:
        UnusableFileError: too small, does not begin as a PDF, or does not end as one.
    """
    size = file.seek(0, os.SEEK_END)
    if size < MIN_PDF_BYTES:
        raise UnusableFileError(f"the download is too small for a diploma ({size} bytes)")
    file.seek(0)
    if file.read(5) != b"%PDF-":
        raise UnusableFileError("the download is not a PDF")
    file.seek(-min(size, _TAIL_BYTES), os.SEEK_END)
    if b"%%EOF" not in file.read():
        raise UnusableFileError("the download is cut off: the end of the PDF is missing")
    file.seek(0)


def count_pages(file: BinaryIO) -> int:
    """Open a PDF strictly and return its number of pages.

    A hostile file can keep pypdf busy for long: `pdf_checker` calls this in a process with limits.

    Raises:
        OddFileError: it cannot be opened, is locked by a password or has no page.
    """
    # The import takes memory and time, which the process that opens no PDF should not spend.
    from pypdf import PasswordType, PdfReader  # noqa: PLC0415

    # pypdf reports what it finds odd by raising in strict mode; its log lines would quote the file's contents.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(file, strict=True)
        if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
            raise OddFileError("the PDF is locked by a password")
        pages = len(reader.pages)
    except OddFileError:
        raise
    except RecursionError:
        raise OddFileError("the PDF is nested too deeply to be opened") from None
    except Exception as error:  # noqa: BLE001  pypdf raises many kinds on broken files; all mean the same here
        raise OddFileError(f"the PDF cannot be opened ({type(error).__name__})") from None
    if pages < 1:
        raise OddFileError("the PDF has no page")
    return pages
