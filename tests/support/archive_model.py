"""What the archive must do with each diploma, as DESIGN.md sections 4, 5 and 9 say it: a dictionary and a few rules.

Rule: nothing of the program is imported here.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.oracle import certificate_of, revision, serial_of, versioned


@dataclass(frozen=True)
class Record:
    """One archived revision as the model knows it."""

    diploma_id: int
    revision: str
    generation: int
    status: str
    updated_at: str
    sha256: str | None
    supersedes: str | None
    serial: str  # key segments
    certificate: str
    indexed: bool = True  # a crash may come between record and index entry

    @property
    def key(self) -> str:
        """The record's key."""
        return f"diplomas/{self.serial}/{self.certificate}/{versioned(self.revision, self.generation)}.json"

    @property
    def index_key(self) -> str:
        """The index entry's key."""
        return f"certificates/{self.certificate}/{self.diploma_id}.{versioned(self.revision, self.generation)}.json"


@dataclass
class At:
    """One diploma at the source: its item, what a download gives, and what goes wrong with the next one."""

    item: dict[str, Any]
    sha256: str
    is_odd: bool = False  # a complete file that is no good diploma
    fails: str = ""  # "refused": the link is refused once; "broken": nothing usable comes


@dataclass(frozen=True)
class Expected:
    """What a run must do with a diploma that it lists."""

    outcome: str  # before conflicts are looked for
    downloads: int = 0
    record: Record | None = None  # the one that must be there afterwards
    is_adopted: bool = False  # it is there already, without its index entry

    @property
    def commits(self) -> bool:
        """Whether the diploma gets an index entry in this run."""
        return self.record is not None


@dataclass
class ArchiveModel:
    """The records that must be there, by diploma id, in the order in which they were archived."""

    records: dict[int, list[Record]] = field(default_factory=lambda: defaultdict(list))

    def expect(self, source: At, *, force: bool) -> Expected:
        """Return what a run does with a diploma in this state (section 4, and the generations of section 5)."""
        item, name = source.item, revision(source.item)
        status = "withdrawn" if item["deleted_at"] else "issued"
        mine = self.records[item["id"]]
        known = [record for record in mine if record.indexed and record.revision == name]
        last = next((record for record in reversed(mine) if record.indexed), None)
        came_back = bool(known) and last is not None and last.status != status
        if known and not came_back and not (force and status == "issued"):
            return Expected("unchanged")
        downloads = 0 if status == "withdrawn" else 2 if source.fails == "refused" else 1
        if downloads and source.fails == "broken":
            return Expected("failed", downloads)
        if downloads and source.is_odd:
            return Expected("quarantined", downloads)
        if known and not came_back and known[-1].sha256 == source.sha256:
            return Expected("unchanged", downloads)
        record = Record(
            diploma_id=item["id"],
            revision=name,
            generation=max((record.generation for record in known), default=0) + 1,
            status=status,
            updated_at=item["updated_at"],
            sha256=source.sha256 if downloads else None,
            supersedes=mine[-1].revision if mine else None,
            serial=serial_of(item),
            certificate=certificate_of(item),
        )
        there = next((one for one in mine if one.key == record.key), None)
        outcome = "archived" if downloads else "withdrawn"
        if there is not None:
            return Expected(outcome, downloads, replace(there, indexed=True), is_adopted=True)
        return Expected(outcome, downloads, record)

    def commit(self, record: Record) -> None:
        """Note that this record is archived."""
        mine = self.records[record.diploma_id]
        for place, one in enumerate(mine):
            if one.key == record.key:
                mine[place] = record
                return
        mine.append(record)

    def indexed_under(self, certificate: str) -> set[int]:
        """Return the diplomas that are known under a certificate segment."""
        everything = [record for records in self.records.values() for record in records]
        return {record.diploma_id for record in everything if record.indexed and record.certificate == certificate}
