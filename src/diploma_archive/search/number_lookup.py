"""Finds a diploma by its certificate number or serial straight from the bucket: four requests at the most.

Rule: the number of requests never depends on the size of the archive; where four do not tell which revision is
current, that is said and not guessed. The first one reads `archive.json`: a newer format is refused before anything
else is read, and a misspelt prefix never looks like an archive without this diploma.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from diploma_archive.archive.certificate_folders import Folder, grouped
from diploma_archive.archive.index_entries import get_entry, is_last
from diploma_archive.archive.open_archive import read_identity
from diploma_archive.archive.records import get_record
from diploma_archive.catalogue.hit import Hit, hit_of_entry, hit_of_record
from diploma_archive.errors import StoreError
from diploma_archive.model.json_document import Document
from diploma_archive.model.keys import CERTIFICATES, DIPLOMAS, IndexName, index_prefix, read_index_name
from diploma_archive.model.parsed_record import RecordContent
from diploma_archive.model.record import current_entry
from diploma_archive.model.typed_certificate_number import WITHOUT_NUMBER, number_of
from diploma_archive.store.objects import Listed
from diploma_archive.store.reader import Reader

MAX_REQUESTS = 4
PAGE = 1_000  # as many keys as one LIST gives

ASK_SHOW = "which revision is current was not read"
ELSEWHERE = "other revisions of it lie under another serial"

T = TypeVar("T")


@dataclass(frozen=True)
class Looked:
    """What was found; `more` says that there is more than one LIST gives."""

    hits: tuple[Hit, ...] = ()
    more: bool = False


class Lookup:
    """One search by number; it counts its requests.

    An object that cannot be read is no error of the search: its diploma is shown by its keys, with a note.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.requests = 0
        self.troubles: list[str] = []

    def by_certificate(self, segments: Iterable[str]) -> Looked:
        """Return what lies under the first of these certificate segments that holds anything; two at the most.

        Raises:
            StoreError: S3 refused or failed, or there is no archive.
        """
        return self._first([index_prefix(segment) for segment in segments], self._by_entries)

    def without_certificate(self) -> Looked:
        """Return the diplomas that have no certificate number, as far as one LIST shows them.

        Raises:
            StoreError: S3 refused or failed, or there is no archive.
        """
        return self._first([CERTIFICATES + WITHOUT_NUMBER], self._by_entries)

    def by_serial(self, segments: Iterable[str], certificates: Iterable[str] = ()) -> Looked:
        """Return what lies under the first of these serial segments that holds anything; two at the most.

        Args:
            certificates: only what lies under one of these certificate segments too.

        Raises:
            StoreError: S3 refused or failed, or there is no archive.
        """
        serials, below = tuple(segments), tuple(f"{one}/" for one in certificates) or ("",)
        # The likeliest pairs, so that two LISTs do: typed as they are, and both as they may have been meant.
        pairs = dict.fromkeys([(serials[0], below[0]), (serials[-1], below[-1])])
        return self._first([f"{DIPLOMAS}{serial}/{rest}" for serial, rest in pairs], self._by_records)

    def _first(self, prefixes: list[str], hits: Callable[[list[Listed]], list[Hit]]) -> Looked:
        self.requests += 1
        read_identity(self._reader)
        for prefix in prefixes[:2]:
            self.requests += 1
            rows = list(islice(self._reader.list(prefix), PAGE))
            found = hits(rows)
            if found:
                return Looked(tuple(found), more=len(rows) == PAGE)
        return Looked()

    def _by_entries(self, rows: list[Listed]) -> list[Hit]:
        diplomas: dict[tuple[str, int], list[Listed]] = {}
        for row in rows:
            name = read_index_name(row.key)
            if name is not None and row.key.count("/") == 2:
                diplomas.setdefault((row.key.split("/")[1], name.diploma_id), []).append(row)
        alone = len(diplomas) == 1
        return [self._of_diploma(*named, _newest_first(mine), alone=alone) for named, mine in diplomas.items()]

    def _of_diploma(self, certificate: str, diploma_id: int, rows: list[Listed], *, alone: bool) -> Hit:
        entries = self._entries(certificate, rows[:1])
        if alone and entries and is_last(entries[0]["archived_at"], rows[1:]):
            content = self._read(entries[0]["record"], lambda key: get_record(self._reader, key)[0])
            if content is not None:
                return hit_of_record(content, len(rows))
        elif alone:
            entries += self._entries(certificate, rows[1:2])
        last = current_entry(entries)
        names = {_name_of(entry) for entry in entries}
        unread = [row for row in rows if read_index_name(row.key) not in names]
        if last is not None and is_last(last["archived_at"], unread):
            return hit_of_entry(certificate, last, len(rows))
        number = number_of(certificate)
        return Hit(certificate, len(rows), "keys", number, diploma_id=diploma_id, note=ASK_SHOW)

    def _by_records(self, rows: list[Listed]) -> list[Hit]:
        folders = [folder for folder in grouped(rows) if folder.records]
        if len(folders) == 1:
            return self._of_folder(folders[0])
        return [self._of_shared(folder) for folder in folders]

    def _of_folder(self, folder: Folder) -> list[Hit]:
        """Return the hits of the only certificate below a serial."""
        rows = _newest_first(folder.records.values())
        content = self._contents(rows[:1])
        if content and is_last(content[0].archived_at, rows[1:]):
            return [self._checked_elsewhere(content[0], rows)]
        content += self._contents(rows[1:2])
        if len(content) != len(rows):
            return [_unread(folder)]
        mine: dict[int, list[RecordContent]] = {}
        for one in content:
            mine.setdefault(one.diploma_id, []).append(one)
        return [hit_of_record(max(group, key=lambda one: one.order), len(group)) for group in mine.values()]

    def _checked_elsewhere(self, content: RecordContent, rows: list[Listed]) -> Hit:
        """Return the hit of a record, after a look whether its certificate has others under another serial."""
        if self.requests >= MAX_REQUESTS:
            return hit_of_record(content, len(rows))
        self.requests += 1
        here = {row.key for row in rows}
        others = []
        for row in islice(self._reader.list(index_prefix(content.place.certificate)), PAGE):
            name = read_index_name(row.key)
            if name is not None and name.diploma_id == content.diploma_id:
                others += [row] if content.place.record_key(name.revision, name.generation) not in here else []
        revisions = len(rows) + len(others)
        if is_last(content.archived_at, others):
            return hit_of_record(content, revisions)
        return Hit(
            content.place.certificate,
            revisions,
            "keys",
            content.certificate_number,
            content.serial,
            content.diploma_id,
            note=f"{ELSEWHERE}; {ASK_SHOW}",
        )

    def _of_shared(self, folder: Folder) -> Hit:
        """Return the hit of one of several certificates below a serial."""
        content = self._contents(list(folder.records.values())) if len(folder.records) == 1 else []
        return hit_of_record(content[0], 1) if content else _unread(folder)

    def _contents(self, rows: Iterable[Listed]) -> list[RecordContent]:
        read = [self._read(row.key, lambda key: get_record(self._reader, key)[0]) for row in rows]
        return [content for content in read if content is not None]

    def _entries(self, certificate: str, rows: Iterable[Listed]) -> list[Document]:
        read = [self._read(row.key, lambda key: get_entry(self._reader, certificate, key)) for row in rows]
        return [entry for entry in read if entry is not None]

    def _read(self, key: str, get: Callable[[str], T]) -> T | None:
        if self.requests >= MAX_REQUESTS:
            return None
        self.requests += 1
        try:
            return get(key)
        except StoreError as error:
            self.troubles.append(f"{key}: {error.diagnostics()}")
            return None


def _newest_first(rows: Iterable[Listed]) -> list[Listed]:
    return sorted(rows, key=lambda row: (row.modified, row.key), reverse=True)


def _name_of(entry: Document) -> IndexName | None:
    return read_index_name(f"{entry['diploma_id']}.{str(entry['record']).rpartition('/')[2]}")


def _unread(folder: Folder) -> Hit:
    certificate, serial = folder.place.certificate, folder.place.serial
    return Hit(certificate, len(folder.records), "keys", number_of(certificate), number_of(serial), note=ASK_SHOW)
