"""What a check of the archive can find, each class with what to do about it (DESIGN.md section 11).

Rule: a finding holds keys, hashes and sizes; never what a record says of a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingClass(StrEnum):
    """The machine names of what can be found."""

    MISSING_FILE = "missing_file"
    MISSING_RECORD = "missing_record"
    MISSING_DIPLOMA = "missing_diploma"
    MISSING_QUARANTINE = "missing_quarantine"
    ALTERED_FILE = "altered_file"
    ALTERED_RECORD = "altered_record"
    UNINDEXED_RECORD = "unindexed_record"
    INDEX_WITHOUT_RECORD = "index_without_record"
    ALTERED_INDEX = "altered_index"
    ORPHAN_FILE = "orphan_file"
    SAME_FILE_TWICE = "same_file_twice"
    UNKNOWN_OBJECT = "unknown_object"
    UNREADABLE = "unreadable"
    COULD_NOT_CHECK = "could_not_check"
    MISSING_REPORT = "missing_report"
    ALTERED_REPORT = "altered_report"
    BAD_SIGNATURE = "bad_signature"
    STALE_SEAL = "stale_seal"
    ALTERED_IDENTITY = "altered_identity"
    MISSING_MARK = "missing_mark"
    UNKNOWN_MARK = "unknown_mark"
    MISSING_RECEIPT = "missing_receipt"
    UNNAMED_CURSOR = "unnamed_cursor"


ALTERED = frozenset(kind for kind in FindingClass if kind.startswith("altered_"))
"""Of what is there and is not what was written, other than of what is not there."""

_OLD_VERSION = "In a versioned bucket get the older version back (aws s3api list-object-versions)"

TITLES: dict[FindingClass, str] = {
    FindingClass.MISSING_FILE: "a record names a file that is not there",
    FindingClass.MISSING_RECORD: "file or index entry are there, their record is not",
    FindingClass.MISSING_DIPLOMA: "a run report calls it archived, and nothing of it is there",
    FindingClass.MISSING_QUARANTINE: "what came once and was kept in quarantine is not there",
    FindingClass.ALTERED_FILE: "a file does not have the bytes that its name says",
    FindingClass.ALTERED_RECORD: "a record is not what was archived",
    FindingClass.UNINDEXED_RECORD: "a record has no index entry",
    FindingClass.INDEX_WITHOUT_RECORD: "an index entry has neither record nor file",
    FindingClass.ALTERED_INDEX: "an index entry does not fit its record",
    FindingClass.ORPHAN_FILE: "no record names this file",
    FindingClass.SAME_FILE_TWICE: "two certificates have the same file",
    FindingClass.UNKNOWN_OBJECT: "an object that diploma-archive does not write",
    FindingClass.UNREADABLE: "S3 refuses to give an object",
    FindingClass.COULD_NOT_CHECK: "S3 failed when it was asked for an object",
    FindingClass.MISSING_REPORT: "a run report is not there",
    FindingClass.ALTERED_REPORT: "a run report is not what was written",
    FindingClass.BAD_SIGNATURE: "the signature or time stamp does not fit",
    FindingClass.STALE_SEAL: "no signed or stamped head is as new as it should be",
    FindingClass.ALTERED_IDENTITY: "archive.json is not what runs saw",
    FindingClass.MISSING_MARK: "the mark of somebody who was erased is not there",
    FindingClass.UNKNOWN_MARK: "a suppression mark that no receipt knows",
    FindingClass.MISSING_RECEIPT: "the receipt of an erasure is not there",
    FindingClass.UNNAMED_CURSOR: "a cursor that no run report names",
}

ADVICE: dict[FindingClass, str] = {
    FindingClass.MISSING_FILE: f"{_OLD_VERSION}; else archive the diploma again with sync --participant and --force",
    FindingClass.MISSING_RECORD: f"{_OLD_VERSION}; else move its index entry away and archive the diploma again",
    FindingClass.MISSING_DIPLOMA: f"{_OLD_VERSION}; else archive it again with sync --participant, and ask who deleted",
    FindingClass.MISSING_QUARANTINE: f"{_OLD_VERSION}, and ask who deleted it",
    FindingClass.ALTERED_FILE: f"{_OLD_VERSION}; else move the damaged object away and run sync --participant --force",
    FindingClass.ALTERED_RECORD: f"{_OLD_VERSION}; until then do not rely on what this record says",
    FindingClass.UNINDEXED_RECORD: "Run diploma-archive rebuild-index; a run that was killed leaves this behind",
    FindingClass.INDEX_WITHOUT_RECORD: f"{_OLD_VERSION} of record and file; else move this index entry away and "
    "archive the diploma again",
    FindingClass.ALTERED_INDEX: "Run diploma-archive verify --full --chain: if the record is good, run rebuild-index",
    FindingClass.ORPHAN_FILE: "A run that was killed leaves this behind: it may stay; if a record was deleted, get its "
    "older version back",
    FindingClass.SAME_FILE_TWICE: "Open both: one certificate has the other's file; run both again with --force",
    FindingClass.UNKNOWN_OBJECT: "Find out who put it there; move it away if nobody needs it",
    FindingClass.UNREADABLE: "Restore it from cold storage, or give these credentials s3:GetObject on it",
    FindingClass.COULD_NOT_CHECK: "Run verify again; if it stays, ask whoever runs the S3 server",
    FindingClass.MISSING_REPORT: f"{_OLD_VERSION}, and ask who deleted it",
    FindingClass.ALTERED_REPORT: f"{_OLD_VERSION}, and ask who changed it",
    FindingClass.BAD_SIGNATURE: "Check that file and public key belong together; if they do, the file was changed",
    FindingClass.STALE_SEAL: "See that runs go on and sign; if they do, the bucket was brought back to an earlier "
    "state: compare with what was kept elsewhere (--heads, --signature)",
    FindingClass.ALTERED_IDENTITY: f"{_OLD_VERSION}, and ask who changed it; until then no run writes here",
    FindingClass.MISSING_MARK: f"{_OLD_VERSION}; else run erase for that person again; until then no run writes here",
    FindingClass.UNKNOWN_MARK: "If erase was cut off, run it again; else somebody may be kept out who was not erased: "
    "find out who wrote it, and move it away",
    FindingClass.MISSING_RECEIPT: f"{_OLD_VERSION}, and ask who deleted it",
    FindingClass.UNNAMED_CURSOR: "Runs do not go by it: find out who wrote it, and move it away",
}


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong: its class, the key it is about, and what was seen."""

    kind: FindingClass
    key: str
    detail: str

    def to_dict(self) -> dict[str, str]:
        """Return the finding as `--json` shows it."""
        return {"class": self.kind.value, "key": self.key, "detail": self.detail, "advice": ADVICE[self.kind]}


@dataclass(frozen=True, order=True)
class Note:
    """Something that a person shall know, and that is no fault of the archive's."""

    kind: str
    key: str
    detail: str

    def to_dict(self) -> dict[str, str]:
        """Return the note as `--json` shows it."""
        return {"class": self.kind, "key": self.key, "detail": self.detail}
