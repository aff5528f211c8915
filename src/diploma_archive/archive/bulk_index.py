"""What the whole index says, read in bulk: LIST gives 1,000 names a request; by certificate it is one each.

Rule: it answers only what it can prove; everything else is asked of the bucket. Memory: 24 to 48 bytes a certificate.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from diploma_archive.model.compact_table import CompactSet, CompactTable, digest64
from diploma_archive.model.keys import IndexName, read_index_name
from diploma_archive.store.objects import Listed

_SEVERAL = 0


class BulkIndex:
    """Which revisions are archived under which certificate segments.

    A certificate with one entry, the usual case, is one row: its digest, and the revision, which stands for the diploma
    too (a revision is a digest of the diploma's id among others).
    """

    def __init__(self) -> None:
        self._certificates = CompactTable()
        self._of_several = CompactSet()

    @classmethod
    def of(cls, rows: Iterable[Listed]) -> BulkIndex:
        """Return what the rows of a LIST of `certificates/` say."""
        index = cls()
        named = ((row.key.split("/")[1], read_index_name(row.key)) for row in rows)
        for certificate, entries in groupby(named, lambda entry: entry[0]):
            for _, name in entries:
                if name is not None:
                    index.note(certificate, name)
        return index

    def note(self, certificate: str, name: IndexName) -> None:
        """Take in an entry that was found or written."""
        key = digest64(certificate)
        revision, there = int(name.revision, 16), self._certificates.get(key)
        if there in (None, revision) and name.generation == 1:
            self._certificates.set(key, revision)
            return
        if there:
            self._of_several.add(digest64(certificate, there, 1))
        self._certificates.set(key, _SEVERAL)
        self._of_several.add(digest64(certificate, revision, name.generation))

    def names(self, certificate: str, diploma_id: int, revision: str) -> list[IndexName] | None:
        """Return the entries of a certificate as seen from one diploma, or None where only the bucket knows them."""
        there = self._certificates.get(digest64(certificate))
        if there is None:
            return []
        return [IndexName(diploma_id, revision)] if there == int(revision, 16) else None

    def has_record(self, certificate: str, revision: str, generation: int) -> bool:
        """Return whether a record has an entry."""
        there = self._certificates.get(digest64(certificate))
        number = int(revision, 16)
        if there == _SEVERAL:
            return digest64(certificate, number, generation) in self._of_several
        return there == number and generation == 1
