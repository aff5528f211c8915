"""What the archive holds of one person or certificate, in all versions: from LIST, and from what the records say.

Rule: all versions of all records are read, also of those that are gone from sight; what nobody can tell is named.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from diploma_archive.model.keys import CERTIFICATES, DIPLOMAS, QUARANTINE, index_prefix, key_hash, read_index_name
from diploma_archive.model.suppression_mark import Whom
from diploma_archive.protection.erasure_proof import SeenKeys
from diploma_archive.protection.ownership import (
    UNREADABLE,
    Claim,
    FolderView,
    Ownership,
    decide,
    is_nameless,
    read_claim,
)
from diploma_archive.store.parallel import in_parallel
from diploma_archive.store.versions import Eraser, Version

UNKNOWN_NOTE = "is quarantined, and its note does not say whose it is"
COPY = "has the same bytes, archived for another certificate"
_PDF = re.compile(r"([0-9a-f]{64})\.pdf")

Folder = tuple[str, str]  # serial segment, certificate segment


@dataclass
class ObjectsToErase:
    """What is held: the versions that are to go, what stays since it is somebody else's too, what nobody can tell."""

    versions: list[Version] = field(default_factory=list)
    shared: set[str] = field(default_factory=set)
    unclear: dict[str, str] = field(default_factory=dict)
    diplomas: set[int] = field(default_factory=set)
    participants: set[int] = field(default_factory=set)
    other_diplomas: set[int] = field(default_factory=set)
    seen: SeenKeys = field(default_factory=SeenKeys)  # of everybody, so that a LIST that was cut shows

    def take_in(self, later: ObjectsToErase) -> None:
        """Add what another look brought."""
        known = set(self.versions)
        self.versions += [version for version in later.versions if version not in known]
        self.shared |= later.shared
        self.unclear |= later.unclear
        self.diplomas |= later.diplomas
        self.participants |= later.participants
        self.other_diplomas |= later.other_diplomas
        self.seen = later.seen

    @property
    def keys(self) -> frozenset[str]:
        """Return the keys of what is to go."""
        return frozenset(version.key for version in self.versions)

    @property
    def hashes(self) -> frozenset[str]:
        """Return the SHA-256 (hex) of the PDFs that are to go."""
        names = (_PDF.fullmatch(key.rpartition("/")[2]) for key in self.keys)
        return frozenset(found[1] for found in names if found)

    @property
    def surely_theirs(self) -> set[int]:
        """Return the diplomas that were never anybody else's."""
        return self.diplomas - self.other_diplomas


def find_objects_to_erase(eraser: Eraser, whom: Whom, left: frozenset[str], workers: int) -> ObjectsToErase:
    """Return what the archive holds of somebody.

    Args:
        left: hashes of keys that an earlier erasure of the same person or certificate did not get rid of.
        workers: how many objects are read at once.

    Raises:
        StoreError: S3 refused or failed.
    """
    found = ObjectsToErase()
    if whom.user_id is None:
        _add_certificate(found, eraser, str(whom.certificate), left)
    else:
        _add_person(found, eraser, whom.user_id, left, workers)
    _add_quarantined(found, eraser, whom, left, workers)
    _name_copies(found, eraser)
    return found


def _name_copies(found: ObjectsToErase, eraser: Eraser) -> None:
    """Name the files elsewhere with the bytes of one that is to go: by their records they are somebody else's."""
    hashes, known = found.hashes, found.keys | found.shared
    for version in eraser.versions(DIPLOMAS) if hashes else ():
        name = _PDF.fullmatch(version.key.rpartition("/")[2])
        if name and name[1] in hashes and version.key not in known and not version.is_delete_marker:
            found.unclear[version.key] = COPY


def _add_certificate(found: ObjectsToErase, eraser: Eraser, certificate: str, left: frozenset[str]) -> None:
    found.versions += [
        version
        for version in found.seen.noting(eraser.versions(DIPLOMAS))
        if _folder_of(version)[1] == certificate or key_hash(version.key) in left
    ]
    found.versions += [
        version
        for version in found.seen.noting(eraser.versions(CERTIFICATES))
        if version.key.startswith(index_prefix(certificate)) or key_hash(version.key) in left
    ]
    names = (read_index_name(version.key) for version in found.versions if version.key.startswith(CERTIFICATES))
    found.diplomas |= {name.diploma_id for name in names if name is not None}


