"""The names of the files of an export: readable, and good on every file system.

Rule: ASCII letters, digits, dots, dashes and underscores only, at most 120 characters, never a name that Windows keeps
for itself; nothing that the source sends can lead out of the folder.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator

from diploma_archive.model.keys import SEALS

MAX_NAME_CHARACTERS = 120
DIPLOMAS_FOLDER, RECORDS_FOLDER, OBJECTS_FOLDER, SEALS_FOLDER = "diplomas", "records", "objects", "seals"

_PART_CHARACTERS = 32  # serial, certificate, revision, generation and a suffix of 16 stay within 120
_SUFFIX_DIGITS = (8, 16)
_OTHER = re.compile(r"[^A-Za-z0-9.-]+")
_ENDING = re.compile(r"\.(json|pdf|bin)")
_FILE = re.compile(
    rf"(({DIPLOMAS_FOLDER}|{RECORDS_FOLDER}|{SEALS_FOLDER}|{OBJECTS_FOLDER}/[0-9a-f]{{2}})/)?[A-Za-z0-9_][A-Za-z0-9._-]*"
)
_SEAL = re.compile(rf"{SEALS_FOLDER}/[0-9]{{8}}T[0-9]{{6}}Z-[a-z0-9-]{{1,80}}\.(json|sig|tsr)")
_RESERVED = frozenset({"con", "prn", "aux", "nul", "conin", "conout"}) | {
    f"{device}{number}" for device in ("com", "lpt") for number in range(10)
}


def is_export_name(file: str) -> bool:
    """Return whether a path is one that an export gives: relative, in its folders, of safe characters alone."""
    return _FILE.fullmatch(file) is not None and len(file.rpartition("/")[2]) <= MAX_NAME_CHARACTERS


def stem(serial: str | None, certificate_number: str | None, diploma_id: int) -> str:
    """Return how the files of a diploma begin: `2024-SAFE-001_ABC123456`, or `diploma-12345` where it has no number.

    Different diplomas may get the same stem, since what is not plain ASCII is left out; `candidates` tells them apart.
    """
    parts = [part for part in (_plain(serial), _plain(certificate_number)) if part]
    name = "_".join(parts) or f"diploma-{diploma_id}"
    # Windows keeps CON, NUL and the like for itself, whatever follows the first dot.
    return f"_{name}" if name.partition(".")[0].lower() in _RESERVED else name


def candidates(folder: str, name: str, ending: str, key: str) -> Iterator[str]:
    """Yield the names that a file may have, the most readable one first; the later ones hold digits of the key's hash.

    Args:
        folder: the folder of the file, in the payload.
        name: how the file begins, from `stem`.
        ending: with its dot.
        key: the key of the object in the archive, which no other object has.
    """
    yield f"{folder}/{name}{ending}"
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    for digits in _SUFFIX_DIGITS:
        yield f"{folder}/{name}_{digest[:digits]}{ending}"
    yield f"{folder}/{digest}{ending}"


def object_name(key: str) -> str:
    """Return the name of an object that nobody reads by hand: the hash of its key; seals keep the name they have.

    Keys as they are may be longer than Windows allows, hold what it refuses, or differ in case alone.
    """
    seal = f"{SEALS_FOLDER}/{key.rpartition('/')[2]}"
    if _SEAL.fullmatch(seal) and key.startswith(SEALS):
        return seal
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    ending = _ENDING.search(key, max(0, len(key) - 5))
    return f"{OBJECTS_FOLDER}/{digest[:2]}/{digest}{ending[0] if ending and ending.end() == len(key) else '.dat'}"


def _plain(text: str | None) -> str:
    if text is None:
        return ""
    letters = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return _OTHER.sub("_", letters).strip("._-")[:_PART_CHARACTERS].rstrip("._-")
