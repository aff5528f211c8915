"""Statements on run reports, their signatures and time stamps: do they fit each other and the chain, and how old are
they?

Rule: what nobody can check (no public key, no certificates) is never called checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from diploma_archive.evidence.chain_signature import signing_key_of
from diploma_archive.evidence.findings import Finding, FindingClass, Note
from diploma_archive.evidence.kept_heads import compare_heads
from diploma_archive.evidence.object_reading import Text, read_text
from diploma_archive.evidence.report_chain import Chain
from diploma_archive.evidence.seals import Statement, is_signed, read_statement
from diploma_archive.evidence.time_stamps import Authorities, stamped_at
from diploma_archive.model.keys import SEALS, sealed_report
from diploma_archive.settings.archive import ArchiveSettings
from diploma_archive.store.objects import Listed
from diploma_archive.store.parallel import in_parallel
from diploma_archive.store.reader import Reader

_KINDS = (".json", ".sig", ".tsr")


@dataclass(frozen=True)
class Trust:
    """By what seals are checked; None: nobody can."""

    public_key: Ed25519PublicKey | None = None
    authorities: Authorities | None = None
    not_older_than: timedelta | None = None

    @classmethod
    def of(cls, where: ArchiveSettings) -> Trust:
        """Return what the settings of an archive name: the half of its own key, and the certificates.

        Raises:
            SettingsError: a file cannot be read, or holds none.
        """
        own, certificates = where.signing_key, where.timestamp_certificates
        return cls(
            signing_key_of(own.get_secret_value()).public_key() if own else None,
            Authorities.of(certificates) if certificates else None,
        )


@dataclass
class SealCheck:
    """What the seals of an archive turned out to be.

    Attributes:
        newest: the moment of the newest seal that was checked, or, where none could be, that claims to be.
    """

    findings: set[Finding] = field(default_factory=set)
    notes: list[Note] = field(default_factory=list)
    newest: datetime | None = None


def check_seals(
    reader: Reader, rows: list[Listed], chain: Chain, archive: str, trust: Trust, now: datetime, threads: int
) -> SealCheck:
    """Check the seals of an archive.

    Args:
        rows: of LIST, below `seals/`.
        archive: SHA-256 (hex) of `archive.json`.

    Raises:
        StoreError: S3 failed altogether.
    """
    result = SealCheck()
    identities = {archive, *(said.identity for said in chain.commitments.values())}
    checked: list[datetime] = []
    claimed: list[datetime] = []
    groups: dict[str, dict[str, Listed]] = {}
    for row in rows:
        stem, dot, ending = row.key.rpartition(".")
        groups.setdefault(stem, {})[dot + ending] = row

    def read(group: dict[str, Listed]) -> dict[str, bytes]:
        texts = {ending: read_text(reader, row) for ending, row in group.items()}
        return {ending: text.body for ending, text in texts.items() if isinstance(text, Text)}

    for (stem, group), bodies in zip(
        sorted(groups.items()), in_parallel(read, [group for _, group in sorted(groups.items())], threads), strict=True
    ):
        for ending in group.keys() - bodies.keys():
            result.findings.add(Finding(FindingClass.UNREADABLE, stem + ending, "its bytes could not be had"))
        statement = _statement(stem, bodies, result)
        if statement is None:
            continue
        known, before = len(result.findings), len(checked)
        if [head.key for head in statement.heads] != [sealed_report(f"{stem}.json")]:
            detail = "it is about another report than its name says"
            result.findings.add(Finding(FindingClass.BAD_SIGNATURE, f"{stem}.json", detail))
        elif statement.archive not in identities:
            result.findings.add(Finding(FindingClass.BAD_SIGNATURE, f"{stem}.json", "it is about another archive.json"))
        for moment, is_checked in _moments(stem, statement, bodies, trust, result):
            (checked if is_checked else claimed).append(moment)
        is_vouched_for = len(checked) > before
        # What does not fit itself, or what nobody vouches for where somebody could, is not believed about others.
        if len(result.findings) == known and (is_vouched_for or not (trust.public_key or trust.authorities)):
            result.findings |= set(compare_heads(statement.heads, chain, f"when {stem}.json was written"))
    result.newest = max(checked or claimed, default=None)
    result.notes += _age(result.newest, len(groups), now, trust, is_checked=bool(checked))
    if trust.not_older_than is not None and (not checked or max(checked) < now - trust.not_older_than):
        seen = f"the newest that was checked is of {max(checked):%Y-%m-%d %H:%M} UTC" if checked else "none was checked"
        result.findings.add(Finding(FindingClass.STALE_SEAL, SEALS, seen))
    return result


def _statement(stem: str, bodies: dict[str, bytes], result: SealCheck) -> Statement | None:
    body = bodies.get(".json")
    if body is None:
        detail = "there is no statement beside it that it could be about"
        result.findings |= {Finding(FindingClass.BAD_SIGNATURE, stem + ending, detail) for ending in bodies}
        return None
    try:
        return read_statement(body)
    except ValueError:
        result.findings.add(Finding(FindingClass.BAD_SIGNATURE, f"{stem}.json", "it is no statement of a run"))
        return None


def _moments(
    stem: str, statement: Statement, bodies: dict[str, bytes], trust: Trust, result: SealCheck
) -> Iterator[tuple[datetime, bool]]:
    """Yield the moments that signature and stamp give a statement, and whether they were checked."""
    body, signature, stamp = (bodies.get(ending) for ending in _KINDS)
    if signature is not None and trust.public_key is None:
        yield statement.sealed_at, False
    elif signature is not None and trust.public_key is not None:
        if is_signed(body or b"", signature, trust.public_key):
            yield statement.sealed_at, True
        else:
            detail = "it was not made with this key over the statement beside it"
            result.findings.add(Finding(FindingClass.BAD_SIGNATURE, f"{stem}.sig", detail))
    if stamp is not None:
        moment = stamped_at(stamp, body or b"", trust.authorities)
        if moment is None:
            detail = "it is no time stamp of the statement beside it" + (
                ", or not that service's" if trust.authorities else ""
            )
            result.findings.add(Finding(FindingClass.BAD_SIGNATURE, f"{stem}.tsr", detail))
        else:
            yield moment, trust.authorities is not None


def _age(newest: datetime | None, count: int, now: datetime, trust: Trust, *, is_checked: bool) -> Iterator[Note]:
    if count == 0 and trust.not_older_than is None:
        return
    if newest is None:
        yield Note(
            "seals", SEALS, "there is no signed or stamped head: a rollback of the whole bucket cannot show here"
        )
        return
    hours = max(0, int((now - newest.astimezone(UTC)).total_seconds() // 3600))
    how = "was checked" if is_checked else "claims its age, and NOT checked: give --public-key or the certificates"
    text = f"the newest of {count} sealed heads is {hours} hours old and {how}"
    yield Note("seals", SEALS, f"{text}; what was brought back to before it is for what was kept elsewhere to show")
