"""Whose diploma is it, by its text? Pure.

Rule: only a whole word that is another's number says something against a file; that nothing is found says nothing,
since fonts without a table of their letters give no text that can be read.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass

from diploma_archive.model.file_oddities import Names

MIN_WORD = 6  # characters: shorter numbers are in every second text
REMEMBERED = 10_000  # diplomas, as many as the check for mixed-up files has
_APART = re.compile(r"[\s:;,=|/\\()\[\]{}<>\"'«»“”„]+")
_OTHER_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\u0131": "i", "œ": "oe"})


@dataclass(frozen=True)
class Holder:
    """Whose diploma a file came for; goes to the process that reads it, and nowhere else."""

    certificate_number: str | None = None
    name: str = ""
    user_id: int | None = None


def number_digest(number: str | None) -> int | None:
    """Return a digest (64 bits) of a certificate number as `OtherNumbers` compares it; None: it is no whole word."""
    word = _folded(number or "").strip()
    if len(word) < MIN_WORD or len(_APART.split(word)) != 1:
        return None
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest())


class OtherNumbers(OrderedDict[int, int]):
    """The numbers of the last diplomas that were listed: digest -> whose it is; memory stays flat."""

    def note(self, digest: int, user_id: int) -> bool:
        """Take in a number; return whether it is new."""
        is_new = self.get(digest) != user_id
        self[digest] = user_id
        self.move_to_end(digest)
        if len(self) > REMEMBERED:
            self.popitem(last=False)
        return is_new


def named_in(text: str, holder: Holder) -> Names:
    """Return what a text names of the diploma that it came for."""
    folded = _folded(text)
    letters = _letters(folded)
    if not letters:
        return Names.NO_TEXT
    number = _letters(_folded(holder.certificate_number or ""))
    if number and (number in letters if len(number) >= MIN_WORD else number in _APART.split(folded)):
        return Names.CERTIFICATE
    parts = [part for part in re.split(r"[\W_]+", _folded(holder.name)) if len(part) > 1]
    return Names.HOLDER if parts and all(part in letters for part in parts) else Names.NOTHING


def is_anothers(text: str, holder: Holder, others: OtherNumbers) -> bool:
    """Return whether a text that names nothing of its own diploma has the number of another person's."""
    if holder.user_id is None:
        return False
    words = {word.strip(".-\u2013_#*!?") for word in _APART.split(_folded(text))}
    digests = {digest for word in words if (digest := number_digest(word)) is not None}
    return any(others.get(digest, holder.user_id) != holder.user_id for digest in digests)


def _folded(text: str) -> str:
    """Return a text in small letters without accents, so that a name is found however it is printed."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(one for one in plain if not unicodedata.combining(one) and unicodedata.category(one) != "Cf")
    return plain.translate(_OTHER_LETTERS)


def _letters(folded: str) -> str:
    return "".join(filter(str.isalnum, folded))
