"""What lies in the archive, certificate folder by certificate folder, from LIST alone.

Rule: S3 lists keys in order, so one folder is in memory at a time, however large the archive is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from diploma_archive.model.keys import DIPLOMAS, Place
from diploma_archive.store.listing import in_order
from diploma_archive.store.objects import Listed
from diploma_archive.store.reader import Reader

_FILE = re.compile(r"[0-9a-f]{64}\.pdf")
_RECORD = re.compile(r"[0-9a-f]{16}(\.([2-9]|[1-9][0-9]{1,8}))?\.json")


def is_record(key: str) -> bool:
    """Return whether a key below `diplomas/` is that of a record."""
    return key.startswith(DIPLOMAS) and _RECORD.fullmatch(key.rpartition("/")[2]) is not None


@dataclass
class Folder:
    """One certificate folder below one serial: its PDFs, its records, and what is neither, all by key."""

    place: Place
    files: dict[str, Listed] = field(default_factory=dict)
    records: dict[str, Listed] = field(default_factory=dict)
    strangers: dict[str, Listed] = field(default_factory=dict)


def folders(reader: Reader, below: str = DIPLOMAS) -> Iterator[Folder]:
    """Yield the certificate folders whose keys begin with `below`, in the order of their keys.

    Raises:
        StoreError: S3 refused or failed.
    """
    yield from grouped(reader.list(below))


def grouped(rows: Iterable[Listed]) -> Iterator[Folder]:
    """Yield the certificate folders of LIST rows below `diplomas/`, which come sorted by key.

    A key that is not `diplomas/{serial}/{certificate}/{name}` comes as a stranger in a folder of its own.

    Raises:
        StoreError: they are not sorted.
    """
    folder: Folder | None = None
    for row in in_order(rows):
        parts = row.key.split("/")
        place = Place(parts[1], parts[2]) if len(parts) == 4 else Place("", row.key)
        if folder is None or folder.place != place:
            if folder is not None:
                yield folder
            folder = Folder(place)
        name = parts[-1]
        if len(parts) != 4:
            folder.strangers[row.key] = row
        elif _FILE.fullmatch(name):
            folder.files[row.key] = row
        elif _RECORD.fullmatch(name):
            folder.records[row.key] = row
        else:
            folder.strangers[row.key] = row
    if folder is not None:
        yield folder
