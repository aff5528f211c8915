"""Walks the chain of run reports: each names the reports before it with their SHA-256 (DESIGN.md section 5).

Rule: a report is believed about others only if nobody who is believed says that it was changed itself.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, BinaryIO, cast

from diploma_archive.errors import Kind, ObjectMissingError, ObjectRefusedError, StoreError
from diploma_archive.evidence.certificate_objects import Claim
from diploma_archive.evidence.findings import Finding, FindingClass
from diploma_archive.evidence.report_check import ReportContent, read_report, run_id_of
from diploma_archive.model.commitments import Commitments
from diploma_archive.model.json_document import from_json
from diploma_archive.model.keys import CURSOR_KEY, CURSORS, IDENTITY_KEY, RUNS, cursor_run_id
from diploma_archive.store.objects import Head
from diploma_archive.store.reader import Reader

SPOOL_BYTES = 1_000_000


@dataclass
class Chain:
    """The reports that are there, the heads (which nobody names yet), and what is wrong."""

    reports: dict[str, ReportContent] = field(default_factory=dict)
    heads: list[ReportContent] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def altered(self) -> set[str]:
        """Return the reports that are not what was written."""
        return {finding.key for finding in self.findings if finding.kind is FindingClass.ALTERED_REPORT}

    @property
    def commitments(self) -> dict[str, Commitments]:
        """Return what the reports that are believed say of the rest of the archive, in the order of their keys."""
        said = {key: self.reports[key].commitments for key in sorted(self.reports.keys() - self.altered)}
        return {key: each for key, each in said.items() if each is not None}


@dataclass
class _Told:
    """Who is told each record that a report names, and the sets of hashes that reports share: most say the same."""

    claimed: Callable[[Claim], None]
    _sets: dict[frozenset[Any], frozenset[Any]] = field(default_factory=dict)
    _texts: dict[Any, Any] = field(default_factory=dict)

    def share(self, names: frozenset[Any]) -> frozenset[Any]:
        """Return an equal set that is there already, or else this one, of texts that are there already."""
        if names not in self._sets:
            known = frozenset(self._texts.setdefault(name, name) for name in names)
            self._sets[known] = known
        return self._sets[names]


def read_chain(reader: Reader, keys: Iterable[str], claimed: Callable[[Claim], None]) -> Chain:
    """Return the chain of these reports; what it calls wrong it has read twice.

    Args:
        claimed: is told each record that a report names.

    Raises:
        StoreError: S3 failed altogether.
    """
    reports: dict[str, ReportContent] = {}
    failed: dict[str, Finding] = {}
    told = _Told(claimed)
    for key in keys:
        _add(reader, key, reports, failed, told)
    # A listing is no moment in time, and bytes may change on the way: look at what is wrong once more.
    for key in sorted({finding.key for finding in judge_chain(reports)} | failed.keys()):
        _add(reader, key, reports, failed, told)
    findings = [one for one in judge_chain(reports) if one.key not in failed]
    chain = Chain(reports, _heads(reports), sorted([*findings, *failed.values()]))
    chain.findings += [*_foreign_heads(reader, chain), *_cursor_findings(reader, chain)]
    return chain


def judge_chain(reports: Mapping[str, ReportContent]) -> Iterator[Finding]:
    """Yield what is wrong with the reports, decided from what they say of themselves and of each other: pure."""
    namers: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for report in reports.values():
        for key, sha256 in report.previous:
            namers[key].append((report.key, sha256))
    altered: dict[str, str] = {key: facts.problem for key, facts in reports.items() if facts.problem}
    for key in _namers_first(reports, namers):
        believed = [(namer, sha256) for namer, sha256 in namers[key] if namer not in altered]
        wrong = [namer for namer, sha256 in believed if sha256 != reports[key].sha256]
        if wrong and len(wrong) < len(believed):
            altered.update((namer, f"it names {key} with a hash that others do not confirm") for namer in wrong)
        elif wrong:
            altered.setdefault(key, f"it has another hash than {wrong[0]} says")
    for key, why in altered.items():
        yield Finding(FindingClass.ALTERED_REPORT, key, why)
    for key in namers.keys() - reports.keys():
        # What lies elsewhere, or is named by changed reports alone, need never have been there.
        if run_id_of(key) and any(namer not in altered or reports[namer].problem for namer, _ in namers[key]):
            yield Finding(FindingClass.MISSING_REPORT, key, f"{min(namer for namer, _ in namers[key])} names it")


def _namers_first(reports: Mapping[str, ReportContent], namers: Mapping[str, list[tuple[str, str]]]) -> Iterable[str]:
    graph = {key: {namer for namer, _ in namers.get(key, ())} for key in sorted(reports)}
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError:  # only a forged report names one that was written after it
        return sorted(reports, reverse=True)


def _heads(reports: Mapping[str, ReportContent]) -> list[ReportContent]:
    named = {key for report in reports.values() for key, _ in report.previous}
    return [reports[key] for key in sorted(reports) if key not in named]


def _add(
    reader: Reader,
    key: str,
    reports: dict[str, ReportContent],
    failed: dict[str, Finding],
    told: _Told,
) -> None:
    failed.pop(key, None)
    try:
        with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
            file = cast("BinaryIO", spool)
            payload = reader.read_into(key, file)
            file.seek(0)
            reports[key] = read_report(key, payload.sha256, file, told.claimed, told.share)
    except ObjectMissingError:
        reports.pop(key, None)
    except ObjectRefusedError as error:
        failed[key] = Finding(FindingClass.UNREADABLE, key, error.what)
    except StoreError as error:
        if error.kind is Kind.FATAL:
            raise
        failed[key] = Finding(FindingClass.COULD_NOT_CHECK, key, error.what)


def keeps_checksums(reader: Reader) -> bool:
    """Return whether S3 has the SHA-256 of `archive.json`, and so of everything that this program wrote."""
    identity = _head(reader, IDENTITY_KEY)
    return identity is not None and identity.sha256 is not None


def _foreign_heads(reader: Reader, chain: Chain) -> Iterator[Finding]:
    """Yield the reports that no other one vouches for and that another program has written.

    This program sends a SHA-256 with everything; most tools that could edit a report send none.
    """
    if not keeps_checksums(reader):
        return
    known = {finding.key for finding in chain.findings}
    for report in chain.heads:
        head = None if report.key in known else _head(reader, report.key)
        if head is not None and head.sha256 != report.sha256:
            why = "S3 does not have the checksum that it was sent with"
            yield Finding(FindingClass.ALTERED_REPORT, report.key, why)


def _head(reader: Reader, key: str) -> Head | None:
    """Return what S3 says of an object, or None where it says nothing now."""
    try:
        return reader.head(key)
    except StoreError as error:
        if error.kind is Kind.FATAL and not isinstance(error, ObjectRefusedError):
            raise
        return None


def _cursor_findings(reader: Reader, chain: Chain) -> list[Finding]:
    """Return what the cursors show: a run that moved the cursor wrote its report before that."""
    movers = {row.key: cursor_run_id(row.key) for row in reader.list(CURSORS)} | {CURSOR_KEY: _earlier_mover(reader)}
    known = {run_id_of(key) for key in (*chain.reports, *(finding.key for finding in chain.findings))}
    missing = {key: run_id for key, run_id in movers.items() if run_id and run_id not in known}
    if missing:  # what was written since the archive was listed is there by now
        known |= {run_id_of(row.key) for row in reader.list(RUNS)}
    return [
        Finding(FindingClass.MISSING_REPORT, key, f"the run {run_id} moved the cursor and has no report")
        for key, run_id in missing.items()
        if run_id not in known
    ]


def _earlier_mover(reader: Reader) -> str | None:
    """Return the run that moved the cursor of earlier versions last; None too where it cannot be read."""
    try:
        stored = reader.get(CURSOR_KEY)
        run_id = from_json(stored.body, CURSOR_KEY).get("run_id") if stored else None
    except StoreError as error:
        if error.kind is Kind.FATAL and not isinstance(error, ObjectRefusedError):
            raise
        return None  # the walk names the cursor where it is damaged
    return run_id if isinstance(run_id, str) else None
