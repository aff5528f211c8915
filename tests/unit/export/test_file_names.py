"""The names of exported files: readable where they can be, safe where they must be."""

from __future__ import annotations

import pytest

from diploma_archive.export.file_names import candidates, is_export_name, object_name, stem


@pytest.mark.parametrize(
    ("serial", "certificate", "name"),
    [
        ("2024-SAFE-001", "ABC123456", "2024-SAFE-001_ABC123456"),
        (None, "ABC123456", "ABC123456"),
        ("2024-SAFE-001", "  ", "2024-SAFE-001"),
        (None, None, "diploma-7"),
        ("\u202e../..", "\x00", "diploma-7"),
        ("Kj\u00f8re\u00e5 r", "A/B\\C:D", "Kj_rea_r_A_B_C_D"),
        ("con", None, "_con"),
        ("CON.2024", "A", "_CON.2024_A"),
        ("lpt1", "", "_lpt1"),
        ("COM\u00b9", "", "_COM1"),
        ("conquest", "", "conquest"),
        (".hidden", "end.", "hidden_end"),
        ("-rf", None, "rf"),
        ("a" * 1500, "b" * 1500, "a" * 32 + "_" + "b" * 32),
    ],
    ids=ascii,
)
def test_the_name_of_a_diploma_is_what_a_person_looks_for(serial, certificate, name):
    """Serial and certificate number are readable, and nothing else of them gets through."""
    assert stem(serial, certificate, 7) == name


def test_the_first_name_is_readable_and_the_others_differ():
    """Diplomas whose names would clash get digits of the key, which no other object has."""
    names = list(candidates("diplomas", "2024_A", ".pdf", "diplomas/s-1/c-1/x.pdf"))
    assert names[0] == "diplomas/2024_A.pdf"
    assert len(set(names)) == len(names) == 4
    others = list(candidates("diplomas", "2024_A", ".pdf", "diplomas/s-1/c-2/x.pdf"))
    assert not set(names[1:]) & set(others[1:])


@pytest.mark.parametrize(
    ("key", "ending"),
    [("a.json", ".json"), ("a/b.pdf", ".pdf"), ("x.bin", ".bin"), ("x.exe", ".dat"), ("a.json/", ".dat"), ("", ".dat")],
)
def test_an_object_is_named_by_its_key(key, ending):
    """Keys of 1,000 bytes, of odd characters, or that differ in case alone all get short names of their own."""
    assert object_name(key).endswith(ending)
    assert object_name(key) != object_name(key.upper() + "x")
    assert is_export_name(object_name(key))


@pytest.mark.parametrize(
    "file",
    [
        *(
            "../x",
            "/etc/passwd",
            "diplomas/../x",
            "diplomas/..",
            "..",
            ".",
            "",
            "a/b/c",
            "objects/zz/x",
            "objects/ab/.x",
        ),
        *("C:\\x", "diplomas\\x", "diplomas/x\n", "diplomas/" + "x" * 121, "diplomas/x y", "diplomas/\u00e5"),
    ],
    ids=ascii,
)
def test_a_name_that_no_export_gives_is_not_believed(file):
    """What a damaged or forged export names is never opened where it leads out of it."""
    assert not is_export_name(file)
