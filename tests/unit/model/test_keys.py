"""Where things lie in the bucket: layout format 1."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest

from diploma_archive.model.keys import (
    CURSOR_KEY,
    IDENTITY_KEY,
    IndexName,
    Place,
    certificate_segment,
    escape,
    index_prefix,
    quarantine_keys,
    read_index_name,
    run_report_key,
    serial_segment,
)

REVISION = "0123456789abcdef"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
BLANKS = [None, "", " ", "   ", "\t", "\r\n", "\u00a0", "\u2003", "\u3000 \n"]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("2024-SAFE-001", "2024-SAFE-001"),
        ("v1.2", "v1.2"),
        (".hidden", "_2Ehidden"),
        (".", "_2E"),
        ("..", "_2E."),
        ("../../x", "_2E._2F.._2Fx"),
        ("a_b", "a_5Fb"),
        ("_2F", "_5F2F"),
        ("a/b", "a_2Fb"),
        ("a\\b", "a_5Cb"),
        ("100%", "100_25"),
        ("%2F", "_252F"),
        ("a b", "a_20b"),
        (" a", "_20a"),
        ("\x00\n\x1f\x7f", "_00_0A_1F_7F"),
        ("\u00e5", "_C3_A5"),
        ("\U0001f393", "_F0_9F_8E_93"),
        ("\ud800", "_ED_A0_80"),
        ("x\udfff", "x_ED_BF_BF"),
        ("a?b#c&d=e+f:g", "a_3Fb_23c_26d_3De_2Bf_3Ag"),
    ],
)
def test_every_other_byte_is_written_as_its_hex_digits(text, escaped):
    """Only letters, digits, dots and dashes survive; every other byte can be read back from the segment."""
    assert escape(text) == escaped


def test_a_serial_can_be_found_in_the_console():
    """An ordinary serial stands in the key just as it stands on the paper."""
    assert serial_segment("2024-SAFE-001") == "s-2024-SAFE-001"
    assert certificate_segment("ABC123456", 12345) == "c-ABC123456"


@pytest.mark.parametrize("blank", BLANKS)
def test_blank_names_count_as_absent(blank):
    """Null, empty and only whitespace are one thing: no serial, and the diploma id for a certificate number."""
    assert serial_segment(blank) == "no-serial"
    assert certificate_segment(blank, 12345) == "d-12345"


def test_reserved_names_cannot_be_forged():
    """A serial or certificate number that looks like a segment of ours lands elsewhere."""
    assert serial_segment("no-serial") == "s-no-serial"
    assert serial_segment("s-x") == "s-s-x"
    assert certificate_segment("d-5", 7) == "c-d-5"
    assert certificate_segment("c-x", 7) == "c-c-x"


def test_composed_and_decomposed_letters_are_one_name():
    """NFC and NFD spellings of one serial give one segment."""
    assert escape("Bl\u00e5b\u00e6r") == escape("Bla\u030ab\u00e6r") == "Bl_C3_A5b_C3_A6r"


def test_case_twins_are_two_names():
    """Serials that differ in case only never share a folder."""
    assert len({escape("abc"), escape("ABC"), escape("Abc")}) == 3


def test_surrogate_halves_are_not_the_character():
    """Two lone surrogates are another name than the character that they would make."""
    assert escape("\ud83c\udf93") == "_ED_A0_BC_ED_BE_93" != escape("\U0001f393")


@pytest.mark.parametrize("text", ["a" * 120, "/" * 40, "a" * 117 + "/"])
def test_exactly_120_bytes_stay_as_they_are(text):
    """The cap takes effect above 120 bytes, not at 120."""
    assert len(escape(text)) == 120
    assert "_h" not in escape(text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a" * 121, "a" * 86),
        ("a" * 1500, "a" * 86),
        ("/" * 41, "_2F" * 28 + "_2"),
        ("\u00e5" * 1500, "_C3_A5" * 14 + "_C"),
        ("\ud800" * 50, "_ED_A0_80" * 9 + "_ED_A"),
    ],
)
def test_long_names_keep_their_start_and_a_hash(text, kept):
    """Above 120 bytes a name is its first 86, `_h` and 32 hex digits of the SHA-256 of its NFC bytes."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    assert escape(text) == f"{kept}_h{digest}"
    assert len(escape(text)) == 120


def test_the_hash_of_a_long_name_is_over_nfc():
    """Long NFC and NFD spellings are one name too."""
    digest = hashlib.sha256(("\u00e5" * 100).encode()).hexdigest()[:32]
    assert escape("a\u030a" * 100) == escape("\u00e5" * 100)
    assert escape("a\u030a" * 100).endswith(f"_h{digest}")


def test_long_names_that_begin_alike_stay_apart():
    """Two long names with one beginning never meet."""
    assert escape("x" * 200 + "1") != escape("x" * 200 + "2")


