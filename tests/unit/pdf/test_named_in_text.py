"""Whose diploma is it, by its text? A hint, and a verdict only where it is another's number."""

from __future__ import annotations

import pytest

from diploma_archive.pdf.named_in_text import REMEMBERED, Holder, OtherNumbers, is_anothers, named_in, number_digest

KARI = Holder("ABC-123456", "K\u00e5ri \u00d8deg\u00e5rd Nordmann", 7)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Certificate no. ABC-123456", "certificate"),
        ("Certificate no. abc - 123 456", "certificate"),
        ("CERTIFICATE\nABC-\n123456", "certificate"),
        ("awarded to NORDMANN, K\u00c5RI \u00d8DEG\u00c5RD", "holder"),
        ("awarded to Ka\u030ari Oedegaard", "nothing"),
        ("awarded to Kari Odegard Nordmann", "holder"),
        ("K \u00e5 r i   \u00d8degaard", "nothing"),
        ("K \u00e5 r i   \u00d8 d e g \u00e5 r d   N o r d m a n n", "holder"),
        ("awarded to Ola Nordmann", "nothing"),
        ("", "no-text"),
        (" \n\u200b\u00ad- .", "no-text"),
    ],
)
def test_what_a_text_names(text: str, names: str) -> None:
    """Capitals, accents, spaces between letters and line breaks hide nobody."""
    assert named_in(text, KARI) == names


def test_a_short_number_must_stand_alone() -> None:
    """`12` is in every date: only as a word of its own it is a number."""
    holder = Holder("12", "Kari Nordmann", 7)
    assert named_in("printed on 2012-12-12", holder) == "nothing"
    assert named_in("no: 12", holder) == "certificate"


@pytest.mark.parametrize("nobody", [Holder(), Holder(None, "", 7), Holder("", " ", 7)])
def test_nobody_is_never_found(nobody: Holder) -> None:
    """Where number and name are not known, nothing is found, and nothing of it is an error."""
    assert named_in("any text", nobody) == "nothing"


def others(*numbers: tuple[str, int]) -> OtherNumbers:
    """Return numbers as the process is told of them."""
    found = OtherNumbers()
    for number, user_id in numbers:
        digest = number_digest(number)
        assert digest is not None
        found.note(digest, user_id)
    return found


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        ("Certificate DEF-654321 for Ola", True),
        ("Certificate:def-654321.", True),
        ("Certificate (DEF\u2010654321)", False),  # another sign: not the same word
        ("XDEF-654321", False),
        ("DEF-6543210", False),
        ("Certificate GHI-111111", False),
    ],
)
def test_only_a_whole_word_is_anothers_number(text: str, is_so: bool) -> None:
    """A part of a longer number says nothing."""
    assert is_anothers(text, KARI, others(("DEF-654321", 8))) is is_so


def test_ones_own_other_number_is_not_anothers() -> None:
    """A person's diplomas name each other, and a person whose id is not known is nobody else."""
    assert not is_anothers("DEF-654321", KARI, others(("DEF-654321", 7)))
    assert not is_anothers("DEF-654321", Holder("A", "B", None), others(("DEF-654321", 8)))


@pytest.mark.parametrize("number", ["12345", "", None, "two words", "a/b/c/d/e/f"])
def test_what_is_no_word_is_not_compared(number: str | None) -> None:
    """Short numbers and such of several words are in no list."""
    assert number_digest(number) is None


def test_memory_stays_flat() -> None:
    """The last 10,000 are remembered, however many are listed."""
    many = others(*((f"number-{count}", count) for count in range(REMEMBERED + 500)))
    assert len(many) == REMEMBERED
    assert not is_anothers("number-499", KARI, many)
    assert is_anothers("number-500", KARI, many)
