"""What a person types or pastes leads to the right folders of the bucket."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diploma_archive.model.keys import certificate_segment, is_blank, serial_segment
from diploma_archive.model.plain_text import without_controls
from diploma_archive.model.typed_certificate_number import certificate_segments, number_of, serial_segments

LONG = "ÆØÅ" * 60


@pytest.mark.parametrize(
    ("typed", "segments"),
    [
        ("ABC123456", ("c-ABC123456",)),
        ("  ABC123456\n", ("c-_20_20ABC123456_0A", "c-ABC123456")),
        ("c-ABC123456", ("c-c-ABC123456", "c-ABC123456")),
        (" c-ABC123456/ ", ("c-_20c-ABC123456_2F_20", "c-ABC123456")),
        ("d-12345", ("c-d-12345", "d-12345")),
        ("d-012345", ("c-d-012345",)),
        (LONG, (certificate_segment(LONG, 1),)),
        (
            certificate_segment(LONG, 1),
            (certificate_segment(certificate_segment(LONG, 1), 1), certificate_segment(LONG, 1)),
        ),
        (unicodedata.normalize("NFD", "Å-1"), ("c-_C3_85-1",)),
        ("", ()),
        (" \t ", ()),
        ("../../x", ("c-_2E._2F.._2Fx",)),
    ],
)
def test_a_certificate_number_or_its_folder(typed: str, segments: tuple[str, ...]) -> None:
    """The number itself comes first, the folder it may be second; blank text has no folder."""
    assert certificate_segments(typed) == segments


@pytest.mark.parametrize(
    ("typed", "segments"),
    [
        ("2024-SAFE-001", ("s-2024-SAFE-001",)),
        ("s-2024-SAFE-001/", ("s-s-2024-SAFE-001_2F", "s-2024-SAFE-001")),
        ("no-serial", ("s-no-serial", "no-serial")),
        ("  ", ("no-serial",)),
    ],
)
def test_a_serial_or_its_folder(typed: str, segments: tuple[str, ...]) -> None:
    """The serial itself comes first; blank means those without one."""
    assert serial_segments(typed) == segments


@given(st.text(alphabet=st.characters(codec=None, categories=None), max_size=40))
def test_every_number_is_found_by_itself_and_by_its_folder(number: str) -> None:
    """Whatever the source names a certificate or serial, both ways of asking lead to where it lies."""
    if not is_blank(number):
        segment = certificate_segment(number, 1)
        assert segment in certificate_segments(number)
        assert segment in certificate_segments(segment)
        assert number_of(segment) in (None, unicodedata.normalize("NFC", number))
    assert serial_segment(number) in serial_segments(number)


@pytest.mark.parametrize("segment", ["d-12", "no-serial", "c-_ZZ", "c-_C3", "x-ABC", "", certificate_segment(LONG, 1)])
def test_a_folder_that_does_not_tell_its_number(segment: str) -> None:
    """A hashed or broken folder name is never read as a number."""
    assert number_of(segment) is None


@given(st.text(alphabet=st.characters(codec=None, categories=None)))
def test_shown_text_has_no_control_characters(text: str) -> None:
    """Nothing that a terminal would interpret is shown, and every character can be encoded."""
    shown = without_controls(text)
    assert len(shown) == len(text)
    assert not any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in shown)
    shown.encode("utf-8")
