"""How fast the catalogue is built and searched, against a local S3 server (rclone) and, for large archives, by itself.

    .venv/bin/python -m benchmarks.catalogue_speed [--diplomas 10000] [--rows 100000] [--threads 8]

Prints records per second of the first build and of an update that finds nothing new (LIST alone) at `--diplomas`, then
the time of each kind of search in a catalogue of `--rows` diplomas, filled without a server.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from diploma_archive.archive.identity import new_identity
from diploma_archive.archive.open_archive import open_reader
from diploma_archive.catalogue.catalogue import Catalogue, open_catalogue
from diploma_archive.catalogue.query import Criteria
from diploma_archive.catalogue.schema import open_file
from diploma_archive.catalogue.update import Update, transaction
from diploma_archive.model.json_document import Document, to_json
from diploma_archive.model.keys import IDENTITY_KEY, Place
from diploma_archive.model.parsed_record import read_record_content
from diploma_archive.model.record import ArchivedFile, Provenance, build_record
from diploma_archive.model.revision import revision_of
from diploma_archive.model.source_items import Diploma
from diploma_archive.settings.archive import ArchiveSettings
from diploma_archive.store.objects import Listed
from tests.support.rclone import RcloneS3

NOW = datetime(2026, 3, 1, 2, 15, tzinfo=UTC)
COURSES = 300
SEARCHES = 200


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--diplomas", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        build(options.diplomas, options.threads, Path(folder))
        search(options.rows, Path(folder))


def build(count: int, threads: int, folder: Path) -> None:
    """Print how fast a catalogue is built and brought up to date."""
    with RcloneS3() as server:
        os.environ.update(server.environment())
        server.create_bucket("school")
        root = server.root / "school"
        identity = new_identity(account="default", prefix="", base_url="http://127.0.0.1", created_at=NOW)
        (root / IDENTITY_KEY).write_bytes(to_json(identity))
        for number in range(1, count + 1):
            key, record = made(number)
            file = root / key
            file.parent.mkdir(parents=True)
            file.write_bytes(to_json(record))
            (root / record["file"]["key"]).write_bytes(b"%PDF-1.4 stands for a file of the same name")
        where = ArchiveSettings(bucket="school", concurrency=threads)
        with open_reader(where) as reader, open_catalogue(reader, where, folder / "built.sqlite") as catalogue:
            first, again = catalogue.update(threads), catalogue.update(threads)
    say(
        f"{count:,} diplomas, {threads} threads: built in {first.seconds:.1f} s = {first.read / first.seconds:.0f} "
        f"records/s; with nothing new {again.seconds:.1f} s (LIST of {2 * count:,} keys)"
    )


def search(count: int, folder: Path) -> None:
    """Print how long searches take in a large catalogue."""
    file = folder / "large.sqlite"
    with open_file(file, "archive", rebuild=False, note=say) as database:
        update = Update(database, None)  # type: ignore[arg-type]  # rows are handed in, nothing is read
        started = time.perf_counter()
        for first in range(1, count + 1, 5_000):
            with transaction(database):
                for number in range(first, min(first + 5_000, count + 1)):
                    key, record = made(number)
                    update.keep(Listed(key, 2_000, "etag", NOW, "STANDARD"), read_record_content(key, record))
        say(f"{count:,} rows kept in {time.perf_counter() - started:.1f} s, {file.stat().st_size / 1e6:.0f} MB")
    started = time.perf_counter()
    with open_file(file, "archive", rebuild=False, note=say) as database:
        say(f"opened and checked for damage in {1000 * (time.perf_counter() - started):.0f} ms")
        catalogue = Catalogue(database, None, file)  # type: ignore[arg-type]
        kinds: dict[str, Callable[[int], Criteria]] = {
            "diploma": lambda number: Criteria(diploma_id=number),
            "participant": lambda number: Criteria(participant_id=number),
            "user": lambda number: Criteria(user_id=number // 3),
            "certificate": lambda number: Criteria(certificate=f"c-C{number:07}"),
            "course id": lambda number: Criteria(course=str(number % COURSES)),
            "part of a title": lambda number: Criteria(course=f"course number {number % COURSES} "),
            "one day": lambda number: Criteria(first_day=day_of(number), last_day=day_of(number)),
            "user and course": lambda number: Criteria(user_id=number // 3, course=str(number % COURSES)),
            "a year": lambda number: Criteria(
                first_day=date(2020 + number % 5, 1, 1), last_day=date(2020 + number % 5, 12, 31)
            ),
        }
        for name, criteria in kinds.items():
            times, hits = [], 0
            for step in range(SEARCHES if name != "a year" else 5):
                asked = criteria(1 + step * 7919 % count)
                started = time.perf_counter()
                hits += catalogue.find(asked, 100).total
                times.append(1000 * (time.perf_counter() - started))
            average = f"{hits // len(times):,} hits on average"
            say(f"by {name}: {statistics.median(times):.2f} ms (worst {max(times):.1f}), {average}")
        started = time.perf_counter()
        walked = sum(1 for _ in catalogue.matching(Criteria()))
        say(f"walked over all {walked:,} records in {time.perf_counter() - started:.1f} s")


def day_of(number: int) -> date:
    """Return when the course of a diploma was held: about 50 a day at 100,000."""
    return date(2020, 1, 1) + timedelta(days=number % 2_000)


def made(number: int) -> tuple[str, Document]:
    """Return the key and the record of an invented diploma."""
    course = number % COURSES
    item = {
        "id": number,
        "participant_id": number,
        "random_certificate_number": f"C{number:07}",
        "serial": f"S-{number}",
        "user": {"id": number // 3},
        "course": {"id": course, "title": f"Course number {course} of many", "reference": f"REF-{course}"},
        "coursedate": {"id": 1, "start_at": f"{day_of(number)} 09:00:00"},
    }
    diploma = Diploma.model_validate(item)
    place, revision, sha256 = Place(f"s-S-{number}", f"c-C{number:07}"), revision_of(diploma), f"{number:064x}"
    record = build_record(
        diploma,
        revision=revision,
        generation=1,
        file=ArchivedFile(place.pdf_key(sha256), sha256, 43, "application/pdf", 1),
        supersedes=None,
        conflict=(),
        provenance=Provenance("http://127.0.0.1", NOW, "filled"),
        archived_at=NOW,
        omit_fields=(),
    )
    return place.record_key(revision), record


def say(sentence: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
