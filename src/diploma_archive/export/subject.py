"""Everything that the archive holds on one person, as a bag for them (GDPR article 15).

Rules: it is read from the records themselves, never from an index or a cache; and nothing goes along that is on
somebody else, such as a revision that names another person, or another's file that came under this person's number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from diploma_archive.errors import StoreError
from diploma_archive.export.chosen_records import Choice
from diploma_archive.export.export import Exported, begin, exported
from diploma_archive.export.export_run import Export
from diploma_archive.export.record_reading import read_small, stops_everything, twice
from diploma_archive.export.subject_page import PAGE_FILE, Page, render
from diploma_archive.model.coercion import coerce_id, or_none
from diploma_archive.model.json_document import Document, from_json
from diploma_archive.model.keys import QUARANTINE
from diploma_archive.model.quarantine_note import is_anothers, read_first_owner
from diploma_archive.store.listing import in_order
from diploma_archive.store.objects import Listed
from diploma_archive.store.parallel import in_parallel
from diploma_archive.store.reader import Reader


@dataclass(frozen=True)
class Person:
    """What the records say of one person, as far as it is needed to know what else is theirs."""

    user_id: int
    diplomas: frozenset[int]
    participants: frozenset[int]
    files: frozenset[str]  # the SHA-256 of each of their PDFs

    @classmethod
    def of(cls, user_id: int, records: list[Document]) -> Person:
        """Return what the records of a person say."""
        participants = {or_none(coerce_id, record.get("participant_id")) for record in records}
        return cls(
            user_id,
            frozenset(record["diploma_id"] for record in records),
            frozenset(one for one in participants if one),
            frozenset(record["file"]["sha256"] for record in records if record["file"]),
        )

    def is_theirs(self, note: Document) -> bool:
        """Return whether a quarantine note is about this person."""
        named, diploma_id, participant_id = (
            or_none(coerce_id, note.get(name)) for name in ("user_id", "diploma_id", "participant_id")
        )
        if named:
            return named == self.user_id
        return diploma_id in self.diplomas or participant_id in self.participants

    def has(self, diploma_id: int) -> bool:
        """Return whether a diploma is this person's."""
        return diploma_id in self.diplomas


@dataclass
class Quarantined:
    """What lies in quarantine for one person; the files of others among it are counted, not handed over."""

    rows: list[Listed] = field(default_factory=list)
    notes: list[tuple[str, Document]] = field(default_factory=list)  # by the key of the bytes
    withheld: int = 0
    copies_elsewhere: int = 0  # files of this person that came under somebody else's number


@dataclass(frozen=True)
class Held:
    """What is held on a person, and the bag that it is in."""

    exported: Exported
    quarantined: int
    withheld: int
    unnamed: int  # records of the archive that name no person, so that nobody can tell whose they are

    @property
    def is_nothing(self) -> bool:
        """Return whether the archive holds nothing on the person, as far as its records can be read."""
        return not self.exported.records and not self.quarantined


def subject(reader: Reader, user_id: int, to: Path, *, workers: int, tell: Callable[[int], None]) -> Held:
    """Bring everything that is held on a person into a bag; where there is nothing, no folder is left.

    Args:
        to: a new or empty folder, or one that this command was given before for the same person.
        workers: how many requests may be under way at once.
        tell: is told how many objects are done.

    Raises:
        SettingsError: the folder holds something else.
        StoreError: S3 is out of reach.
        DiplomaArchiveError: the folder cannot be written to.
    """
    choice = Choice(users=frozenset({user_id}))
    selection: Document = {"kind": "subject", **choice.to_document()}
    with begin(reader, to, selection, layout="bagit", workers=workers, tell=tell) as work:
        records = work.copy_chosen(choice)
        found = find_quarantined(reader, Person.of(user_id, records), work, workers)
        work.copy_rows(iter(found.rows))
        if not work.is_empty:
            work.copy_identity()
            page = Page(
                user_id,
                work.identity,
                tuple(sorted(records, key=lambda record: (record["diploma_id"], record["archived_at"]))),
                tuple(found.notes),
                withheld=found.withheld,
                copies_elsewhere=found.copies_elsewhere,
                unnamed=work.unnamed,
                problems=work.ledger.count("problems"),
            )
            work.finish({PAGE_FILE: render(page, work.file_of).encode("utf-8")})
        done = exported(work, to, choice)
        if found.notes:
            done = replace(done, not_found=())
        return Held(done, len(found.notes), found.withheld, work.unnamed)


def find_quarantined(reader: Reader, person: Person, work: Export, workers: int) -> Quarantined:
    """Return what lies in quarantine for a person; what cannot be told is noted as not exported.

    Raises:
        StoreError: S3 is out of reach.
    """
    found = Quarantined()
    for pair, note in in_parallel(partial(_read_note, reader), _pairs(reader), workers):
        key = pair[-1].key
        if isinstance(note, str):
            work.ledger.note_problem(key, f"{note}; so nobody can tell whose file it is")
            continue
        mine, owner = person.is_theirs(note), read_first_owner(note)
        if mine and (is_anothers(note) or (owner is not None and not person.has(owner[0]))):
            found.withheld += 1
        elif mine:
            found.rows.extend(pair)
            found.notes.append((pair[0].key, note))
        elif note.get("sha256") in person.files:
            found.copies_elsewhere += 1
    return found


def _pairs(reader: Reader) -> Iterator[list[Listed]]:
    """Yield the objects in quarantine that belong together: bytes and note, or one of them alone."""
    pair: list[Listed] = []
    for row in in_order(reader.list(QUARANTINE)):
        if pair and _without_ending(pair[0].key) != _without_ending(row.key):
            yield pair
            pair = []
        pair.append(row)
    if pair:
        yield pair


def _without_ending(key: str) -> str:
    return key.rpartition(".")[0] or key


def _read_note(reader: Reader, pair: list[Listed]) -> tuple[list[Listed], Document | str]:
    notes = [row.key for row in pair if row.key.endswith(".json")]
    if not notes:
        return pair, "there is no note beside it"
    try:
        return pair, twice(lambda: from_json(read_small(reader, notes[0]), "the note of a quarantined file"))
    except StoreError as error:
        if stops_everything(error):
            raise
        return pair, error.what
