"""How fast `verify` is against a local S3 server (rclone), compared with plain hashing, and how much memory it takes.

    .venv/bin/python -m benchmarks.verify_speed [--diplomas 500 2000] [--pdf-kilobytes 60] [--threads 8]

Prints objects per second quick and full, the ratio of full to plain hashing (GET and SHA-256 of the same objects with
the same client and threads), and the peak memory of a process of its own at each size.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.seeded import objects_of
from diploma_archive.archive.identity import new_identity
from diploma_archive.archive.open_archive import open_reader
from diploma_archive.model.json_document import TOOL, to_json, utc_text
from diploma_archive.model.keys import IDENTITY_KEY, run_report_key
from diploma_archive.model.outcome import Finding, Outcome
from diploma_archive.model.payload import Payload
from diploma_archive.model.revision import revision_of
from diploma_archive.model.source_items import Diploma
from diploma_archive.settings.archive import ArchiveSettings
from diploma_archive.store.objects import Listed
from diploma_archive.store.parallel import in_parallel
from diploma_archive.store.reader import Reader
from diploma_archive.store.s3_client import build_clients
from diploma_archive.store.store import JSON_TYPE, PDF_TYPE, Store
from diploma_archive.sync.green_run import Tally
from diploma_archive.sync.outcome_spool import Spool
from diploma_archive.verify import verify
from tests.support.rclone import RcloneS3

NOW = datetime(2026, 3, 1, 2, 15, tzinfo=UTC)


def main() -> None:
    """Measure, or do one measurement as a child process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--diplomas", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--pdf-kilobytes", type=int, default=60)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", choices=("quick", "full", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("--bucket", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, ArchiveSettings(bucket=options.bucket, concurrency=options.threads))
        return
    with RcloneS3() as server:
        os.environ.update(server.environment())
        for count in options.diplomas:
            bucket = f"school-{count}"
            server.create_bucket(bucket)
            fill(ArchiveSettings(bucket=bucket, concurrency=options.threads), count, options.pdf_kilobytes * 1000)
            show(bucket, count, options)


def show(bucket: str, count: int, options: argparse.Namespace) -> None:
    """Print the best of some rounds for one size; the three take turns, so that a busy machine is fair to all."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(options.rounds):
        for what in ("plain", "quick", "full"):
            command = [sys.executable, "-m", "benchmarks.verify_speed", "--measure", what, "--bucket", bucket]
            done = subprocess.run(  # noqa: S603  our own program
                [*command, "--threads", str(options.threads)], capture_output=True, text=True, check=True
            )
            one = json.loads(done.stdout)
            if what not in best or one["seconds"] < best[what]["seconds"]:
                best[what] = one
    rates = {what: one["objects"] / one["seconds"] for what, one in best.items()}
    memory = {what: one["peak_megabytes"] for what, one in best.items()}
    sys.stdout.write(
        f"{count} diplomas ({best['quick']['objects']:.0f} objects): quick {rates['quick']:.0f} objects/s, "
        f"full {rates['full']:.0f} objects/s = {rates['full'] / rates['plain']:.2f} of plain hashing "
        f"({rates['plain']:.0f} objects/s); peak memory quick {memory['quick']:.0f} MB, full {memory['full']:.0f} MB, "
        f"plain hashing {memory['plain']:.0f} MB\n"
    )
    sys.stdout.flush()


def measure(what: str, where: ArchiveSettings) -> None:
    """Print seconds, objects and peak memory of one way to go over the archive."""
    with open_reader(where) as reader:
        started = time.perf_counter()
        objects = plain_hashing(reader, where.concurrency) if what == "plain" else verified(reader, where, what)
        seconds = time.perf_counter() - started
    sys.stdout.write(json.dumps({"seconds": seconds, "objects": objects, "peak_megabytes": peak_megabytes()}))


def peak_megabytes() -> float:
    """Return the peak memory of this process; Linux's own `ru_maxrss` would also count the parent before exec."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000_000  # macOS counts bytes


def verified(reader: Reader, where: ArchiveSettings, what: str) -> int:
    """Verify and return how many objects were checked."""
    order = verify.Order(full=what == "full", omitted=where.omit_fields, threads=where.concurrency)
    result = verify.verify(reader, order)
    if result.findings:
        raise SystemExit(f"this archive is sound, and verify found {result.findings[:3]}")
    return result.checked["objects"]


def plain_hashing(reader: Reader, threads: int) -> int:
    """List everything, read and hash it, and return how many objects there were."""

    def digest(row: Listed) -> object:
        return reader.digest(row.key)

    return sum(1 for _ in in_parallel(digest, reader.list(""), threads))


def fill(where: ArchiveSettings, count: int, size: int) -> None:
    """Write an archive of invented diplomas with its run report."""
    _, client = build_clients(where.concurrency, where.bucket)
    store = Store(client, where.bucket, where.prefix)
    identity = new_identity(account="default", prefix="", base_url="http://127.0.0.1", created_at=NOW)
    store.create(IDENTITY_KEY, Payload.of(to_json(identity)), JSON_TYPE)
    spool, tally = Spool(), Tally()
    for finding in in_parallel(lambda number: put_diploma(store, number, size), range(1, count + 1), where.concurrency):
        spool.add(finding)
        tally.add(finding)
    head = {"format": 1, "run_id": "filled", "status": "finished", "scope": "full", "force": False}
    head |= {"started_at": utc_text(NOW), "finished_at": utc_text(NOW), "tool": TOOL, "previous": []}
    with spool.finished({**head, **tally.as_counts()}) as report:
        payload = Payload(report.file, report.sha256, report.md5, report.size)
        store.create(run_report_key(NOW, "filled"), payload, JSON_TYPE)
    spool.close()
    client.close()


def put_diploma(store: Store, number: int, size: int) -> Finding:
    """Write the PDF, the record and the index entry of one invented diploma."""
    body = (f"%PDF-1.4 {number}\n".encode() + hashlib.sha256(str(number).encode()).digest() * (size // 32))[:size]
    diploma = Diploma(id=number, participant_id=number, random_certificate_number=f"C{number:07}", serial=f"S-{number}")
    objects = objects_of(diploma, body)
    for key, stored in objects.items():
        store.create(key, Payload.of(stored), PDF_TYPE if key.endswith(".pdf") else JSON_TYPE)
    record = list(objects)[1]
    return Finding(
        Outcome.ARCHIVED.value,
        number,
        number,
        f"c-C{number:07}",
        revision_of(diploma),
        record,
        Payload.of(objects[record]).sha256,
        Payload.of(body).sha256,
    )


if __name__ == "__main__":
    main()
