"""Is everything in the bucket what it was? Lists the archive, reads the chain, checks certificate by certificate.

Rule: nothing is written, memory stays flat, and what is called a finding was read twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from diploma_archive.errors import Kind, SettingsError, StoreError
from diploma_archive.evidence.certificate_check import examine
from diploma_archive.evidence.certificate_check_result import Examined, Rules
from diploma_archive.evidence.certificate_objects import CertificateObjects, listed_again, segment_of
from diploma_archive.evidence.findings import Finding, FindingClass, Note
from diploma_archive.evidence.ledger import Ledger
from diploma_archive.evidence.report_chain import Chain, keeps_checksums, read_chain
from diploma_archive.model import keys
from diploma_archive.store.parallel import in_parallel
from diploma_archive.store.reader import Reader
from diploma_archive.verify.held_against_reports import Witness
from diploma_archive.verify.housekeeping_objects import OtherObjects
from diploma_archive.verify.sampling import EVERYTHING, Choice
from diploma_archive.verify.seals_check import Trust, check_seals

Progress = Callable[[int, int], None]
"""Is told how many objects are checked, and how many there are."""

FAILURES_IN_A_ROW = 50  # after so many certificates that could not be checked S3 is down, and no finding would help
KEYS_IN_A_NOTE = 20

FIGURES = (
    "objects",  # that LIST showed, of what was chosen
    "certificates",
    "records",  # that are good
    "files",
    "bytes",  # that were read
    "proven",  # files whose checksum at S3 is the one that their name says; their bytes were not read
    "not_proven",  # files of which S3 has no checksum to show; their bytes were not read
    "not_recomputed",  # records whose fingerprint needs fields that were left out of them
    "erased",  # records that reports name and a receipt says were erased
    "reports",
)


@dataclass(frozen=True)
class Order:
    """What is to be verified, and how."""

    choice: Choice = EVERYTHING
    full: bool = False
    chain: bool = True
    omitted: tuple[str, ...] = ()
    threads: int = 8
    root: str | None = None  # the archive's prefix in the bucket, where it is known
    suppression_key: SecretStr | None = None
    trust: Trust = field(default_factory=Trust)


@dataclass
class Verification:
    """What a check saw and found."""

    order: Order
    findings: list[Finding] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    chain: Chain | None = None
    identity_sha256: str = ""  # of `archive.json` (hex)

    @property
    def heads(self) -> list[dict[str, str]]:
        """Return the reports that nobody names yet: with their hashes the whole chain is fixed."""
        return [] if self.chain is None else [{"key": one.key, "sha256": one.sha256} for one in self.chain.heads]

    @property
    def chain_holds(self) -> bool:
        """Return whether the chain was read and nothing is wrong with it."""
        wrong = {FindingClass.MISSING_REPORT, FindingClass.ALTERED_REPORT}
        unread = any(finding.key.startswith(keys.RUNS) for finding in self.findings)
        return self.chain is not None and not unread and not any(one.kind in wrong for one in self.findings)

    def add(self, findings: Iterable[Finding]) -> None:
        """Add findings, without those about a key that has one of the same class."""
        known = {(finding.kind, finding.key) for finding in self.findings}
        self.findings = sorted([*self.findings, *(one for one in findings if (one.kind, one.key) not in known)])

    def note(self, note: Note) -> None:
        """Add a note."""
        self.notes = sorted([*self.notes, note])

    @property
    def figures(self) -> dict[str, int]:
        """Return how much was checked, in numbers."""
        return {name: self.checked[name] for name in FIGURES}

    def to_dict(self) -> dict[str, Any]:
        """Return everything as `--json` shows it."""
        return {
            "checked": {"mode": "full" if self.order.full else "quick", **self.order.choice.to_dict(), **self.figures},
            "findings": [finding.to_dict() for finding in self.findings],
            "notes": [note.to_dict() for note in self.notes],
            "counts": dict(sorted(Counter(finding.kind.value for finding in self.findings).items())),
            "heads": self.heads,
        }


def verify(reader: Reader, order: Order, progress: Progress = lambda done, total: None) -> Verification:
    """Check the archive and return what was found.

    Raises:
        SettingsError: what was chosen has no object.
        StoreError: S3 failed altogether.
    """
    with closing(Ledger()) as ledger:
        return _Verifier(reader, order, ledger, progress).carry_out()


class _Verifier:
    def __init__(self, reader: Reader, order: Order, ledger: Ledger, progress: Progress) -> None:
        self._reader = reader
        self._order = order
        self._ledger = ledger
        self._progress = progress
        self._result = Verification(order)
        self._findings: set[Finding] = set()
        self._notes: set[Note] = set()
        self._rules = Rules(order.full, order.omitted, datetime.now(UTC), order.chain)
        self._server_keeps_checksums = False
        self._others = OtherObjects(reader, order.choice, self._rules.since)

    def carry_out(self) -> Verification:
        self._list()
        if self._order.chain:
            self._read_chain()
        held = self._check_units()
        self._check_unproven(held)
        self._check_suspects()
        self._findings |= self._others.findings() | set(self._same_files())
        self._note_unreported()
        result = self._result
        known = result.checked["objects"] or result.checked["erased"] or self._findings
        if self._order.choice.is_named and not known:
            raise SettingsError(
                "nothing lies in the archive under what you chose",
                fix="Check its spelling; verify --chain says whether a diploma was there once",
            )
        result.findings, result.notes = sorted(self._findings), sorted(self._notes)
        return result

    def _list(self) -> None:
        for row in self._reader.list(""):
            segment = segment_of(row.key)
            if segment is None:
                self._others.add(row)
            else:
                self._ledger.add_object(segment, row)
        self._result.checked["objects"] = self._others.checked

    def _read_chain(self) -> None:
        chain = self._result.chain = read_chain(self._reader, self._others.reports, self._ledger.add_claim)
        self._ledger.distrust(chain.altered)
        for receipt in self._others.receipts():
            self._ledger.add_erased(receipt)
        witness = Witness(self._reader, chain, self._others, self._rules.since)
        self._result.identity_sha256 = witness.identity_sha256
        if self._order.choice.is_everything:
            self._findings |= witness.findings(self._order.suppression_key)
            self._notes |= set(witness.notes(self._order.root))
            seals = check_seals(
                self._reader,
                [row for row in self._others.seals if row.modified <= self._rules.since],
                chain,
                witness.identity_sha256,
                self._order.trust,
                self._rules.since,
                self._order.threads,
            )
            self._findings |= seals.findings - set(chain.findings)
            self._notes |= set(seals.notes)
        self._findings |= set(chain.findings)
        if not chain.reports and not chain.findings and self._ledger.objects():
            why = "there are diplomas and not a single run report, although every run writes one"
            self._findings.add(Finding(FindingClass.MISSING_REPORT, keys.RUNS, why))
        self._result.checked["reports"] = len(chain.reports)

    def _check_units(self) -> Counter[str]:
        """Check all that was chosen; return the counts of those certificates whose files could not all be proven."""
        total, done, failed = self._ledger.objects(), 0, 0
        held: Counter[str] = Counter()
        chosen = (unit for unit in self._ledger.units() if self._order.choice.covers(unit))
        for found in self._examined(chosen, self._rules):
            self._result.checked["certificates"] += 1
            self._result.checked["objects"] += len(found.unit.rows)
            done += len(found.unit.rows)
            self._progress(done, total)
            could_not = next((one for one in found.findings if one.kind is FindingClass.COULD_NOT_CHECK), None)
            failed = failed + 1 if could_not else 0
            if could_not and failed >= FAILURES_IN_A_ROW:
                raise StoreError(could_not.detail, fix="Run verify again once S3 works", kind=Kind.FATAL)
            self._server_keeps_checksums |= bool(found.counts["proven"])
            if found.findings:
                self._ledger.add_suspect(found.unit.certificate)
                continue
            if found.counts["not_proven"]:
                self._ledger.add_unproven(found.unit.certificate)
                held += found.counts
            else:
                self._result.checked += found.counts
            self._accept(found)
        return held

    def _check_unproven(self, held: Counter[str]) -> None:
        """Read files of which S3 has no checksum, if it keeps checksums: they were not put there by this program.

        Where it keeps none, quick only counts them, unless it is about one certificate.
        """
        if not (self._server_keeps_checksums or keeps_checksums(self._reader) or self._order.choice.certificates):
            self._result.checked += held
            return
        for found in self._examined(self._ledger.unproven(), self._thorough):
            if found.findings:
                self._ledger.add_suspect(found.unit.certificate)
            else:
                self._result.checked += found.counts

    def _check_suspects(self) -> None:
        """Read once more what does not fit, every byte of it: it counts only if it still does not fit."""
        for found in self._examined(self._ledger.suspects(), self._thorough, again=True):
            self._result.checked += found.counts
            self._accept(found)
            self._findings |= found.findings

    def _accept(self, found: Examined) -> None:
        self._notes |= set(found.notes)
        for sha256, diploma_id, key in found.named_files:
            self._ledger.add_named_file(sha256, found.unit.certificate, diploma_id, key)
        for key, run_id in found.unreported.items():
            self._ledger.add_unreported(key, run_id)

    @property
    def _thorough(self) -> Rules:
        return replace(self._rules, full=True)

    def _examined(
        self, units: Iterator[CertificateObjects], rules: Rules, *, again: bool = False
    ) -> Iterator[Examined]:
        def work(unit: CertificateObjects) -> Examined:
            return examine(self._reader, listed_again(self._reader, unit) if again else unit, rules)

        return in_parallel(work, units, self._order.threads)

    def _same_files(self) -> Iterator[Finding]:
        for first, *others in self._ledger.shared_files():
            detail = f"{', '.join(others[:KEYS_IN_A_NOTE])} has the same bytes"
            yield Finding(FindingClass.SAME_FILE_TWICE, first, detail)

    def _note_unreported(self) -> None:
        for run_id, count, key in self._ledger.unreported():
            text = (
                f"no run report names {count} records of run {run_id}, this one first; a run that was killed leaves "
                "this behind until the next full pass; if none was killed, a run report was deleted"
            )
            self._notes.add(Note("unreported", key, text))