def _add_person(found: ObjectsToErase, eraser: Eraser, user_id: int, left: frozenset[str], workers: int) -> None:
    record_names: defaultdict[str, set[str]] = defaultdict(set)  # certificate segment -> names of their records
    sole: defaultdict[str, bool] = defaultdict(lambda: True)  # certificate segment -> whether nobody else is there
    look = partial(_look_into, eraser, user_id=user_id)
    for versions, owned in in_parallel(look, _folders(found.seen.noting(eraser.versions(DIPLOMAS))), workers):
        certificate = _folder_of(versions[0])[1]
        mine = [
            version
            for version in versions
            # Of a key with nothing but delete markers no view knows; where the folder is theirs, these go too.
            if version.key in owned.mine
            or key_hash(version.key) in left
            or (owned.is_sole and version.is_delete_marker)
        ]
        found.versions += mine
        found.shared |= owned.shared
        found.unclear |= {key: why for key, why in owned.unclear.items() if key_hash(key) not in left}
        found.diplomas |= owned.diplomas
        found.participants |= owned.participants
        found.other_diplomas |= owned.other_diplomas
        record_names[certificate] |= {version.key.rpartition("/")[2] for version in mine}
        sole[certificate] &= owned.is_sole
    surely_theirs = found.surely_theirs
    for version in found.seen.noting(eraser.versions(CERTIFICATES)):
        certificate, name = _certificate_of(version), read_index_name(version.key)
        if name is None:
            is_theirs = bool(record_names.get(certificate)) and sole[certificate]
        else:
            is_theirs = name.diploma_id in surely_theirs or _record_name(version) in record_names.get(certificate, ())
        if is_theirs or key_hash(version.key) in left:
            found.versions.append(version)


def _look_into(eraser: Eraser, versions: list[Version], user_id: int) -> tuple[list[Version], Ownership]:
    """Read the JSON objects of a folder, in all their versions, and decide whose everything there is."""
    claims: defaultdict[str, list[Claim | None]] = defaultdict(list)
    others: list[str] = []
    for version in versions:
        if version.is_delete_marker:
            continue
        if version.key.endswith(".json"):
            claims[version.key].append(read_claim(eraser.read_version(version)))
        elif version.key not in others:
            others.append(version.key)
    view = FolderView(dict(claims), others)
    if any(is_nameless(said) for said in claims.values()):
        index: defaultdict[str, set[int]] = defaultdict(set)
        for entry in eraser.versions(index_prefix(_folder_of(versions[0])[1])):
            name = read_index_name(entry.key)
            if name is not None:
                index[_record_name(entry)].add(name.diploma_id)
        view.index = {name: frozenset(ids) for name, ids in index.items()}
    return versions, decide(view, user_id)


def _add_quarantined(found: ObjectsToErase, eraser: Eraser, whom: Whom, left: frozenset[str], workers: int) -> None:
    """Add bytes with their note; bytes of an erased file that lie in quarantine under any certificate go too."""
    quarantined = found.seen.noting(eraser.versions(QUARANTINE))
    pairs = (list(group) for _, group in groupby(quarantined, key=lambda each: _stem(each.key)))
    hashes = found.hashes

    def whose(pair: list[Version]) -> tuple[list[Version], bool | None, str]:
        if _certificate_of(pair[0]) == whom.certificate or any(key_hash(each.key) in left for each in pair):
            return pair, True, ""
        if _stem(pair[0].key).rpartition("/")[2] in hashes:
            return pair, True, ""
        if whom.user_id is None or all(each.is_delete_marker for each in pair):
            return pair, False, ""
        notes = [each for each in pair if each.key.endswith(".json") and not each.is_delete_marker]
        claims = [read_claim(eraser.read_version(note)) for note in notes]
        said = [claim for claim in claims if claim is not None]
        if any(_is_claimed(claim, found, whom.user_id) for claim in said):
            return pair, True, ""
        known = any(claim.user_id is not None or claim.diploma_id in found.other_diplomas for claim in said)
        return pair, False if known else None, UNKNOWN_NOTE if said else UNREADABLE

    for pair, is_theirs, why in in_parallel(whose, pairs, workers):
        if is_theirs:
            found.versions += pair
        elif is_theirs is None:
            found.unclear |= {each.key: why for each in pair}


def _is_claimed(claim: Claim, found: ObjectsToErase, user_id: int) -> bool:
    if claim.user_id is not None:
        return claim.user_id == user_id
    # Notes of older versions of this program do not name the person.
    return claim.diploma_id in found.surely_theirs or claim.participant_id in found.participants


def _folders(versions: Iterable[Version]) -> Iterator[list[Version]]:
    """Yield the versions of each certificate folder; what lies in no such folder is nobody's."""
    for folder, group in groupby(versions, key=_folder_of):
        if folder != ("", ""):
            yield list(group)


def _folder_of(version: Version) -> Folder:
    parts = version.key.split("/")
    return (parts[1], parts[2]) if len(parts) > 3 else ("", "")


def _certificate_of(version: Version) -> str:
    parts = version.key.split("/")
    return parts[1] if len(parts) > 2 else ""


def _record_name(entry: Version) -> str:
    """Return the name of the record that an index entry is about: its own, without the diploma id in front."""
    return entry.key.rpartition("/")[2].partition(".")[2]


def _stem(key: str) -> str:
    return key.removesuffix(".bin").removesuffix(".json")
