"""Runs `verify` in this process against a world, and damages its bucket from outside."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from diploma_archive.archive.open_archive import open_reader
from diploma_archive.verify.sampling import EVERYTHING, Choice
from diploma_archive.verify.verify import Order, Verification, verify
from tests.support.world import Bucket, World

_ARCHIVED: dict[str, bytes] = {}  # the small school, archived in two runs; the same for every test that damages it


def archive_small_school(world: World) -> World:
    """Archive the small school in two runs, so that one report names the other; the second time it is copied."""
    if not _ARCHIVED:
        world.run()
        world.run()
        _ARCHIVED.update({key: world.bucket.body(key) for key in world.bucket.keys_below()})
        return world
    for key, body in _ARCHIVED.items():
        world.bucket.client.put_object(
            Bucket=world.bucket.name, Key=f"{world.bucket.prefix}/{key}", Body=body, ChecksumAlgorithm="SHA256"
        )
    return world


def check(world: World, *, full: bool = False, chain: bool = True, choice: Choice = EVERYTHING) -> Verification:
    """Verify the world's archive."""
    where = world.as_settings().archive
    with open_reader(where) as reader:
        return verify(reader, Order(choice, full, chain, where.omit_fields, where.concurrency))


def found(result: Verification) -> dict[str, str]:
    """Return what was found: key -> class; a key with two classes fails."""
    keys = [finding.key for finding in result.findings]
    assert len(keys) == len(set(keys)), result.findings
    return {finding.key: finding.kind.value for finding in result.findings}


def noted(result: Verification) -> list[str]:
    """Return the kinds of notes."""
    return [note.kind for note in result.notes]


@dataclass(frozen=True)
class Parts:
    """The keys of one archived diploma."""

    record: str
    file: str
    index: str
    report: str  # of the run that archived it


def parts_of(bucket: Bucket, diploma_id: int) -> Parts:
    """Return the keys of the newest revision of a diploma."""
    record = bucket.records(diploma_id)[-1]
    (index,) = [key for key in bucket.keys_below("certificates/") if f"/{diploma_id}.{record['revision']}.json" in key]
    (report,) = [key for key in bucket.keys_below("runs/") if record["run_id"] in key]
    return Parts(bucket.document(index)["record"], (record["file"] or {}).get("key", ""), index, report)


def delete(bucket: Bucket, *keys: str) -> None:
    """Take objects away, as somebody with too many rights can."""
    for key in keys:
        bucket.client.delete_object(Bucket=bucket.name, Key=f"{bucket.prefix}/{key}")


def swap(bucket: Bucket, one: str, other: str) -> None:
    """Exchange the bytes of two objects."""
    bytes_of_one, bytes_of_other = bucket.body(one), bucket.body(other)
    bucket.put(one, bytes_of_other)
    bucket.put(other, bytes_of_one)


def flip(bucket: Bucket, key: str) -> None:
    """Change one bit in the middle of an object."""
    body = bytearray(bucket.body(key))
    body[len(body) // 2] ^= 1
    bucket.put(key, bytes(body))


def edit(bucket: Bucket, key: str, **fields: Any) -> None:
    """Change fields of a JSON object, written as this program writes it."""
    document = bucket.document(key) | fields
    bucket.put(key, (json.dumps(document, indent=2) + "\n").encode())


def edit_text(bucket: Bucket, key: str, old: bytes, new: bytes, *, with_checksum: bool = False) -> None:
    """Change the text of an object once; with a checksum as this program sends it only if asked."""
    body = bucket.body(key)
    assert old in body, f"{old!r} is not in {key}"
    if with_checksum:
        whole = f"{bucket.prefix}/{key}"
        changed = body.replace(old, new, 1)
        bucket.client.put_object(Bucket=bucket.name, Key=whole, Body=changed, ChecksumAlgorithm="SHA256")
    else:
        bucket.put(key, body.replace(old, new, 1))


RECEIPT = "erasures/20260301T021500Z-0123456789abcdef.json"


def put_receipt(bucket: Bucket, *records: str, complete: bool = True) -> None:
    """Write what `erase` leaves behind."""
    receipt = {
        "format": 1,
        "erased_at": datetime.now(UTC).isoformat(),
        "records": [hashlib.sha256(record.encode()).hexdigest() for record in records],
        "objects": 3 * len(records),
        "complete": complete,
        "proof": "0" * 64,  # which only `verify` with the suppression key can check
    }
    bucket.put(RECEIPT, json.dumps(receipt).encode())
