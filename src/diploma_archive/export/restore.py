"""Brings an export back into an empty bucket or prefix: the same keys, the same bytes.

Rules: nothing is written before the whole export was found to be what it says; every write is create-only, in the order
of DESIGN.md section 6; what lies in the target already is never overwritten, and what differs is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from pydantic import SecretStr

from diploma_archive.errors import DiplomaArchiveError, Kind, SettingsError, StoreError
from diploma_archive.export.bag_reader import BagReader
from diploma_archive.export.export_folder import plain_disk_errors
from diploma_archive.export.export_ledger import Copy
from diploma_archive.export.export_on_disk import Source
from diploma_archive.export.failure_limit import FailureLimit
from diploma_archive.export.left_out import LeftOut
from diploma_archive.model import keys
from diploma_archive.model.json_document import from_json, readable_or_empty
from diploma_archive.model.key_kinds import kind_of
from diploma_archive.model.payload import Payload
from diploma_archive.model.plain_text import without_controls
from diploma_archive.store.listing import in_order
from diploma_archive.store.parallel import in_parallel
from diploma_archive.store.reader import Reader
from diploma_archive.store.store import BINARY_TYPE, JSON_TYPE, PDF_TYPE, Created, Store

_EVIDENCE = (keys.DIPLOMAS, keys.QUARANTINE, keys.RUNS, keys.ERASURES)
MAX_NAMED = 10_000  # keys that are kept in memory and in `--json`

_STAGES: tuple[Callable[[str], bool], ...] = (
    lambda key: key.startswith((keys.DIPLOMAS, keys.QUARANTINE)) and not key.endswith(".json"),
    lambda key: key.startswith((keys.DIPLOMAS, keys.QUARANTINE)) and key.endswith(".json"),
    lambda key: key.startswith(keys.CERTIFICATES),
    lambda key: not key.startswith((keys.DIPLOMAS, keys.QUARANTINE, keys.CERTIFICATES, keys.RUNS)),
)
"""PDFs, then records, then their index entries, then the rest; the run reports come last, one after the other."""


@dataclass
class Restored:
    """What a restore did; sizes in bytes."""

    created: int = 0
    already_there: int = 0
    bytes: int = 0
    differing: int = 0  # the target holds other bytes under their keys
    failed: int = 0
    named: list[tuple[str, str]] = field(default_factory=list)  # what differs or failed, as key and reason
    not_in_the_export: int = 0  # objects that the export could not read from the archive
    is_part: bool = False  # the export holds chosen diplomas, not the whole archive
    suppressed: int = 0  # diplomas of persons who were erased; they stay out
    altered: list[tuple[str, str]] = field(default_factory=list)  # of the export, as key and reason
    further: int = 0  # objects of this archive that the target holds beside those of the export

    @property
    def objects(self) -> int:
        """Return how many objects are done."""
        return self.created + self.already_there + self.not_restored

    @property
    def not_restored(self) -> int:
        """Return how many objects of the export the target does not hold as they are in the export."""
        return self.differing + self.failed

    def add(self, copy: Copy, outcome: Created | str) -> None:
        """Count one object."""
        match outcome:
            case Created.NEW:
                self.created += 1
                self.bytes += copy.size
            case Created.SAME:
                self.already_there += 1
            case Created.OTHER:
                self.differing += 1
                self._name(copy.key, "other bytes lie under this key; they were left alone")
            case str():
                self.failed += 1
                self._name(copy.key, outcome)

    def _name(self, key: str, reason: str) -> None:
        if len(self.named) < MAX_NAMED:
            self.named.append((key, reason))

    @property
    def is_complete(self) -> bool:
        """Return whether the target now holds the whole export, and the export all that it was to hold."""
        return not (self.not_restored or self.not_in_the_export or self.altered)


def restore(
    source: Path,
    store: Store,
    *,
    prefix: str,
    check: Callable[[Reader, bool], list[tuple[str, str]]],
    accept_altered: bool = False,
    account: str | None = None,
    suppression_key: SecretStr | None = None,
    given_receipts: Mapping[str, bytes] = MappingProxyType({}),
    workers: int,
    tell: Callable[[int], None],
) -> Restored:
    """Bring an export into a bucket; what is there already with the same bytes is left as it is.

    Args:
        store: the target: empty below its prefix, or this archive, such as half restored from the same export.
        prefix: of the target, for the length of its keys.
        check: is given the export as an archive, and whether it is a part of one, and returns what of it is not what
            its keys, records and reports say, as key and reason.
        accept_altered: restore that too, where there is nothing better.
        account: whose archive the export must be, or None where that is not known.
        given_receipts: of erasures that neither target nor export knows, by the key that they get in the target.
        suppression_key: needed where target or export have marks of persons who were erased.
        tell: is told how many objects are done.

    Raises:
        SettingsError: the folder is no export, or that of another account.
        StoreError: the target holds another archive, other things or other bytes, nobody can tell who must not come
            back, or S3 is out of reach.
        DiplomaArchiveError: the export was altered or is not complete; nothing was written then.
    """
    with plain_disk_errors(source):
        export = Source(source)
        export.check_objects(prefix)
        done = Restored(
            not_in_the_export=int(export.purpose.get("problems") or 0),
            is_part=export.purpose.get("everything") is not True,
        )
        _check_account(export.identity, account)
        with closing(BagReader(export)) as reader:
            done.altered = check(reader, done.is_part)
        if done.altered and not accept_altered:
            raise _not_what_was_archived(done.altered)
        _look_at(store, export, done, workers)
        documents = [from_json(body, "a receipt") for body in given_receipts.values()]
        left_out = LeftOut(export, store, suppression_key, documents)
        done.suppressed = left_out.diplomas
        _claim(store, export.identity, done)
        for key, body in given_receipts.items():
            store.create(key, Payload.of(body), JSON_TYPE, look_first=True)

        failure_limit = FailureLimit()

        def put(copy: Copy) -> tuple[Copy, Created | str]:
            return copy, _put(store, export, copy, failure_limit)

        for stage in _STAGES:
            wanted = (copy for copy in export.objects() if copy.key not in left_out)
            chosen = (copy for copy in wanted if copy.key != keys.IDENTITY_KEY and stage(copy.key))
            for outcome in in_parallel(put, chosen, workers):
                done.add(*outcome)
                tell(done.objects)
        for copy in _reports_by_time(export):
            done.add(*put(copy))
            tell(done.objects)
        return done


def _not_what_was_archived(altered: list[tuple[str, str]]) -> DiplomaArchiveError:
    key, reason = altered[0]
    more = f" ({len(altered) - 1} more)" if len(altered) > 1 else ""
    return DiplomaArchiveError(
        f"the export is not what was archived: {without_controls(key)}: {reason}{more}",
        fix="Run diploma-archive verify where it was exported from, and export again; if that is lost, "
        "--accept-altered restores it as it is",
        kind=Kind.FATAL,
    )


def _check_account(identity: bytes, account: str | None) -> None:
    whose = readable_or_empty(identity).get("account")
    if account is not None and whose != account:
        raise SettingsError(
            f"the export is the archive of the account {whose}, and FRONTCORE_ACCOUNT is {account}",
            fix="Set FRONTCORE_ACCOUNT to the account of the export, or leave it out",
        )


def _look_at(store: Store, export: Source, done: Restored, workers: int) -> None:
    """See that an archive in the target has nothing that is nobody's, and no other evidence than the export.

    Raises:
        StoreError: it has; fatal, before anything is written.
    """
    if store.get(keys.IDENTITY_KEY) is None:
        return  # `_claim` asks whether the place is empty
    ours, strangers, shared = _Merge(export), 0, list[Copy]()
    for row in in_order(store.list("")):
        copy = ours.find(row.key)
        if copy is not None:
            shared += [copy] if copy.key.startswith(_EVIDENCE) else []
        elif kind_of(row.key) is None and row.key:
            strangers += 1
        elif not row.key.startswith(keys.NO_PART):
            done.further += 1

    def differs(copy: Copy) -> bool:
        with export.body(copy) as payload:
            return store.compare(copy.key, payload) is Created.OTHER

    others = sum(in_parallel(differs, shared, workers))
    if strangers or others:
        what = (
            f"{strangers} objects that are no part of an archive" if strangers else f"{others} objects with other bytes"
        )
        raise StoreError(
            f"the target holds {what}",
            fix="Set ARCHIVE_BUCKET or ARCHIVE_PREFIX to an empty place; diploma-archive verify names what is wrong",
            kind=Kind.FATAL,
        )


class _Merge:
    """The objects of an export beside those of a LIST; both come in the order of their keys."""

    def __init__(self, export: Source) -> None:
        self._copies = export.objects()
        self._next = next(self._copies, None)

    def find(self, key: str) -> Copy | None:
        """Return the object of this key, or None; keys are asked for in their order."""
        while self._next is not None and self._next.key < key:
            self._next = next(self._copies, None)
        return self._next if self._next is not None and self._next.key == key else None


def _claim(store: Store, identity: bytes, done: Restored) -> None:
    """Write `archive.json` into an empty target, or see that the one there is this archive's.

    Raises:
        StoreError: the target holds another archive, or other things; fatal.
    """
    stored = store.get(keys.IDENTITY_KEY)
    if stored is None:
        if any(not row.key.startswith(keys.NO_PART) for row in store.list("", at_most=50)):
            raise StoreError(
                "the target is not empty, and what is in it is no archive",
                fix="Set ARCHIVE_BUCKET or ARCHIVE_PREFIX to an empty place",
                kind=Kind.FATAL,
            )
        store.create(keys.IDENTITY_KEY, Payload.of(identity), JSON_TYPE, look_first=True)
        stored = store.get(keys.IDENTITY_KEY)
        done.created += 1
        done.bytes += len(identity)
    else:
        done.already_there += 1
    if stored is None or stored.body != identity:
        raise StoreError(
            "the target holds another archive than the export",
            fix="Set ARCHIVE_BUCKET or ARCHIVE_PREFIX to an empty place, or to where this export was being restored",
            kind=Kind.FATAL,
        )


def _put(store: Store, export: Source, copy: Copy, failure_limit: FailureLimit) -> Created | str:
    """Return what became of an object, or why it could not be stored.

    Raises:
        StoreError: S3 is out of reach, or does not let us write.
        DiplomaArchiveError: the export was changed since it was checked; fatal.
    """
    content_type = {".pdf": PDF_TYPE, ".json": JSON_TYPE}.get(copy.key[copy.key.rfind(".") :], BINARY_TYPE)
    with export.body(copy) as payload:
        try:
            # Looking first makes it safe on servers that ignore conditions, and spares what is there a second upload.
            created = store.create(copy.key, payload, content_type, look_first=True)
        except StoreError as error:
            if error.kind is Kind.FATAL:
                raise
            failure_limit.failed(error)
            return error.what
        failure_limit.succeeded()
        return created


def _reports_by_time(export: Source) -> list[Copy]:
    """Return the run reports in the order in which they were stored once.

    The next run looks for the end of the chain among the reports that were stored last: so they are stored one after
    the other, in that order.
    """
    reports = [copy for copy in export.objects() if copy.key.startswith(keys.RUNS)]
    return sorted(reports, key=lambda copy: (copy.modified or "", copy.key))
