"""Any sequence of changes at the source, faults, crashes and runs, against a model written from DESIGN.md alone.

Rule: the machine sees the bucket and the source only from outside; `MACHINE_EXAMPLES=200` searches longer than CI does.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import currently_in_test_context, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)

from diploma_archive.errors import StoreError
from diploma_archive.listing.selection import Scope
from diploma_archive.sandbox import LocalS3, Sandbox
from diploma_archive.sandbox.answer_faults import HtmlLogin, Status
from diploma_archive.sandbox.school_data import School
from diploma_archive.store import s3_client
from diploma_archive.sync.run import Run
from tests.support.archive_model import ArchiveModel, At, Expected, Record
from tests.support.invariants import check_committed, check_counts, check_written_once
from tests.support.odd_pdfs import CATALOG, PAGE_WITH_SQUARE, SQUARE, pdf_of
from tests.support.oracle import certificate_of, revision
from tests.support.s3_proxy import S3Proxy
from tests.support.world import World, new_bucket

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "10"))
FIRST = 12345  # the documented diploma, with which every school begins
NUMBERS = {"blank": (None, "  "), "empty": ("", ""), "odd": ("../ÆØ_1", ".Ø\ud800 7"), "own": ()}
LIKE = st.sampled_from(["own", "serial", "certificate", "both", "person", "participant", "blank", "empty", "odd"])
SCOPES = st.sampled_from(list(Scope))


def unique_pdf(marker: str, *, pages: int = 1) -> bytes:
    """Return a whole PDF whose bytes nobody else has; one without a page is odd."""
    tree = b"<< /Type /Pages /Kids [%s] /Count %d /X (%s) >>" % (b"3 0 R" * pages, pages, marker.encode() * 10)
    return pdf_of(CATALOG, tree, PAGE_WITH_SQUARE, SQUARE)


def say(what: str) -> None:
    """Show what a run did between the steps of a failing sequence."""
    if currently_in_test_context():
        note(what)


class ArchiveMachine(RuleBasedStateMachine):
    """The source is changed by attributes, the program runs for real, and the model says what must come of it."""

    diplomas = Bundle("diplomas")

    def __init__(self, sandbox: Sandbox, s3: LocalS3, proxy: S3Proxy) -> None:
        super().__init__()
        School.__init__(sandbox, participants=1, persons=1, seed=7)
        sandbox.clear_faults()
        proxy.reset()
        self.sandbox, self.proxy = sandbox, proxy
        self.world = World(sandbox, new_bucket(s3), proxy.environment(s3.environment()))
        self.model = ArchiveModel()
        self.source: dict[int, At] = {}
        self.changed: set[int] = set()  # participants that an incremental run must list
        self.kept: dict[str, bytes] = {}  # all evidence that was ever there
        self.now, self.made = datetime(2026, 2, 1, 9), 0  # noqa: DTZ001  as the API's own stamps
        self.last_run: tuple[Scope, tuple[int, ...], bool] = (Scope.FULL, (), False)

    # What happens at the source

    @initialize(target=diplomas, like=st.sampled_from(["certificate", "serial", "person"]))
    def begin(self, like: str) -> Any:
        """A school with the documented diploma and one that has something in common with it."""
        self.changed.add(self.sandbox.diplomas[FIRST].participant_id)
        return multiple(self._watch(FIRST), self.add(FIRST, like))

    @rule(target=diplomas, other=diplomas, like=LIKE)
    def add(self, other: int, like: str) -> int:
        """A new diploma, with something that it shares with another one, or with odd or no numbers."""
        twin = self.sandbox.diplomas[other]
        if like == "participant":
            participant_id = twin.participant_id
        else:
            user_id = twin.user["id"] if like == "person" else None
            stamp = self._tick().isoformat() + "+01:00"
            participant = self.sandbox.add_participant(user_id, created_at=stamp, updated_at=stamp)
            participant_id = participant["id"]
            self.changed.add(participant_id)
        numbers: dict[str, Any] = {}
        if like in ("serial", "both"):
            numbers["serial"] = twin.serial
        if like in ("certificate", "both"):
            numbers["random_certificate_number"] = twin.random_certificate_number
        if NUMBERS.get(like):
            numbers["random_certificate_number"], numbers["serial"] = NUMBERS[like]
        return self._watch(self.sandbox.add_diploma(participant_id, **numbers).id)

    @rule(which=diplomas, what=st.sampled_from(["updated_at", "title", "name", "serial"]), moves=st.booleans())
    def reissue(self, which: int, what: str, moves: bool) -> None:
        """Another state of the diploma; `moves`: its participant's `updated_at` moves too."""
        diploma, stamp = self.sandbox.diplomas[which], self._stamp()
        changes: dict[str, Any] = {
            "updated_at": {},
            "title": {"course": {**diploma.course, "title": f"Title of {stamp}"}},
            "name": {"user": {**diploma.user, "lastname": f"Name of {stamp}"}},
            "serial": {"serial": f"serial/{stamp}"},
        }[what]
        updated_at = stamp if moves or not changes else str(diploma.updated_at)
        self.sandbox.reissue(which, updated_at, **changes)
        self._touch(which, moves)

    @rule(which=diplomas, moves=st.booleans())
    def delete(self, which: int, moves: bool) -> None:
        """Deleted at the source, which goes on listing it."""
        stamp = self._stamp()
        self.sandbox.change(which, {"deleted_at": stamp, **({"updated_at": stamp} if moves else {})})
        self._touch(which, moves)

    @rule(which=diplomas, moves=st.booleans())
    def bring_back(self, which: int, moves: bool) -> None:
        """Not deleted any more, and unchanged but for that."""
        self.sandbox.change(which, {"deleted_at": None})
        self._touch(which, moves)

    @rule(which=diplomas, odd=st.booleans())
    def change_bytes(self, which: int, odd: bool) -> None:
        """The PDF has other bytes from now on; `odd` ones cannot be archived."""
        self._new_bytes(which, odd=odd)

    @rule(which=diplomas, how=st.sampled_from(["broken", "refused"]))
    def fail_next_download(self, which: int, how: str) -> None:
        """The next download gives a login page, or the next link is refused."""
        if not self.source[which].fails:
            self.source[which].fails = how
            self.sandbox.fault("download", HtmlLogin() if how == "broken" else Status(403), id=which, times=1)

    # Runs

    @rule()
    def run_full(self) -> None:
        """A full run."""
        self._run(Scope.FULL)

    @rule()
    def run_incremental(self) -> None:
        """A scheduled run."""
        self._run(Scope.INCREMENTAL)

    @rule(one=diplomas, other=diplomas)
    def run_chosen(self, one: int, other: int) -> None:
        """A backfill of the participants of two diplomas."""
        self._run(Scope.BACKFILL, (one, other))

    @rule(scope=SCOPES, one=diplomas)
    def run_with_force(self, scope: Scope, one: int) -> None:
        """A run that downloads again what is known."""
        self._run(scope, (one,), force=True)

    @rule()
    def rerun(self) -> None:
        """The last run once more."""
        scope, chosen, force = self.last_run
        self._run(scope, chosen, force=force)

    @rule(scope=SCOPES, one=diplomas, at=st.integers(1, 30), after=st.booleans(), force=st.booleans())
    def run_and_crash(self, scope: Scope, one: int, at: int, after: bool, force: bool) -> None:
        """A run that dies before or after its n-th S3 request, if it has so many."""
        self.proxy.die(at, after=after)
        try:
            self._run(scope, (one,), force=force)
        finally:
            self.proxy.revive()

    @rule(which=diplomas, moves=st.booleans())
    def come_and_go(self, which: int, moves: bool) -> None:
        """Archived, withdrawn, archived, brought back, archived: what chance alone seldom puts together."""
        self._run(Scope.FULL)
        self.delete(which, moves)
        self._run(Scope.FULL)
        self.bring_back(which, moves)
        self._run(Scope.INCREMENTAL if moves else Scope.FULL)

    @rule(which=diplomas)
    def force_other_bytes(self, which: int) -> None:
        """Archived, then downloaded again with force after its PDF has got other bytes, twice."""
        self._run(Scope.BACKFILL, (which,))
        self.change_bytes(which, odd=False)
        self._run(Scope.BACKFILL, (which,), force=True)
        self._run(Scope.BACKFILL, (which,), force=True)

    def _check_bucket(self) -> None:
        """Records and PDFs fit, nothing was written twice, and what was committed is there as it was."""
        check_committed(self.world.bucket)
        check_written_once(self.world.bucket)
        evidence = self.world.bucket.evidence()
        for key, body in self.kept.items():
            assert evidence.get(key) == body, f"{key} is gone or changed"
        self.kept = evidence

    def _watch(self, diploma_id: int) -> int:
        self.source[diploma_id] = At({}, "")
        self._new_bytes(diploma_id)
        return diploma_id

    def _new_bytes(self, diploma_id: int, *, odd: bool = False) -> None:
        self.made += 1
        pdf = unique_pdf(f"{diploma_id} {self.made}", pages=0 if odd else 1)
        self.sandbox.diplomas[diploma_id].pdf = pdf
        self.source[diploma_id].sha256 = hashlib.sha256(pdf).hexdigest()
        self.source[diploma_id].is_odd = odd

    def _touch(self, diploma_id: int, moves: bool) -> None:
        if moves:
            participant_id = self.sandbox.diplomas[diploma_id].participant_id
            self.sandbox.touch_participant(participant_id, self._tick().isoformat() + "+01:00")
            self.changed.add(participant_id)

    def _tick(self) -> datetime:
        self.now += timedelta(hours=7)  # some changes lie within the cursor's overlap, some do not
        return self.now

    def _stamp(self) -> str:
        return self._tick().isoformat(sep=" ")

    def _run(self, scope: Scope, chosen: Iterable[int] = (), *, force: bool = False) -> None:
        """Run, and compare everything that came of it with what the model says."""
        self.last_run = (scope, tuple(chosen), force)
        asked = {self.sandbox.diplomas[one].participant_id for one in chosen} if scope is Scope.BACKFILL else None
        expected = {}
        for diploma_id, source in self.source.items():
            source.item = self.sandbox.diplomas[diploma_id].item()
            expected[diploma_id] = self.model.expect(source, force=force)
        downloads, before = self.sandbox.requests["download"], len(self.proxy.requests)
        options: dict[str, Any] = {"participants": " ".join(map(str, asked))} if asked else {}
        try:
            run: Run | None = self.world.run(scope, force=force, **options)
        except StoreError as error:
            say(f"{scope.value} run: {error.diagnostics()}")
            run = None
        # What is left of a crashed run is its threads in this process; a real crash has none.
        for thread in threading.enumerate():
            if thread.name.startswith("s3"):
                thread.join(10)
        assert (run is None) == any(request.status == 0 for request in self.proxy.requests[before:]), "crashed?"
        candidates = {one for one in expected if asked is None or self._participant(one) in asked}
        if run is None:
            self._learn({one: expected[one] for one in candidates}, all_of_it=False)
            self.sandbox.clear_faults()
            for source in self.source.values():
                source.fails = ""
            self.changed = {one for one in self.changed if not self._is_done(one)}
            self._check_bucket()
            return
        say(f"{scope.value} run: {run.tally.sentence()}")
        outcomes = {finding.diploma_id: finding.outcome for finding in self.world.observer.findings}
        assert len(outcomes) == len(self.world.observer.findings), "a diploma has one outcome"
        if scope is Scope.INCREMENTAL:
            must = {one for one in candidates if self._participant(one) in self.changed}
            assert must <= set(outcomes) <= candidates, "an incremental run misses nothing that changed"
        else:
            assert set(outcomes) == candidates
        listed = {one: expected[one] for one in outcomes}
        self._check_outcomes(run, outcomes, listed)
        assert self.sandbox.requests["download"] - downloads == sum(one.downloads for one in listed.values())
        self._learn(listed, all_of_it=True)
        for one, what in listed.items():
            if what.downloads:
                self.source[one].fails = ""
        if scope is not Scope.BACKFILL:
            again = ("failed", "quarantined")
            self.changed = {self._participant(one) for one in listed if listed[one].outcome in again}
        if scope is Scope.FULL and run.tally.is_green:
            self._check_current()
        self._check_bucket()

    def _participant(self, diploma_id: int) -> int:
        return self.sandbox.diplomas[diploma_id].participant_id

    def _is_done(self, participant_id: int) -> bool:
        its = [source for one, source in self.source.items() if self._participant(one) == participant_id]
        return all(self.model.expect(source, force=False).outcome == "unchanged" for source in its)

    def _check_outcomes(self, run: Run, outcomes: dict[int, str], listed: dict[int, Expected]) -> None:
        """Every diploma has the outcome of the model; where several share a number, the first one is no conflict."""
        check_counts(run)
        groups: dict[str, list[int]] = {}
        for one, what in listed.items():
            if what.record is None:
                assert outcomes[one] == what.outcome
            else:
                groups.setdefault(what.record.certificate, []).append(one)
        for certificate, members in groups.items():
            before = self.model.indexed_under(certificate)
            first = [one for one in members if outcomes[one] != "conflict"]
            assert all(outcomes[one] == listed[one].outcome and before <= {one} for one in first)
            assert len(first) == 1 if not before else len(first) <= 1, "the first is no conflict"
            if before and len(before | set(members)) == 1:
                assert first == members
        tally = Counter({name: count for name, count in run.tally.as_counts().items() if name != "listed"})
        assert +tally == Counter(outcomes.values())

    def _learn(self, listed: dict[int, Expected], *, all_of_it: bool) -> None:
        """Compare what is new in the bucket with what may be (after a crash) or must be new, and remember it."""
        evidence = self.world.bucket.evidence()
        new = {key for key in evidence if key not in self.kept}
        wanted: set[str] = set()
        committing = {one: what.record for one, what in listed.items() if what.record is not None}
        for one, record in committing.items():
            wanted |= {record.key, record.index_key}
            if listed[one].downloads:
                source = self.source[one]
                wanted.add(f"diplomas/{record.serial}/{record.certificate}/{source.sha256}.pdf")
        assert new == wanted - set(self.kept) if all_of_it else new <= wanted, "what was written"
        for one, record in committing.items():
            if record.key in evidence:
                document = self.world.bucket.document(record.key)
                self._check_record(document, record)
                if not listed[one].is_adopted:
                    near = {other for other, its in committing.items() if its.certificate == record.certificate}
                    known = self.model.indexed_under(record.certificate)
                    conflict = set(document["conflict"] or ())
                    assert known - {one} <= conflict <= (known | near) - {one}, "conflict"
        for record in committing.values():
            if record.key in evidence:
                self.model.commit(replace(record, indexed=record.index_key in evidence))
        for one, what in listed.items():
            if what.outcome == "quarantined" and all_of_it:
                source = self.source[one]
                kept = self.world.bucket.body(f"quarantine/{certificate_of(source.item)}/{source.sha256}.bin")
                assert kept == self.sandbox.diplomas[one].pdf

    def _check_record(self, document: dict[str, Any], record: Record) -> None:
        found = Record(
            diploma_id=document["diploma_id"],
            revision=document["revision"],
            generation=document["generation"],
            status=document["status"],
            updated_at=document["source"]["updated_at"],
            sha256=document["file"] and document["file"]["sha256"],
            supersedes=document["supersedes"],
            serial=record.serial,
            certificate=record.certificate,
        )
        assert found == replace(record, indexed=True)

    def _check_current(self) -> None:
        """The newest record by the source's `updated_at`, then by `archived_at`, is the state at the source."""
        for one, source in self.source.items():
            records = self.world.bucket.records(one)
            assert len(records) == len(self.model.records[one])
            current = max(records, key=lambda record: (record["source"]["updated_at"], record["archived_at"]))
            status = "withdrawn" if source.item["deleted_at"] else "issued"
            assert (current["revision"], current["status"]) == (revision(source.item), status), f"current of {one}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that plays dead need not be asked again and again."""
    once = {"mode": "standard", "total_max_attempts": 1}
    monkeypatch.setattr(s3_client, "PATIENT", {**s3_client.PATIENT, "retries": once})
    monkeypatch.setattr(s3_client, "FIRST_LOOK", {**s3_client.FIRST_LOOK, "retries": once})


