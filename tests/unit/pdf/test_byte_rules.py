"""What the bytes of a download say: an error page and what never came whole are unusable, the rest is kept."""

from __future__ import annotations

import io
import json

import pytest

from diploma_archive.errors import OddFileError, UnusableFileError
from diploma_archive.model.file_oddities import Oddity
from diploma_archive.pdf.byte_rules import check_bytes
from tests.support.odd_pdfs import GOOD

HTML = b"<!doctype html><title>Log in</title>" + b"<p>Please log in.</p>" * 20
LINEARISED = b"%%PDF-1.4\n1 0 obj\n<< /Linearized 1 /L %d /H [ 1 2 ] /O 3 /E 4 /N 1 /T 5 >>\nendobj\n"


def oddities(body: bytes, *, whole: bool = True, media_type: str = "application/pdf") -> set[str]:
    """Return what is odd about a file."""
    file = io.BytesIO(body)
    found = check_bytes(file, whole=whole, media_type=media_type)
    assert file.tell() == 0
    return set(found)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n", b" " * 1000])
def test_a_usual_file_has_nothing_odd(whole: bool, tail: bytes) -> None:
    """A file as makers write it passes, however it came."""
    assert oddities(GOOD + tail, whole=whole) == set()


ODD = {
    "blank before": (b" " + GOOD, {Oddity.JUNK_BEFORE}),
    "line before": (b"\r\n" + GOOD, {Oddity.JUNK_BEFORE}),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, {Oddity.JUNK_BEFORE}),
    "a notice of PHP": (
        b"<br />\n<b>Notice</b>: Undefined index in <b>/srv/x.php</b><br />\n" + GOOD,
        {Oddity.JUNK_BEFORE},
    ),
    "as late as a viewer looks": (b"x" * 1019 + GOOD, {Oddity.JUNK_BEFORE}),
    "zeros behind": (GOOD + b"\0" * 3004, {Oddity.JUNK_BEHIND}),
    "an advertisement behind": (GOOD + b"<!-- ad -->\n" * 200, {Oddity.JUNK_BEHIND}),
    "no end mark": (GOOD.replace(b"%%EOF", b""), {Oddity.DAMAGED_END}),
    "half an end mark": (GOOD.replace(b"%%EOF", b"%%E"), {Oddity.DAMAGED_END}),
    "shorter than it says": (LINEARISED % 999_999 + GOOD, {Oddity.SHORTER_THAN_IT_SAYS}),
    "both": (b"\n" + GOOD + b"\0", {Oddity.JUNK_BEFORE, Oddity.JUNK_BEHIND}),
}


@pytest.mark.parametrize(("body", "expected"), ODD.values(), ids=ODD)
def test_what_is_odd_is_named(body: bytes, expected: set[str]) -> None:
    """What came whole is judged by what a viewer shows; what is odd about it is noted."""
    assert oddities(body) == expected


@pytest.mark.parametrize("name", ["zeros behind", "an advertisement behind", "no end mark", "half an end mark"])
def test_without_a_length_the_end_mark_decides(name: str) -> None:
    """Where the transfer says nothing of its end, an undamaged end mark in its place is required."""
    with pytest.raises(UnusableFileError, match="cut off"):
        oddities(ODD[name][0], whole=False)


def test_a_linearised_file_has_an_end_mark_at_its_beginning() -> None:
    """The first part of a linearised file looks whole, and is shorter than the file says."""
    with pytest.raises(UnusableFileError, match="cut off"):
        oddities(LINEARISED % 999_999 + GOOD, whole=False)
    assert oddities(LINEARISED % 50 + GOOD, whole=False) == set()  # longer: it was updated since, as by a signature


@pytest.mark.parametrize("media_type", ["text/html", "application/json", "image/png", "nonsense"])
def test_the_label_decides_nothing(media_type: str) -> None:
    """A server that labels a PDF as something else gives a PDF."""
    assert oddities(GOOD, media_type=media_type) == {Oddity.WRONG_LABEL}
    with pytest.raises(UnusableFileError, match="web page"):
        oddities(HTML, media_type="application/pdf")


@pytest.mark.parametrize("media_type", ["application/pdf", "application/x-pdf", "application/octet-stream", ""])
def test_usual_labels(media_type: str) -> None:
    """What servers call a PDF."""
    assert oddities(GOOD, media_type=media_type) == set()


ERROR_PAGES = {
    "html": HTML,
    "html in capitals": HTML.upper(),
    "a fragment": b"  \r\n<br />\n<b>Fatal error</b>: out of memory",
    "a byte order mark": b"\xef\xbb\xbf" + HTML,
    "utf-16": "\ufeff<html><body>Fehler</body></html>".encode("utf-16-le"),
    "xml": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "a comment": b"<!-- error --><p>x",
    "json": json.dumps({"error": "Token expired"}).encode(),
    "json in a list": b'[{"error": "Token expired"}]',
    "cut json": b'{"error": "Tok',
    "a word of json": b"null",
    "a text of json": b'"Token expired"',
}


@pytest.mark.parametrize("body", ERROR_PAGES.values(), ids=ERROR_PAGES)
@pytest.mark.parametrize("whole", [True, False])
def test_an_error_page_is_no_evidence(body: bytes, whole: bool) -> None:
    """HTML and JSON are what a server says instead: failed, and tried again."""
    with pytest.raises(UnusableFileError):
        oddities(body, whole=whole)


OTHERS = {
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(500),
    "a zip": b"PK\x03\x04" + bytes(50),
    "plain text": b"Service unavailable",
    "zeros": bytes(1000),
    "small letters": GOOD.replace(b"%PDF-", b"%pdf-"),
    "a header too late": b"x" * 1020 + GOOD,
    "one byte": b"x",
}


@pytest.mark.parametrize("body", OTHERS.values(), ids=OTHERS)
def test_whatever_else_came_whole_is_kept(body: bytes) -> None:
    """What is neither a PDF nor an error page goes to quarantine, and only if it came whole."""
    with pytest.raises(OddFileError, match="not a PDF"):
        oddities(body)
    with pytest.raises(UnusableFileError, match="nothing says"):
        oddities(body, whole=False)


def test_nothing_is_nothing() -> None:
    """Of an empty answer there is nothing to keep."""
    with pytest.raises(UnusableFileError, match="empty"):
        oddities(b"")