def test_keys_of_pdf_and_record():
    """PDF and record lie side by side, named by content and by revision; generation 2 has a name of its own."""
    place = Place("s-2024-SAFE-001", "c-ABC123456")
    folder = "diplomas/s-2024-SAFE-001/c-ABC123456"
    assert place.pdf_key(SHA256) == f"{folder}/{SHA256}.pdf"
    assert place.record_key(REVISION) == f"{folder}/{REVISION}.json"
    assert place.record_key(REVISION, 1) == f"{folder}/{REVISION}.json"
    assert place.record_key(REVISION, 2) == f"{folder}/{REVISION}.2.json"
    assert place.record_key(REVISION, 10) == f"{folder}/{REVISION}.10.json"


def test_keys_of_index_entries():
    """An index entry is named by diploma, revision and, from the second on, generation."""
    assert IndexName(12345, REVISION).key("c-ABC123456") == f"certificates/c-ABC123456/12345.{REVISION}.json"
    assert IndexName(12345, REVISION, 2).key("d-12345") == f"certificates/d-12345/12345.{REVISION}.2.json"
    assert index_prefix("c-ABC123456") == "certificates/c-ABC123456/"


def test_the_folder_of_a_certificate_holds_no_other_certificate():
    """Listing ABC never lists ABCD: the folder ends with a slash."""
    assert not IndexName(1, REVISION).key("c-ABCD").startswith(index_prefix("c-ABC"))


@pytest.mark.parametrize(
    "name", [IndexName(1, REVISION), IndexName(2**63 - 1, REVISION, 3), IndexName(9, "f" * 16, 12)]
)
def test_index_names_can_be_read_back(name):
    """What a LIST gives says the same as what was written."""
    assert read_index_name(name.key("c-ABC_2E")) == name


@pytest.mark.parametrize(
    "key",
    [
        "certificates/c-A/readme.txt",
        "certificates/c-A/",
        "",
        "certificates/c-A/12345.json",
        f"certificates/c-A/12345.{REVISION}",
        f"certificates/c-A/12345.{REVISION}.pdf",
        f"certificates/c-A/12345.{REVISION[:-1]}.json",
        f"certificates/c-A/12345.{REVISION}0.json",
        f"certificates/c-A/12345.{REVISION.upper()}.json",
        f"certificates/c-A/12345.{REVISION}.0.json",
        f"certificates/c-A/12345.{REVISION}.02.json",
        f"certificates/c-A/12345.{REVISION}.x.json",
        f"certificates/c-A/-1.{REVISION}.json",
        f"certificates/c-A/abc.{REVISION}.json",
        f"certificates/c-A/\u0661.{REVISION}.json",
        f"certificates/c-A/12345.{REVISION}.json\n",
        f"certificates/c-A/12345.{REVISION}.json.bak",
    ],
)
def test_strangers_in_the_index_are_no_entries(key):
    """A foreign object under certificates/ never makes a diploma count as archived."""
    assert read_index_name(key) is None


def test_keys_of_quarantine():
    """Quarantined bytes and the reason lie together, below their certificate."""
    assert quarantine_keys("c-ABC123456", SHA256) == (
        f"quarantine/c-ABC123456/{SHA256}.bin",
        f"quarantine/c-ABC123456/{SHA256}.json",
    )


def test_key_of_a_run_report():
    """A run report lies below the day the run began, named by the moment and the run."""
    started = datetime(2026, 3, 1, 2, 15, 0, 999_999, tzinfo=UTC)
    assert run_report_key(started, "a1b2") == "runs/2026/03/01/20260301T021500Z-a1b2.json"


def test_keys_of_identity_and_cursor():
    """The two fixed keys of the layout never move."""
    assert (IDENTITY_KEY, CURSOR_KEY) == ("archive.json", "state/cursor.json")


def test_the_longest_key_fits_into_s3():
    """The longest names below the longest prefix stay within the 1,024 bytes of S3."""
    place = Place(serial_segment("\u00e5" * 999), certificate_segment("\U0001f393" * 999, 1))
    assert 512 + 1 + len(place.pdf_key(SHA256).encode()) <= 1024


@pytest.mark.parametrize("name", ["12345.0123456789abcdef.1.json", "007.0123456789abcdef.json"])
def test_names_that_are_never_written_are_strangers(name):
    """A LIST row counts only under the name that an index entry really has."""
    assert read_index_name(f"certificates/c-A/{name}") is None


def test_a_run_report_lies_below_its_utc_day():
    """The Z in the key is UTC, whatever zone the moment has."""
    started = datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert run_report_key(started, "r") == "runs/2026/02/28/20260228T233000Z-r.json"
    assert run_report_key(started.astimezone(UTC), "r") == run_report_key(started, "r")
