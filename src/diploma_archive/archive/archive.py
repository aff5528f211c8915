"""The archive as the pipeline sees it: what is known, and the create-only writes, in threads of their own.

Rule: nothing is written before `archive.json` was read and found to be ours.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from diploma_archive.archive.bulk_index import BulkIndex
from diploma_archive.archive.checkpoints import CheckpointFolder
from diploma_archive.archive.commit import Committed, name_of, put_index_entry, put_record
from diploma_archive.archive.identity import check_identity, new_identity
from diploma_archive.archive.index_repair import index_records, unindexed_in, unindexed_records
from diploma_archive.archive.previous_reports import LatestReports, last_full_pass, latest_reports, previous_reports
from diploma_archive.archive.quarantine import Kept, QuarantineNotes, put_quarantine
from diploma_archive.archive.stored_cursor import NextCursor, StoredCursors, move_cursor, next_cursor, stored_cursors
from diploma_archive.archive.suppressions import read_suppressions
from diploma_archive.archive.witness import Seen, look
from diploma_archive.errors import IntegrityError, Kind, OddFileError, StoreError
from diploma_archive.model import keys
from diploma_archive.model.cursor import Cursor
from diploma_archive.model.json_document import Document, from_json, to_json
from diploma_archive.model.key_kinds import KeyKind, kind_of
from diploma_archive.model.keys import IndexName, Place
from diploma_archive.model.payload import Payload
from diploma_archive.model.quarantine_note import ANOTHERS_REASON, QuarantineNote, is_anothers, read_first_owner
from diploma_archive.model.record import current_entry
from diploma_archive.model.suppression_mark import Suppressions
from diploma_archive.store.objects import Stored
from diploma_archive.store.store import BINARY_TYPE, JSON_TYPE, PDF_TYPE, Created, Store
from diploma_archive.store.tries import until_found

if TYPE_CHECKING:
    from pydantic import SecretStr


T = TypeVar("T")
log = logging.getLogger("diploma_archive.sync.run")


@dataclass(frozen=True)
class Owner:
    """Whose archive a run may write to, and what it keeps."""

    account: str
    prefix: str
    base_url: str
    omit_fields: tuple[str, ...] = ()  # what its records leave out


class Archive:
    """One archive, open for one run. Every method may raise StoreError."""

    def __init__(self, store: Store, owner: Owner, pool: ThreadPoolExecutor) -> None:
        self._store = store
        self._owner = owner
        self._pool = pool
        self._identity: Stored | None = None
        self._look_first: bool | None = None
        self._notes: QuarantineNotes | None = None
        self._suppressions = Suppressions()
        self._index: BulkIndex | None = None
        self.has_unfit_entries = False  # which do not fit their records, and which we may not write anew
        self._cursors = StoredCursors()
        self._reports = LatestReports()
        self._seen = Seen()
        self._completed: dict[tuple[int, str], Committed] = {}
        self._opening = asyncio.Lock()

    @property
    def identity_sha256(self) -> str | None:
        """Return the SHA-256 (hex) of `archive.json`, or None as long as there is none."""
        return None if self._identity is None else hashlib.sha256(self._identity.body).hexdigest()

    @property
    def ignores_conditions(self) -> bool:
        """Return whether the server was found to ignore `If-None-Match` (False until something was written)."""
        return bool(self._look_first)

    async def check_owner(self, first_look: Store) -> None:
        """Read `archive.json` with an impatient client and check that it is ours; write nothing.

        Raises:
            StoreError: the bucket cannot be reached or the archive is somebody else's.
        """
        self._identity = await self._run(lambda: first_look.get(keys.IDENTITY_KEY))
        self._check_identity()

    async def begin(self, suppression_key: SecretStr | None) -> None:
        """Before anything else: see that the bucket can lock objects, if it shall, learn who was erased, and hold
        what is there against what the last runs saw.

        Raises:
            StoreError: it cannot, the marks of those who were erased cannot be understood, or something is gone that
                decides what is written; fatal.
        """
        await self._run(self._store.check_lock)
        await self._run(lambda: self._look_around(suppression_key))

    def _look_around(self, suppression_key: SecretStr | None) -> None:
        for is_last in (False, True):
            self._suppressions = read_suppressions(self._store, suppression_key)
            self._reports = latest_reports(self._store)
            identity = None if self._identity is None else self._identity.body
            try:
                self._seen = look(self._store, self._reports, identity, self._suppressions)
                return
            except StoreError:
                if is_last:
                    raise
            # Listings are no moment in time: an erasure, or another first run, may have come between them.
            self._identity = self._store.get(keys.IDENTITY_KEY)
            self._check_identity()

    def is_suppressed(self, user_id: int | None, certificate: str) -> bool:
        """Return whether a diploma of this person and certificate segment was erased and must not come back."""
        return self._suppressions.covers(user_id, certificate)

    async def holds_diplomas(self) -> bool:
        """Return whether anything was ever archived here."""
        return bool(await self._run(lambda: list(self._store.list(keys.CERTIFICATES, at_most=1))))

    async def known(self, certificate: str, diploma_id: int, revision: str) -> list[IndexName]:
        """Return what is archived under a certificate segment: by what `read_index` read, or else by one LIST.

        Args:
            diploma_id: who asks.
            revision: the state that is listed.
        """
        names = self._index.names(certificate, diploma_id, revision) if self._index else None
        return await self._listed(certificate) if names is None else names

    async def _listed(self, certificate: str) -> list[IndexName]:

        def listed() -> list[IndexName]:
            rows = self._store.list(keys.index_prefix(certificate))
            return [name for name in (keys.read_index_name(row.key) for row in rows) if name is not None]

        return await self._run(listed)

    async def read_index(self) -> None:
        """Read the whole index, and complete it: both halves of the bucket, 1,000 names a request."""
        index = await self._run(lambda: BulkIndex.of(self._store.list(keys.CERTIFICATES)))
        await self._complete(index)
        self._index = index

    async def _complete(self, index: BulkIndex) -> None:
        """Index every record of the archive that has no entry, as a crash between the two leaves it."""
        left_over = await self._run(lambda: list(unindexed_records(self._store, index)))
        if left_over:
            await self._prepare()
            for certificate, committed in await self._index_left_over(left_over):
                index.note(certificate, name_of(committed.record))

    async def complete_folder(self, place: Place, names: Sequence[IndexName]) -> bool:
        """Likewise for one certificate folder; return whether an entry was written. No LIST after `read_index`."""
        if self._index is not None:
            return False
        left_over = await self._run(lambda: list(unindexed_in(self._store, place, names)))
        if not left_over:
            return False
        await self._prepare()
        return bool(await self._index_left_over(left_over))

    async def _index_left_over(self, left_over: Sequence[tuple[Place, str]]) -> list[tuple[str, Committed]]:
        written = await self._run(lambda: index_records(self._store, left_over, self._owner.omit_fields))
        for _, committed in written:
            self.has_unfit_entries |= not committed.is_indexed
            self._completed[committed.record["diploma_id"], committed.record["revision"]] = committed
        return written

    def completed(self, diploma_id: int, revision: str) -> Committed | None:
        """Return an older run's record whose index entry this run wrote, or None."""
        return self._completed.get((diploma_id, revision))

    async def entries(self, certificate: str, names: Sequence[IndexName]) -> list[Document]:
        """Return the index entries of these names, one GET each."""

        def read() -> list[Document]:
            found = [self._store.get(name.key(certificate)) for name in names]
            return [from_json(stored.body, "an index entry") for stored in found if stored is not None]

        return await self._run(read)

    async def prepare(self) -> None:
        """Before anything is downloaded: see that this bucket can be written to as it must be."""
        await self._prepare()

    async def holds_key(self, key: str) -> bool:
        """Return whether the bucket has the object that a record names, asked for more than once before it is lost."""
        return bool(await self._run(lambda: until_found(lambda: self._store.exists(key))))

    async def holds_file(self, key: str, payload: Payload) -> bool:
        """Return whether the bucket has just these bytes under this key."""
        return await self._run(lambda: self._store.compare(key, payload)) is Created.SAME

    async def put_pdf(self, place: Place, payload: Payload) -> str:
        """Store a PDF under its hash and return its key.

        Raises:
            IntegrityError: other bytes lie under that name; they cannot be what was downloaded.
        """
        await self._prepare()
        key = place.pdf_key(payload.sha256)
        if await self._run(lambda: self._store.create(key, payload, PDF_TYPE)) is Created.OTHER:
            raise IntegrityError(
                "the bucket holds other bytes under the name of this file",
                fix="Run diploma-archive verify; move the damaged object away, and the next run archives it again",
            )
        return key

    async def put_record(self, place: Place, record: Document) -> Document:
        """Store a record, the commit marker, and return the one that counts: ours or that of a faster run."""
        await self._prepare()
        look_first = bool(self._look_first)
        return await self._run(lambda: put_record(self._store, place, record, look_first=look_first))

    async def put_index(self, place: Place, record: Document) -> Committed:
        """Store the index entry of a record, and return the record that is in the bucket after that."""
        await self._prepare()
        committed = await self._run(lambda: put_index_entry(self._store, place, record))
        self.has_unfit_entries |= not committed.is_indexed
        if self._index is not None:
            self._index.note(place.certificate, name_of(committed.record))
        return committed

    async def put_quarantine(self, certificate: str, payload: Payload, note: QuarantineNote) -> Kept | None:
        """Keep bytes that are no good diploma, and why; what is there already stays as it is."""
        await self._prepare()
        look_first = bool(self._look_first)
        return await self._run(lambda: put_quarantine(self._store, certificate, payload, note, look_first=look_first))

    async def first_owner(self, certificate: str, sha256: str) -> tuple[int, str] | None:
        """Return who had these bytes first, where an earlier run quarantined them for that under this certificate.

        None too where that diploma has another file by now: then it had the wrong one, and these bytes are welcome.

        Raises:
            OddFileError: an earlier run found that they are another person's, whom this run may not have listed.
        """
        async with self._opening:
            notes = self._notes
            if notes is None:
                notes = self._notes = await self._run(lambda: QuarantineNotes(self._store))
        if not notes.may_have(certificate, sha256):
            return None
        note = await self._run(lambda: notes.read(certificate, sha256))
        if is_anothers(note):
            raise OddFileError(ANOTHERS_REASON)
        owner = read_first_owner(note)
        if owner is None:
            return None
        theirs = [name for name in await self._listed(owner[1]) if name.diploma_id == owner[0]]
        last = current_entry(await self.entries(owner[1], theirs))
        return owner if last is not None and last.get("sha256") == sha256 else None

    async def put_run_report(self, key: str, payload: Payload) -> None:
        """Store the report of a run."""
        await self._prepare()
        if await self._run(lambda: self._store.create(key, payload, JSON_TYPE)) is Created.OTHER:
            raise StoreError("this run has written its report already", fix="Start a new run")

    async def links(self, cursor: NextCursor | None = None) -> Document:
        """Return what the next report must name: the reports before it, and what this run saw of the rest.

        Args:
            cursor: the one that this run is about to write.
        """
        await self._prepare()
        if self.ignores_conditions:  # then another first run may have written its own over ours
            self._identity = await self._run(lambda: self._store.get(keys.IDENTITY_KEY)) or self._identity
        assert self._identity is not None  # noqa: S101  tells mypy what `_prepare` sees to
        said = self._seen.commitments(self._identity.body, cursor)
        previous = await self._run(lambda: previous_reports(self._store, self._reports))
        return {"previous": previous, **said.to_fields()}

    async def put_seal(self, key: str, body: bytes) -> None:
        """Store a statement on a run report, its signature or its time stamp."""
        kind = JSON_TYPE if key.endswith(".json") else BINARY_TYPE
        await self._run(lambda: self._store.create(key, Payload.of(body), kind, look_first=bool(self._look_first)))

    async def get_seal(self, key: str) -> bytes | None:
        """Return what `put_seal` stored, or None where it is not there."""
        stored = await self._run(lambda: self._store.get(key))
        return None if stored is None else stored.body

    async def unstamped(self, at_most: int) -> list[str]:
        """Return the run reports, the newest first, on which there is a statement without a time stamp."""
        there = await self._run(lambda: {row.key for row in self._store.list(keys.SEALS)})
        reports = {keys.sealed_report(key) for key in there if kind_of(key) is KeyKind.STATEMENT}
        return sorted((one for one in reports if keys.seal_keys(one)[2] not in there), reverse=True)[:at_most]

    async def last_full_pass(self) -> datetime | None:
        """Return when the last full pass that finished began, or None where there was none."""
        return await self._run(lambda: last_full_pass(self._store))

    def checkpoint(self, selection: str) -> CheckpointFolder:
        """Return where runs over a selection (a digest of it) write down what they have done."""
        return CheckpointFolder(self._store, selection)

    async def with_checkpoint(self, work: Callable[[], T], *, writes: bool = False) -> T:
        """Return what a piece of work on a checkpoint returns, done in a thread of the archive's."""
        if writes:
            await self._prepare()
        return await self._run(work)

    async def cursor(self) -> Cursor:
        """Return the scheduled run's cursor; an empty one before the first run."""
        self._cursors = await self._run(lambda: stored_cursors(self._store, reports=self._reports))
        for key in self._cursors.newly_torn:
            log.warning("%s cannot be read: what it followed counts again, so more is looked at than need be", key)
        for key in self._cursors.newly_unnamed:
            log.warning("%s is named by no run report and does not count: find out who wrote it", key)
        return self._cursors.cursor

    async def next_cursor(self, moved: Cursor, run_id: str, report: str) -> NextCursor | None:
        """Return the cursor that this run is to write, or None where it is the one that it began with.

        Where another run moved it meanwhile, both are merged.
        """
        start, account = self._cursors, self._owner.account
        if len(start.heads) == 1 and start.cursor == moved:
            return None
        return await self._run(
            lambda: next_cursor(self._store, start, moved, account=account, run_id=run_id, report=report)
        )

    async def move_cursor(self, following: NextCursor) -> None:
        """Store the cursor that this run's report names by now."""
        await self._run(lambda: move_cursor(self._store, following))

    async def _prepare(self) -> None:
        """Before the first write: find out whether the server honours `If-None-Match`, and create `archive.json`."""
        if self._look_first is not None:
            return
        async with self._opening:
            if self._look_first is None:
                self._look_first = await self._run(self._begin)

    def _begin(self) -> bool:
        create_only = self._store.try_create_only()
        log.info("this S3 server: %s", create_only.value)
        if self._identity is None:
            document = new_identity(
                account=self._owner.account,
                prefix=self._owner.prefix,
                base_url=self._owner.base_url,
                created_at=datetime.now(UTC),
            )
            self._store.create(keys.IDENTITY_KEY, Payload.of(to_json(document)), JSON_TYPE, look_first=True)
            self._identity = until_found(lambda: self._store.get(keys.IDENTITY_KEY))
            self._check_identity()
        if self._identity is None:
            raise StoreError("archive.json was stored and is not there", fix="Check the S3 server", kind=Kind.FATAL)
        return create_only.looks_first

    def _check_identity(self) -> None:
        if self._identity is not None:
            try:
                document = from_json(self._identity.body, keys.IDENTITY_KEY)
            except StoreError:
                raise StoreError(
                    "what lies under archive.json does not describe an archive",
                    fix="Check AWS_ENDPOINT_URL_S3, ARCHIVE_BUCKET and ARCHIVE_PREFIX",
                    kind=Kind.FATAL,
                ) from None
            check_identity(document, account=self._owner.account)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)
