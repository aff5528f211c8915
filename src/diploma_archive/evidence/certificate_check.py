"""Checks one certificate: reads what must be read, and names each damage once.

Rule: a damage is named where it happened: what is only its consequence (a file that a damaged record would name, an
index entry of a record that is gone) is no finding of its own.
"""

from __future__ import annotations

import hashlib

from diploma_archive.evidence.certificate_check_result import Examined, Rules
from diploma_archive.evidence.certificate_objects import CertificateObjects, Claim
from diploma_archive.evidence.file_check import Files
from diploma_archive.evidence.findings import FindingClass, Note
from diploma_archive.evidence.object_reading import Unread, read_text
from diploma_archive.model.coercion import is_written_as_a_float
from diploma_archive.model.json_document import Document, from_json, readable_or_empty
from diploma_archive.model.keys import index_prefix, places_of, read_index_name
from diploma_archive.model.record_check import Checked, check_record
from diploma_archive.store.objects import Listed
from diploma_archive.store.reader import Reader


def examine(reader: Reader, unit: CertificateObjects, rules: Rules) -> Examined:
    """Return what is wrong with one certificate, and what its files are.

    Raises:
        StoreError: S3 failed in a way that concerns every object.
    """
    return _Examination(reader, unit, rules).carry_out()


class _Examination:
    """The state of one check; its steps come in the order of `carry_out`."""

    def __init__(self, reader: Reader, unit: CertificateObjects, rules: Rules) -> None:
        self._reader = reader
        self._unit = unit
        self._rules = rules
        self._found = Examined(unit, rules)
        self._states = Files(reader, self._found)
        self._good: dict[str, Checked] = {}
        self._unusable: set[str] = set()  # records that are there and cannot be relied upon
        self._explained: set[str] = set()  # files that belong to something
        self._files = unit.files

    def carry_out(self) -> Examined:
        for key, row in self._unit.records.items():
            self._check_record(key, row)
        for key, record in self._good.items():
            self._check_index(key, record)
        gone = self._records_gone()
        for gone_key, (sha256, index_key) in gone.items():
            self._judge_gone(gone_key, sha256, index_key)
        self._check_files()
        self._states.check_quarantine()
        for key in self._unit.strangers:
            self._found.add(FindingClass.UNKNOWN_OBJECT, key, "its name is none that diploma-archive gives")
        self._note_conflict()
        self._note_odd_numbers()
        return self._found

    # Records

    def _check_record(self, key: str, row: Listed) -> None:
        text = read_text(self._reader, row)
        if isinstance(text, Unread):
            self._unusable.add(key)
            self._found.add_unread(key, text, FindingClass.MISSING_RECORD)
            return
        self._found.counts["bytes"] += len(text.body)
        claimed = {claim.record_sha256: claim for claim in self._claims(key) if claim.record_sha256}
        claim = claimed.get(text.sha256)
        if claimed and claim is None:
            report = next(iter(claimed.values())).report
            self._unusable.add(key)
            self._found.add(FindingClass.ALTERED_RECORD, key, f"{report} has another hash of it")
            return
        record = check_record(key, text.body, omitted=self._rules.omitted, proven=claim is not None)
        if isinstance(record, str):
            self._unusable.add(key)
            self._found.add(FindingClass.ALTERED_RECORD, key, record)
            return
        self._good[key] = record
        self._found.counts["records"] += 1
        self._found.counts["not_recomputed"] += not record.recomputed
        if claim is not None:
            self._compare_claim(key, record, claim)
        elif self._rules.with_chain and not self._claims(key):
            self._found.unreported[key] = record.document["run_id"]

    def _claims(self, key: str) -> list[Claim]:
        return [claim for claim in self._unit.claims if claim.record == key]

    def _compare_claim(self, key: str, record: Checked, claim: Claim) -> None:
        file = record.document["file"] or {}
        if (claim.file_sha256, claim.diploma_id) != (file.get("sha256", ""), record.document["diploma_id"]):
            self._found.add(FindingClass.ALTERED_REPORT, claim.report, f"what it says of {key} is not what that says")

    # Index entries

    def _check_index(self, key: str, record: Checked) -> None:
        row = self._unit.index.get(record.index_key)
        if row is None:
            self._found.add(FindingClass.UNINDEXED_RECORD, key, f"{record.index_key} is not there", key)
            return
        body = record.index_body()
        if not self._rules.full and row.etag.lower() == hashlib.md5(body, usedforsecurity=False).hexdigest():
            return
        text = read_text(self._reader, row)
        if isinstance(text, Unread):
            self._found.add_unread(row.key, text, FindingClass.UNINDEXED_RECORD)
        elif text.body != body and readable_or_empty(text.body) != from_json(body, "an index entry"):
            self._judge_misfit(key, record, row.key, readable_or_empty(text.body))

    def _judge_misfit(self, key: str, record: Checked, index_key: str, entry: Document) -> None:
        """Of a pair that does not fit, the one is wrong that names a file that is not there."""
        named, other = (record.document["file"] or {}).get("key"), entry.get("file")
        if named not in self._files and isinstance(other, str) and other in self._files:
            self._unusable.add(key)
            self._found.add(FindingClass.ALTERED_RECORD, key, f"it does not name the file that {index_key} names")
            return
        self._found.add(FindingClass.ALTERED_INDEX, index_key, f"it does not say what {key} says", key)

    # Records that are spoken of and are not there

    def _records_gone(self) -> dict[str, tuple[str | None, str | None]]:
        """Return the records that are not there: the hash of their file, and the index entry that names them."""
        gone: dict[str, tuple[str | None, str | None]] = {}
        there = self._unit.records
        for claim in self._unit.claims:
            if claim.record not in there:
                known = gone.get(claim.record, (None, None))[0]
                sha256 = claim.file_sha256 or ("" if claim.record_sha256 else None)  # "": it never had one
                gone[claim.record] = (known or sha256, None)
        for index_key in self._unit.index.keys() - {record.index_key for record in self._good.values()}:
            self._trace(index_key, gone)
        return gone

    def _trace(self, index_key: str, gone: dict[str, tuple[str | None, str | None]]) -> None:
        """Find the record of an index entry that no good record has."""
        ending = f"/{index_key.rpartition('/')[2].partition('.')[2]}"  # /{revision}.json, as the record is called
        if any(key.endswith(ending) for key in self._unusable):
            return  # the entry of a damaged record, which is the finding
        text = read_text(self._reader, self._unit.index[index_key])
        if isinstance(text, Unread):
            self._found.add_unread(index_key, text, FindingClass.INDEX_WITHOUT_RECORD)
            return
        entry = readable_or_empty(text.body)
        record, sha256 = entry.get("record"), entry.get("sha256")
        claimed = next((key for key in gone if key.endswith(ending)), None)
        fits = isinstance(record, str) and record.endswith(f"/{self._unit.certificate}{ending}")
        if fits and record not in self._unit.records and isinstance(sha256, str | None):
            gone[str(record)] = (sha256 or "", index_key)
        elif claimed is not None:
            gone[claimed] = (gone[claimed][0], index_key)
        else:
            self._found.add(FindingClass.INDEX_WITHOUT_RECORD, index_key, "there is no record that it could be of")

    def _judge_gone(self, record: str, sha256: str | None, index_key: str | None) -> None:
        folder = record.rpartition("/")[0]
        if index_key is None and any(claim.is_erased for claim in self._claims(record)):
            self._found.counts["erased"] += 1
            return
        named = {claim.report for claim in self._claims(record)}
        if sha256 is None:  # reports have no hash of its file: any file there that nobody else names may be its
            mine = {key for key in self._files if key.startswith(f"{folder}/")} - self._named_by_good()
        else:
            mine = {f"{folder}/{sha256}.pdf"} & self._files.keys()
        self._explained |= mine
        if mine or (index_key is not None and sha256 == ""):
            spoken_of = index_key or min(named)
            self._found.add(
                FindingClass.MISSING_RECORD, record, f"{spoken_of} names it", *([index_key] if index_key else [])
            )
        elif index_key is not None:
            self._found.add(FindingClass.INDEX_WITHOUT_RECORD, index_key, f"{record} and its file are not there")
        else:
            self._found.add(FindingClass.MISSING_DIPLOMA, record, f"{min(named)} calls it archived")

    def _named_by_good(self) -> set[str]:
        files = (record.document["file"] for record in self._good.values())
        return {file["key"] for file in files if file}

    # Files

    def _check_files(self) -> None:
        for key, record in self._good.items():
            file = record.document["file"]
            if file is None or key in self._unusable:
                continue
            self._explained.add(file["key"])
            row = self._files.get(file["key"])
            if row is None:
                self._found.add(FindingClass.MISSING_FILE, file["key"], f"{key} names it", key)
                continue
            self._found.named_files.append((file["sha256"], record.document["diploma_id"], row.key))
            has_its_hash, state = self._states.has_its_hash(row), self._states.state(row)
            if state.size != file["size"] and has_its_hash:
                self._found.add(FindingClass.ALTERED_RECORD, key, "it says another size than its file has", row.key)
            elif state.size != file["size"] and state.sha256 is None:
                self._found.add(
                    FindingClass.ALTERED_FILE, row.key, f"it has {state.size} bytes, not {file['size']}", key
                )
        for key, row in self._files.items():
            if key in self._explained:
                self._states.has_its_hash(row)
            elif any(record.startswith(f"{key.rpartition('/')[0]}/") for record in self._unusable):
                self._states.has_its_hash(row)  # it may be the file of that damaged record
            else:
                self._found.add(FindingClass.ORPHAN_FILE, key, "no record and no index entry names it")

    def _note_odd_numbers(self) -> None:
        """Name what an earlier version archived under a number that may never have been one."""
        for key, checked in self._good.items():
            record = checked.document
            if checked.place != places_of(record["serial"], record["certificate_number"], record["diploma_id"])[0]:
                text = "its serial or certificate number is of invisible characters alone; look at it in FrontCore"
            elif is_written_as_a_float(record["certificate_number"]) or is_written_as_a_float(record["serial"]):
                text = "its serial or certificate number looks like a decimal fraction; look at it in FrontCore"
            else:
                continue
            self._found.notes.append(Note("odd_number", key, text))

    def _note_conflict(self) -> None:
        ids = {record.document["diploma_id"] for record in self._good.values()}
        names = (read_index_name(key) for key in self._unit.index)
        ids |= {name.diploma_id for name in names if name is not None}
        if len(ids) > 1:
            who = ", ".join(map(str, sorted(ids)))
            text = f"the diplomas {who} have the same certificate number; both are kept, look at them in FrontCore"
            self._found.notes.append(Note("conflict", index_prefix(self._unit.certificate), text))
