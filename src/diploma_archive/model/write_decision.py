"""What to do with one listed diploma, decided from what the archive has of it: pure.

Rule: a known revision is never written twice, unless its state at the source went away and came back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from diploma_archive.model.json_document import Document
from diploma_archive.model.keys import IndexName
from diploma_archive.model.record import Status, current_entry
from diploma_archive.model.source_time import to_source_time


@dataclass(frozen=True)
class History:
    """What lies under a diploma's certificate segment, seen from this diploma."""

    mine: tuple[IndexName, ...]
    others: tuple[int, ...]

    @classmethod
    def of(cls, names: Sequence[IndexName], diploma_id: int) -> History:
        """Sort index names into this diploma's own and the ids of other diplomas."""
        mine = tuple(name for name in names if name.diploma_id == diploma_id)
        return cls(mine, tuple(sorted({name.diploma_id for name in names} - {diploma_id})))

    def generation_of(self, revision: str) -> int:
        """Return the newest generation of a revision, 0 where it is not known."""
        return max((name.generation for name in self.mine if name.revision == revision), default=0)

    def worth_reading(self, *, force: bool) -> tuple[IndexName, ...]:
        """Return the entries that must be read to plan: none in the steady run of a diploma with one revision.

        Args:
            force: also that one: it is downloaded again, or an earlier version may have archived it as withdrawn.
        """
        revisions = {name.revision for name in self.mine}
        return self.mine if force or len(revisions) > 1 else ()


@dataclass(frozen=True)
class Plan:
    """What to do: nothing (`write` is False), or to write this generation of the revision."""

    write: bool
    generation: int = 1
    known_generation: int = 0  # the newest that is archived, 0 where none is
    supersedes: str | None = None
    known_sha256: str | None = None  # of the known revision under --force: write only if other bytes come


def plan(
    history: History,
    entries: Sequence[Document],
    revision: str,
    status: Status,
    *,
    updated_at: str | None = None,
    force: bool,
) -> Plan:
    """Return what to do with a diploma that is listed in this revision and status.

    Args:
        entries: the index entries that `history.worth_reading` named.
        updated_at: of the diploma, as it is listed.
    """
    generation = history.generation_of(revision)
    current = current_entry(entries)
    only = max((name.revision for name in history.mine), default=None)  # one revision at the most
    supersedes = only if current is None else str(current.get("revision"))
    if not generation:
        return Plan(write=True, supersedes=supersedes)
    came_back = current is not None and (current.get("status") != status or _is_older(current, updated_at))
    if came_back:
        return Plan(write=True, generation=generation + 1, known_generation=generation, supersedes=supersedes)
    if force and status == "issued":
        same = [entry for entry in entries if entry.get("revision") == revision]
        newest = current_entry(same)
        return Plan(
            write=True,
            generation=generation + 1,
            known_generation=generation,
            supersedes=supersedes,
            known_sha256=str(newest["sha256"]) if newest and newest.get("sha256") else None,
        )
    return Plan(write=False, generation=generation, known_generation=generation)


def _is_older(current: Document, updated_at: str | None) -> bool:
    """Return whether a run that had listed an older state was the last one to archive: the newer one must follow."""
    archived, listed = current.get("source_updated_at"), to_source_time(updated_at)
    before = to_source_time(archived) if isinstance(archived, str) else None
    return before is not None and listed is not None and before < listed