@pytest.fixture
def source(s3: LocalS3, proxy: S3Proxy, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A running FrontCore whose school each machine fills anew; nothing is left in the folder for temporary files."""
    for name, value in proxy.environment(s3.environment()).items():
        monkeypatch.setenv(name, value)
    with Sandbox(participants=1, persons=1, seed=7, requests_per_second=None) as sandbox:
        yield sandbox
    assert list(temporary.iterdir()) == []


@pytest.mark.long
@pytest.mark.usefixtures("impatient")
def test_one_long_sequence(source: Sandbox, s3: LocalS3, proxy: S3Proxy) -> None:
    """The steps that must be in every search, whatever chance does: the same machine, by hand."""
    machine = ArchiveMachine(source, s3, proxy)
    machine.begin("certificate")
    twin, third = FIRST + 1, machine.add(FIRST, "serial")
    machine.run_and_crash(Scope.FULL, FIRST, 12, True, False)
    machine.run_full()
    machine.rerun()
    machine.come_and_go(FIRST, False)
    machine.come_and_go(twin, True)
    machine.force_other_bytes(third)
    machine.reissue(third, "title", True)
    machine.fail_next_download(third, "broken")
    machine.run_incremental()
    machine.add(FIRST, "person")  # its change moves the cursor on; the failed one is in the retry list
    machine.run_incremental()
    machine.fail_next_download(twin, "refused")
    machine.reissue(twin, "name", True)
    machine.run_incremental()
    machine.change_bytes(twin, True)
    machine.run_with_force(Scope.FULL, twin)
    machine.run_full()


@pytest.mark.usefixtures("impatient")
def test_any_sequence_of_changes_faults_crashes_and_runs(source: Sandbox, s3: LocalS3, proxy: S3Proxy) -> None:
    """Nothing lost, nothing overwritten, nothing archived twice, and the counts are those of the design."""
    run_state_machine_as_test(
        partial(ArchiveMachine, source, s3, proxy),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=12,
            derandomize=True,
            database=None,
        ),
    )
