"""Copies objects of the archive into the folder of an export; each is checked while it is read.

Rule: what is not what it must be gets no name in the export; it is noted, and the next object has its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from diploma_archive.errors import ObjectMissingError, StoreError
from diploma_archive.export.export_folder import Folder, Written
from diploma_archive.export.export_ledger import Copy, ExportLedger
from diploma_archive.export.failure_limit import FailureLimit
from diploma_archive.export.record_reading import read_small, stops_everything, twice
from diploma_archive.model.json_document import from_json
from diploma_archive.model.keys import PASSING
from diploma_archive.store.objects import Listed
from diploma_archive.store.reader import Reader


@dataclass(frozen=True)
class Wanted:
    """An object that the export is to hold.

    Args:
        key: where it lies in the archive.
        file: its name in the export.
        listed: its row of a LIST, where there is one.
        sha256: what its bytes must have, where that is known.
        size: what its bytes must have, where that is known.
        body: its bytes, where they were read already.
    """

    key: str
    file: str
    listed: Listed | None = None
    sha256: str | None = None
    size: int | None = None
    body: bytes | None = None


class Copier:
    """Brings objects of an archive into a folder; safe to use from several threads.

    Args:
        payload: the folder of the payload: `data/`, or empty.
    """

    def __init__(
        self, reader: Reader, folder: Folder, ledger: ExportLedger, payload: str, failure_limit: FailureLimit
    ) -> None:
        self._reader = reader
        self._folder = folder
        self._ledger = ledger
        self._payload = payload
        self._failure_limit = failure_limit

    def copy(self, wanted: Wanted) -> bool:
        """Bring an object into the export, or note why it is not there; return whether it is.

        Raises:
            StoreError: S3 is out of reach.
            OSError: the folder cannot be written to.
        """
        return self._bring(wanted, partial(self._fetch, wanted))

    def copy_entry(self, wanted: Wanted) -> bool:
        """Bring an index entry into the export if it says what `wanted.body` does, however that is written.

        Raises:
            StoreError: S3 is out of reach.
            OSError: the folder cannot be written to.
        """
        return self._bring(wanted, partial(self._fetch_entry, wanted))

    def kept(self, listed: Listed) -> bytes | None:
        """Return the bytes of an object that an earlier call has brought here, if they are still the same."""
        copy = self._ledger.known(listed.key)
        if copy is None or not _is_still(copy, listed):
            return None
        if self._folder.look(self._payload + copy.file) != Written(copy.sha256, copy.size):
            return None
        with self._folder.open(self._payload + copy.file) as file:
            return file.read()

    def _bring(self, wanted: Wanted, fetch: Callable[[], Written]) -> bool:
        there = self._there(wanted)
        try:
            written = there or twice(fetch)
        except StoreError as error:
            if stops_everything(error):
                raise
            if isinstance(error, ObjectMissingError) and wanted.key.startswith(PASSING):
                return False
            self._failure_limit.failed(error)
            self._ledger.note_problem(wanted.key, error.what)
            return False
        if there is None:
            self._failure_limit.succeeded()
        etag, modified = (wanted.listed.etag, wanted.listed.modified.isoformat()) if wanted.listed else (None, None)
        self._ledger.note_copy(Copy(wanted.key, wanted.file, written.sha256, written.size, etag, modified))
        return True

    def _there(self, wanted: Wanted) -> Written | None:
        """Return the file where it is there already with the right bytes: by their hash, or as noted for this ETag."""
        if wanted.sha256 is not None:
            found = self._folder.look(self._payload + wanted.file)
            return found if found and found.sha256 == wanted.sha256 and wanted.size in (None, found.size) else None
        copy = self._ledger.known(wanted.key)
        if copy is None or wanted.listed is None or not _is_still(copy, wanted.listed):
            return None
        found = self._folder.look(self._payload + wanted.file)
        return found if found == Written(copy.sha256, copy.size) else None

    def _fetch(self, wanted: Wanted) -> Written:
        if wanted.body is not None:
            return self._folder.write(self._payload + wanted.file, [wanted.body])
        with self._folder.unnamed() as (file, path):
            came = self._reader.read_into(wanted.key, file)
            if wanted.sha256 not in (None, came.sha256):
                raise StoreError("the bytes in the bucket are not those that its name and its record promise")
            if wanted.size not in (None, came.size):
                raise StoreError("it has another size than its record says")
            file.close()
            self._folder.give_name(path, self._payload + wanted.file)
        return Written(came.sha256, came.size)

    def _fetch_entry(self, wanted: Wanted) -> Written:
        body = read_small(self._reader, wanted.key)
        expected, found = from_json(wanted.body or b"", "an index entry"), from_json(body, "the index entry")
        if {name: found.get(name) for name in expected} != expected:
            raise StoreError("the index entry does not fit its record")
        return self._folder.write(self._payload + wanted.file, [body])


def _is_still(copy: Copy, listed: Listed) -> bool:
    return bool(listed.etag) and (copy.etag, copy.size) == (listed.etag, listed.size)
