"""Are the files of one certificate what their names say? Those in quarantine too, with the notes beside them.

Rule: no file is read twice, and what S3 has no checksum of is never called proven.
"""

from __future__ import annotations

from diploma_archive.evidence.certificate_check_result import Examined
from diploma_archive.evidence.findings import FindingClass
from diploma_archive.evidence.object_reading import FileState, Unread, read_file, read_text
from diploma_archive.model.json_document import readable_or_empty
from diploma_archive.model.keys import DIPLOMAS
from diploma_archive.store.objects import Listed
from diploma_archive.store.reader import Reader


class Files:
    """What is known of the files of one certificate."""

    def __init__(self, reader: Reader, found: Examined) -> None:
        self._reader = reader
        self._found = found
        self._states: dict[str, FileState] = {}

    def has_its_hash(self, row: Listed) -> bool:
        """Return whether a file is known to have the bytes that its name says."""
        name = row.key.rpartition("/")[2].partition(".")[0]
        if row.key not in self._states:
            state = read_file(self._reader, row, full=self._found.rules.full)
            if isinstance(state, Unread):
                self._states[row.key] = FileState(row.size, None, was_read=False)
                self._found.add_unread(row.key, state, FindingClass.MISSING_FILE)
                return False
            self._states[row.key] = state
            self._count(state, is_archived=row.key.startswith(DIPLOMAS))
            if state.sha256 not in (None, name):
                self._found.add(FindingClass.ALTERED_FILE, row.key, f"its bytes have the SHA-256 {state.sha256}")
        return self._states[row.key].sha256 == name

    def state(self, row: Listed) -> FileState:
        """Return what is known of a file."""
        self.has_its_hash(row)
        return self._states[row.key]

    def _count(self, state: FileState, *, is_archived: bool) -> None:
        """Count a file: what lies in quarantine is none of the archive's, but must be proven as well."""
        counts = self._found.counts
        counts["files"] += is_archived
        counts["bytes"] += state.size if state.was_read else 0
        counts["not_proven"] += state.sha256 is None
        counts["proven"] += is_archived and state.sha256 is not None and not state.was_read

    def check_quarantine(self) -> None:
        """Check bytes and notes in quarantine, and that what reports say of them is there."""
        rows = self._found.unit.quarantine
        claimed = {claim.record: claim for claim in self._found.unit.notes_claimed}
        for note, claim in claimed.items():
            if note not in rows and claim.is_erased:
                self._found.counts["erased"] += 1
            elif note not in rows:
                self._found.add(FindingClass.MISSING_QUARANTINE, note, f"{claim.report} says that it was kept")
        for key, row in rows.items():
            stem, _, ending = key.rpartition(".")
            partner = f"{stem}.{'json' if ending == 'bin' else 'bin'}"
            if ending == "bin":
                self.has_its_hash(row)
                if partner not in rows and partner not in claimed:
                    self._found.add(
                        FindingClass.ORPHAN_FILE, key, "there is no note beside it that says why it is here"
                    )
                continue
            if partner not in rows:
                self._found.add(FindingClass.MISSING_FILE, partner, f"{key} is about it", key)
            text = read_text(self._reader, row)
            hashes = {claim.record_sha256 for claim in self._found.unit.notes_claimed if claim.record == key} - {""}
            if isinstance(text, Unread):
                self._found.add_unread(key, text, FindingClass.MISSING_RECORD)
            elif hashes and text.sha256 not in hashes:
                self._found.add(FindingClass.ALTERED_RECORD, key, f"{claimed[key].report} has another hash of it")
            elif readable_or_empty(text.body).get("sha256") != stem.rpartition("/")[2]:
                self._found.add(FindingClass.ALTERED_RECORD, key, "it is no note about the bytes beside it")
