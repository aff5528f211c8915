"""The archive of a dry run: reads like the real one, and remembers what it would have written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from diploma_archive.archive.archive import Archive, Owner
from diploma_archive.archive.bulk_index import BulkIndex
from diploma_archive.archive.commit import Committed, name_of
from diploma_archive.archive.quarantine import Kept
from diploma_archive.archive.stored_cursor import NextCursor
from diploma_archive.model.cursor import Cursor
from diploma_archive.model.json_document import Document
from diploma_archive.model.keys import IndexName, Place
from diploma_archive.model.payload import Payload
from diploma_archive.model.quarantine_note import QuarantineNote
from diploma_archive.store.store import Store


class DryArchive(Archive):
    """Writes nothing; so a conflict between two diplomas of the same dry run is seen as in a real one."""

    def __init__(self, store: Store, owner: Owner, pool: ThreadPoolExecutor) -> None:
        super().__init__(store, owner, pool)
        self._imagined: defaultdict[str, dict[IndexName, Document]] = defaultdict(dict)

    async def known(self, certificate: str, diploma_id: int, revision: str) -> list[IndexName]:
        """Return what is archived or would be by now."""
        return [*await super().known(certificate, diploma_id, revision), *self._imagined.get(certificate, {})]

    async def entries(self, certificate: str, names: Sequence[IndexName]) -> list[Document]:
        """Return the index entries that are there or would be by now."""
        imagined = self._imagined.get(certificate, {})
        real = await super().entries(certificate, [name for name in names if name not in imagined])
        return [*real, *(imagined[name] for name in names if name in imagined)]

    async def _complete(self, index: BulkIndex) -> None:
        """Index nothing."""

    async def complete_folder(self, place: Place, names: Sequence[IndexName]) -> bool:
        """Index nothing."""
        return False

    async def prepare(self) -> None:
        """Probe nothing."""

    async def put_pdf(self, place: Place, payload: Payload) -> str:
        """Store nothing."""
        return place.pdf_key(payload.sha256)

    async def put_record(self, place: Place, record: Document) -> Document:
        """Store nothing."""
        return record

    async def put_index(self, place: Place, record: Document) -> Committed:
        """Remember that it would be known by now, and no more of it than a plan needs."""
        name = name_of(record)
        self._imagined[place.certificate][name] = {
            "revision": name.revision,
            "status": record["status"],
            "archived_at": record["archived_at"],
            "source_updated_at": record["source"]["updated_at"],
            "record": place.record_key(name.revision, name.generation),
        }
        return Committed(record, "")

    async def put_quarantine(self, certificate: str, payload: Payload, note: QuarantineNote) -> Kept | None:
        """Store nothing."""

    async def put_run_report(self, key: str, payload: Payload) -> None:
        """Store nothing."""

    async def links(self, cursor: NextCursor | None = None) -> Document:
        """Look for nothing: a dry run leaves no report."""
        return {}

    async def next_cursor(self, moved: Cursor, run_id: str, report: str) -> NextCursor | None:
        """Move nothing."""
        return None
