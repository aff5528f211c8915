"""Keys for every name that anybody could think of."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from hypothesis import example, given, settings
from hypothesis import strategies as st

from diploma_archive.model.keys import IndexName, certificate_segment, escape, is_blank, read_index_name, serial_segment

ANY_CHARACTER = st.characters()  # lone surrogates too
NASTY = st.sampled_from(list("._-/\\%hH \t\n\x00aA0Ff~\u00e5\u030a\u212b\ud800\udfff\U0001f393"))
NAMES = st.one_of(st.text(ANY_CHARACTER, max_size=60), st.text(NASTY, max_size=200), st.text(NASTY, max_size=8))


def expected(text: str) -> str:
    """The escape of the design, written a second time and in another way."""
    raw = unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")
    out = re.sub(rb"[^A-Za-z0-9.-]", lambda found: b"_%02X" % found[0][0], raw).decode("ascii")
    out = re.sub(r"^\.", "_2E", out)
    return out if len(out) <= 120 else out[:86] + "_h" + hashlib.sha256(raw).hexdigest()[:32]


@settings(max_examples=500)
@given(NAMES)
@example("a" * 1500)
@example("\u212b")
def test_the_escape_is_the_one_of_the_design(text):
    """Another program that follows the design finds the same key."""
    assert escape(text) == expected(text)


@settings(max_examples=500)
@given(NAMES)
def test_segments_stay_in_their_place(text):
    """Whatever a name holds, its segment is one plain folder name of at most 122 bytes."""
    for segment in (serial_segment(text), certificate_segment(text, 7)):
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,122}", segment)
        assert segment not in (".", "..")
        assert not segment.startswith(".")
    assert len(escape(text)) <= 120


@settings(max_examples=500)
@given(NAMES, NAMES)
@example("_2F", "/")
@example(".", "_2E")
@example("a" * 121, "a" * 122)
@example("\u00e5", "a\u030a")
def test_two_names_never_share_a_segment(one, other):
    """The escape is injective up to NFC: nothing is overwritten because two serials look alike to S3."""
    same = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    assert (escape(one) == escape(other)) is same


@settings(max_examples=200)
@given(NAMES)
def test_short_segments_can_be_read_back(text):
    """A segment that is not shortened tells the name: it decodes to the NFC bytes."""
    escaped = escape(text)
    if "_h" not in escaped:
        raw = re.sub(rb"_([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), escaped.encode("ascii"))
        assert raw == unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")


@settings(max_examples=100)
@given(NAMES, st.integers(1, 2**63 - 1))
def test_a_certificate_number_is_never_taken_for_a_diploma_id(text, diploma_id):
    """`d-5` is a diploma without a number, and no number can be written so."""
    segment = certificate_segment(text, diploma_id)
    assert segment == f"d-{diploma_id}" if is_blank(text) else segment.startswith("c-")


@settings(max_examples=100)
@given(st.integers(1, 2**63 - 1), st.text("0123456789abcdef", min_size=16, max_size=16), st.integers(1, 999))
def test_index_names_round_trip(diploma_id, revision, generation):
    """Every name that is written can be read back."""
    name = IndexName(diploma_id, revision, generation)
    assert read_index_name(name.key("c-x.1.json")) == name


@settings(max_examples=300)
@given(st.text(max_size=60))
def test_reading_an_index_name_never_fails(key):
    """A foreign object in the bucket is ignored, never an error."""
    assert read_index_name(key) is None or "." in key
