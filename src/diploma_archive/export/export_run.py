"""One export under way: what is copied in which order, and under which names.

Rule: one bad object never stops the others, and what is exported is a state that the archive was in.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

from diploma_archive.archive.certificate_folders import is_record
from diploma_archive.errors import DiplomaArchiveError, Kind, StoreError
from diploma_archive.export.bag import PAYLOAD, check_bag, make_bag
from diploma_archive.export.check_instructions import CERTIFICATES_FILE, CHECK_FILE, check_instructions
from diploma_archive.export.chosen_records import Choice, chosen, fits, user_id
from diploma_archive.export.copying import Copier, Wanted
from diploma_archive.export.export_folder import Written
from diploma_archive.export.export_ledger import ExportLedger
from diploma_archive.export.failure_limit import FailureLimit
from diploma_archive.export.file_names import (
    DIPLOMAS_FOLDER,
    RECORDS_FOLDER,
    SEALS_FOLDER,
    candidates,
    object_name,
    stem,
)
from diploma_archive.export.overview_files import NOT_EXPORTED_FILE, cells, overview_files
from diploma_archive.export.record_reading import (
    NAMED_BUT_MISSING,
    ReadFolder,
    ReadRecord,
    chosen_folders,
    read_folder,
)
from diploma_archive.export.target_folder import Start
from diploma_archive.model import keys
from diploma_archive.model.json_document import Document, from_json
from diploma_archive.store.objects import Listed
from diploma_archive.store.parallel import in_parallel
from diploma_archive.store.reader import Reader

COPIED_FIRST = (keys.SEALS, keys.RUNS, "state/")
"""These speak of what is in the bucket already: copied first, what they speak of is in the export too."""

_NAMED_BY_CONTENT = re.compile(r"(?:diplomas/[^/]+|quarantine)/[^/]+/([0-9a-f]{64})\.(?:pdf|bin)")


class Export:
    """One export under way."""

    def __init__(
        self,
        reader: Reader,
        start: Start,
        ledger: ExportLedger,
        workers: int,
        tell: Callable[[int], None],
        certificates: bytes | None = None,
    ) -> None:
        self.reader = reader
        self.ledger = ledger
        self.unnamed = 0  # records that name no person, where persons were asked for
        self.payload = PAYLOAD if start.layout == "bagit" else ""
        self._start = start
        self._certificates = certificates
        self._failure_limit = FailureLimit()
        self._copier = Copier(reader, start.folder, ledger, self.payload, self._failure_limit)
        # Half of the threads read records, the other half copies, so that the connections are enough for all.
        self._workers = max(1, workers // 2)
        self._tell = tell
        self._done = 0
        self._found: set[tuple[str, object]] = set()

    def copy_identity(self) -> None:
        """Copy `archive.json`: whose archive this is."""
        key = keys.IDENTITY_KEY
        self._copier.copy(Wanted(key, self.ledger.reserve(key, [key]), body=self._start.identity_body))

    def copy_chosen(self, choice: Choice) -> list[Document]:
        """Copy the chosen records with their PDFs and index entries.

        Returns:
            The chosen records where `choice` is about persons, of which one person has few; else nothing.

        Raises:
            StoreError: S3 is out of reach.
            OSError: the folder cannot be written to.
        """
        kept: list[Document] = []
        found = chosen_folders(self.reader, choice, self.ledger.note_problem)
        reading = partial(read_folder, self.reader, kept=self._copier.kept, failure_limit=self._failure_limit)
        read = in_parallel(reading, found, self._workers)
        parcels = (self._parcel(choice, folder, kept) for folder in read)
        for copied in in_parallel(self._copy_parcel, parcels, self._workers):
            self._count(copied)
        return kept

    def copy_rows(self, rows: Iterator[Listed]) -> None:
        """Copy objects as they are; those that are named by their content are checked against it.

        Raises:
            StoreError: S3 is out of reach.
            OSError: the folder cannot be written to.
        """
        for _ in in_parallel(self._copier.copy, map(self._as_it_is, rows), self._workers):
            self._count(1)

    def copy_rest(self) -> None:
        """Copy everything that lies in the archive beside the records and what they name, as it was before them.

        What came while the export was at work is left to the next one: records that came later, and their entries.
        """
        everything = (row for row in self.reader.list("") if not row.key.startswith((*COPIED_FIRST, *keys.NO_PART)))
        new = (row for row in everything if not self._is_known(row.key) and not _is_record(row.key))
        self.copy_rows(row for row in new if self._is_no_later_entry(row.key))

    def _is_known(self, key: str) -> bool:
        return self.ledger.is_copied(key) or self.ledger.has_problem(key)

    def _is_no_later_entry(self, key: str) -> bool:
        """Return False for an index entry whose record came after the records were read; note a record that is gone."""
        if not key.startswith(keys.CERTIFICATES) or keys.read_index_name(key) is None:
            return True
        try:
            stored = self.reader.get(key)
            record = from_json(stored.body if stored else b"", "an index entry").get("record")
            if not isinstance(record, str) or not _is_record(record) or self._is_known(record):
                return True
            if self.reader.exists(record):
                return False
        except StoreError:
            return True  # `copy` says what is wrong with it
        self.ledger.note_problem(record, NAMED_BUT_MISSING)
        return True

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing to write: nothing fits, and no earlier call has left anything."""
        return self._start.is_new and not self.ledger.count("objects") and not self.ledger.count("problems")

    def file_of(self, key: str) -> str | None:
        """Return the name of an object in the export, or None where it is not there."""
        copy = self.ledger.known(key) if self.ledger.is_copied(key) else None
        return copy.file if copy else None

    @property
    def identity(self) -> Document:
        """Return `archive.json` of the archive."""
        return self._start.identity

    def not_found(self, choice: Choice) -> Iterator[str]:
        """Yield each option of a choice that no record fits."""
        for option, values in choice.wanted().items():
            yield from (f"{option} {value}" for value in sorted(values) if (option, value) not in self._found)

    def finish(self, extra: dict[str, bytes] | None = None) -> None:
        """Write the overview_files, make it a bag, and check from the disk that all of it is what was read.

        Raises:
            DiplomaArchiveError: the disk does not hold what was written to it; fatal.
            OSError: the folder cannot be written to.
        """
        folder = self._start.folder
        for file in self.ledger.leftovers():
            folder.remove(self.payload + file)
        folder.remove(self.payload + NOT_EXPORTED_FILE)
        written: list[tuple[str, Written]] = []
        if self.payload:
            extra = {**(extra or {}), **self._instructions()}
        given = ((name, [body]) for name, body in (extra or {}).items())
        for name, chunks in chain(given, overview_files(self.ledger, self._start.purpose, self.payload)):
            written.append((name, folder.write(self.payload + name, chunks)))
        if self.payload:
            make_bag(folder, chain(self.ledger.files(), written), self._start.identity)
            check_bag(folder.root)
        else:
            for name, expected in chain(self.ledger.files(), written):
                if folder.look(name) != expected:
                    raise DiplomaArchiveError(
                        "the disk does not hold what was written to it", fix="Take another disk", kind=Kind.FATAL
                    )

    def _instructions(self) -> dict[str, bytes]:
        """Return `CHECK.md`, and the certificates of the time-stamping service where they are known."""
        names = {name.rpartition(".")[2] for name, _ in self.ledger.files() if name.startswith(f"{SEALS_FOLDER}/")}
        certificates = self._certificates
        text = check_instructions(
            has_reports=self._start.purpose.get("everything") is True,
            has_signatures="sig" in names,
            has_stamps="tsr" in names and certificates is not None,
        )
        return {CHECK_FILE: text, **({CERTIFICATES_FILE: certificates} if certificates else {})}

    def _as_it_is(self, row: Listed) -> Wanted:
        named = _NAMED_BY_CONTENT.fullmatch(row.key)
        file = self.ledger.reserve(row.key, [object_name(row.key)])
        return Wanted(row.key, file, row, sha256=named[1] if named else None)

    def _parcel(self, choice: Choice, folder: ReadFolder, kept: list[Document]) -> tuple[list[Wanted], list[Wanted]]:
        """Return what to copy of a folder: PDFs and records, and index entries."""
        for key, reason in folder.problems:
            self.ledger.note_problem(key, reason)
        documents = [record.checked.document for record in folder.records]
        picked = set(chosen(choice, folder.place.certificate, documents))
        for position, record in enumerate(documents):
            file = record["file"]["key"] if record["file"] else None
            row = cells(record) if position in picked else None
            key = folder.records[position].listed.key
            self.ledger.note_record(key, record["diploma_id"], record["archived_at"], row, file)
        if choice.users:
            self.unnamed += sum(user_id(documents[position]) is None for position in {*range(len(documents))} - picked)
        for position in sorted(picked):
            self._found.update(fits(choice, folder.place.certificate, documents[position]))
            if choice.users:
                kept.append(documents[position])
        records = [folder.records[position] for position in sorted(picked)]
        pdfs = {one["file"]["key"]: one for one in map(documents.__getitem__, sorted(picked)) if one["file"]}
        wanted = [self._pdf(folder, record, several=len(pdfs) > 1) for record in pdfs.values()]
        return [*wanted, *map(self._record, records)], [self._entry(record) for record in records]

    def _pdf(self, folder: ReadFolder, record: Document, *, several: bool) -> Wanted:
        key, sha256, size = (record["file"][name] for name in ("key", "sha256", "size"))
        name = stem(record["serial"], record["certificate_number"], record["diploma_id"])
        names = candidates(DIPLOMAS_FOLDER, f"{name}_{_version(record)}" if several else name, ".pdf", key)
        return Wanted(key, self.ledger.reserve(key, names), folder.files.get(key), sha256, size)

    def _record(self, record: ReadRecord) -> Wanted:
        key, document = record.listed.key, record.checked.document
        name = stem(document["serial"], document["certificate_number"], document["diploma_id"])
        names = candidates(RECORDS_FOLDER, f"{name}_{_version(document)}", ".json", key)
        return _as_read(key, self.ledger.reserve(key, names), record.body, record.listed)

    def _entry(self, record: ReadRecord) -> Wanted:
        key = record.checked.index_key
        return _as_read(key, self.ledger.reserve(key, [object_name(key)]), record.checked.index_body(), None)

    def _copy_parcel(self, parcel: tuple[list[Wanted], list[Wanted]]) -> int:
        objects, entries = parcel
        for wanted in objects:
            self._copier.copy(wanted)
        for wanted in entries:
            self._copier.copy_entry(wanted)
        return len(objects) + len(entries)

    def _count(self, copied: int) -> None:
        self._done += copied
        self._tell(self._done)


def _version(record: Document) -> str:
    revision, generation = record["revision"], record["generation"]
    return f"{revision}.{generation}" if generation > 1 else f"{revision}"


def _as_read(key: str, file: str, body: bytes, listed: Listed | None) -> Wanted:
    return Wanted(key, file, listed, sha256=hashlib.sha256(body).hexdigest(), body=body)


def _is_record(key: str) -> bool:
    return is_record(key) and key.count("/") == 3
