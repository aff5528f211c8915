"""The drawn certificate."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from diploma_archive.sandbox import Sandbox
from diploma_archive.sandbox.certificate import CertificateText, draw, printable

TEXT = CertificateText("John Doe", "Safety", "SAFE-101", "2024-02-15", "Oslo", "2024-SAFE-001", "ABC123456")


def test_the_same_text_gives_the_same_bytes():
    """Drawing is deterministic, and another text gives another file."""
    assert draw.__wrapped__(TEXT) == draw.__wrapped__(TEXT)
    assert draw(TEXT) != draw(replace(TEXT, serial="2024-SAFE-002"))


@settings(max_examples=25)
@given(st.text(st.characters(exclude_categories=()), max_size=200))
def test_no_text_breaks_it(text):
    """Controls, lone surrogates, other scripts and long names still give a one-page PDF."""
    pdf = draw(replace(TEXT, name=text, serial=text, number=text))
    assert len(PdfReader(io.BytesIO(pdf), strict=True).pages) == 1


def test_what_the_fonts_lack_is_replaced():
    """Norwegian letters stay, other scripts and controls become question marks."""
    assert printable("Åse Øyblikk") == "Åse Øyblikk"
    assert printable("李\x00\ud800\x85") == "????"


@pytest.mark.parametrize("size", [10_000, 60_000, 500_000])
def test_padding_makes_the_size(size):
    """A padded certificate has about the size asked for, is one page, and no compressor shrinks it."""
    pdf = draw(TEXT, size)
    assert abs(len(pdf) - size) < 500
    assert pdf.rstrip().endswith(b"%%EOF")
    assert len(PdfReader(io.BytesIO(pdf), strict=True).pages) == 1
    assert draw(replace(TEXT, name="Jane Doe"), size)[:-2_000] != pdf[:-2_000]


@pytest.mark.parametrize("odd", [None, [], "x"])
def test_odd_attributes_still_draw(odd):
    """A diploma whose person, course and numbers a test has broken can still be downloaded."""
    sandbox = Sandbox(participants=1, persons=1)
    sandbox.reissue(12345, updated_at="x", user=odd, course=odd, coursedate=odd, serial=odd, created_at=None)
    assert sandbox.pdf_of(12345).startswith(b"%PDF-")
