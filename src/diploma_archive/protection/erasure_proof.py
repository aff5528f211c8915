"""Is it really gone? Asked in other words than those in which it was looked for.

Rule: an erasure is complete only if nothing that S3 can be asked shows anything of it: the LIST of versions, the plain
LIST, and a HEAD of each key. A LIST of versions that was cut in silence shows in the plain one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from diploma_archive.errors import Kind, ObjectRefusedError, StoreError
from diploma_archive.model.compact_table import CompactSet, digest64
from diploma_archive.model.keys import CERTIFICATES, DIPLOMAS, QUARANTINE
from diploma_archive.store.parallel import in_parallel
from diploma_archive.store.versions import Eraser, Version

FOLDERS = (DIPLOMAS, CERTIFICATES, QUARANTINE)


@dataclass
class SeenKeys:
    """The keys that LISTs of versions gave, a few bytes each, however large the archive is."""

    _digests: CompactSet = field(default_factory=CompactSet)

    def noting(self, versions: Iterable[Version]) -> Iterator[Version]:
        """Yield the versions, and remember their keys."""
        for version in versions:
            self._digests.add(digest64(version.key))
            yield version

    def unlisted(self, eraser: Eraser) -> list[str]:
        """Return the keys that a plain LIST has and no LIST of versions gave.

        Raises:
            StoreError: S3 refused or failed.
        """
        rows = (row for folder in FOLDERS for row in eraser.list(folder))
        return [row.key for row in rows if digest64(row.key) not in self._digests]


def still_there(eraser: Eraser, keys: Iterable[str], workers: int) -> frozenset[str]:
    """Return the keys that a HEAD finds, or that nobody can look at.

    Raises:
        StoreError: S3 is out of reach.
    """

    def look(key: str) -> tuple[str, bool]:
        try:
            return key, eraser.exists(key)
        except StoreError as error:
            if error.kind is Kind.FATAL and not isinstance(error, ObjectRefusedError):
                raise
            return key, True

    return frozenset(key for key, is_there in in_parallel(look, keys, workers) if is_there)
