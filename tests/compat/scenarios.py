"""What the archives of earlier versions went through; runs in the environment of any version of this program.

    python tests/compat/scenarios.py write NAME FILE    make an archive and pack its bucket into FILE (.tar.gz)
    python tests/compat/scenarios.py check NAME FILE    unpack it, and see that this version reads it and goes on

Rule: nothing but `diploma_archive.sandbox`, boto3 and the command line is used, so that old versions run it too.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from diploma_archive.sandbox import LocalS3, Sandbox

PREFIX = "acme/prod"
SUPPRESSION_KEY = "a key of the tests alone, 32 characters or more"
ERASED_USER = 700003
REISSUED, WITHDRAWN, RENDERED_ANEW = 12345, 500002, 500004
BROKEN_PDF = b"%PDF-1.4\n" + b"this page intentionally left broken\n" * 20 + b"%%EOF\n"


@dataclass
class Program:
    """The installed version of the program, between a sandbox and a bucket."""

    sandbox: Sandbox
    environment: dict[str, str]

    def run(self, *arguments: str, exits: int = 0) -> None:
        """Run a command; it must end with this exit code."""
        done = subprocess.run(
            self._command(*arguments), env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode != exits:
            raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}\n{done.stdout}{done.stderr}")

    def answer(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run a command with `--json`, and return its exit code and answer."""
        command = self._command(*arguments, "--json")
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout.splitlines()[-1])

    def run_killed(self, *arguments: str, after_listings: int) -> None:
        """Run a command that is killed when so many listings were asked for."""
        asked = 0

        def count(kind: str, _parameters: dict[str, Any]) -> None:
            nonlocal asked
            asked += kind == "diplomas"
            if asked == after_listings:
                process.kill()

        self.sandbox.on_request = count
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(self._command(*arguments), env=self.environment, **quiet)
        process.wait()
        self.sandbox.on_request = None

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "diploma_archive.cli", *arguments]


class NoProgram(Program):
    """In place of a program: only the school goes through the scenario."""

    def run(self, *arguments: str, exits: int = 0) -> None:
        """Do nothing."""

    def run_killed(self, *arguments: str, after_listings: int) -> None:
        """Do nothing."""


def plain(program: Program) -> None:
    """Everything that an archive can hold: revisions, generations, a withdrawal, a conflict, quarantine, an erasure."""
    school = program.sandbox
    without_number = school.add_participant()["id"]
    school.add_diploma(without_number, random_certificate_number=None, serial=None)
    twin = school.add_participant()["id"]
    school.add_diploma(twin, random_certificate_number=school.diplomas[500010].random_certificate_number)
    hand_written = school.add_participant()["id"]
    school.add_diploma(hand_written, random_certificate_number="Kran/løft 7", serial="§ 12 æøå")
    school.diplomas[500020].pdf = BROKEN_PDF
    program.run("sync", "--all", exits=1)
    school.diplomas[500020].pdf = None
    program.run("sync", "--all")
    school.reissue(REISSUED, "2026-02-28 09:30:00", passed_note="corrected")
    school.diplomas[WITHDRAWN].deleted_at = "2026-02-28 10:00:00"
    for diploma_id in (REISSUED, WITHDRAWN):
        school.touch_participant(school.diplomas[diploma_id].participant_id, "2026-02-28T10:00:00+01:00")
    program.run("sync")
    school.render_anew = True
    program.run("sync", "--force", "--participant", str(school.diplomas[RENDERED_ANEW].participant_id))
    school.render_anew = False
    program.run("erase", "--user", str(ERASED_USER), "--confirm", "--reason", "request")
    program.run("sync", "--all")
    school.render_anew = True
    program.run_killed("sync", "--all", "--force", after_listings=22)
    school.render_anew = False


ODD_DATES = ("0000-00-00T00:00:00+00:00", "-0001-11-30 00:00:00", "1970-01-01 01:00:00", "9999-12-31 23:59:59", "never")


def odd_dates(program: Program) -> None:
    """Diplomas whose `deleted_at` holds no date: versions up to 0.1.0 took them for deleted."""
    school = program.sandbox
    for diploma_id, deleted_at in zip(sorted(school.diplomas)[-len(ODD_DATES) :], ODD_DATES, strict=True):
        school.diplomas[diploma_id].deleted_at = deleted_at
    program.run("sync", "--all")


SCENARIOS: dict[str, Callable[[Program], None]] = {"plain": plain, "odd_dates": odd_dates}


def new_school() -> Sandbox:
    """Return the school that every scenario begins with."""
    return Sandbox(participants=40, persons=25, seed=1, requests_per_second=None)


def environment_of(sandbox: Sandbox, s3: LocalS3, bucket: str) -> dict[str, str]:
    """Return the environment of the program."""
    keep = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    erasure = {"ERASURE_AWS_ACCESS_KEY_ID": "sandbox", "ERASURE_AWS_SECRET_ACCESS_KEY": "sandbox-secret"}
    return {
        **keep,
        **s3.environment(),
        **erasure,
        "FRONTCORE_API_KEY": sandbox.api_key,
        "FRONTCORE_BASE_URL": sandbox.base_url,
        "FRONTCORE_REQUESTS_PER_SECOND": "500",
        "ARCHIVE_BUCKET": bucket,
        "ARCHIVE_PREFIX": PREFIX,
        "ARCHIVE_SUPPRESSION_KEY": SUPPRESSION_KEY,
        "ARCHIVE_CONCURRENCY": "4",
    }


def client_of(environment: dict[str, str]) -> Any:
    """Return an S3 client."""
    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )


def everything(client: Any, bucket: str) -> dict[str, bytes]:
    """Return every object of a bucket below the prefix, by its key."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{PREFIX}/")
    keys = [row["Key"] for page in pages for row in page.get("Contents", ())]
    return {key.removeprefix(f"{PREFIX}/"): client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def pack(client: Any, bucket: str, file: Path) -> None:
    """Write every object of a bucket below the prefix into a tar file, named by its key."""
    with tarfile.open(file, "w:gz") as packed:
        for key, body in everything(client, bucket).items():
            entry = tarfile.TarInfo(key)
            entry.size = len(body)
            packed.addfile(entry, io.BytesIO(body))


def unpack(client: Any, bucket: str, file: Path) -> dict[str, bytes]:
    """Put the objects of a tar file into a bucket, with the checksums that this program sends; return them."""
    objects = {}
    with tarfile.open(file) as packed:
        for entry in packed:
            body = packed.extractfile(entry)
            objects[entry.name] = body.read() if body else b""
            key = f"{PREFIX}/{entry.name}"
            client.put_object(Bucket=bucket, Key=key, Body=objects[entry.name], ChecksumAlgorithm="SHA256")
    return objects


def write(name: str, file: Path) -> None:
    """Go through a scenario with this version, and pack the bucket."""
    with new_school() as school, LocalS3() as s3:
        s3.create_bucket("old", versioned=True)
        environment = environment_of(school, s3, "old")
        SCENARIOS[name](Program(school, environment))
        pack(client_of(environment), "old", file)


def check(name: str, file: Path) -> None:
    """See that this version reads the archive of another one, goes on with it, and hands it over."""
    with new_school() as school, LocalS3() as s3, tempfile.TemporaryDirectory() as folder:
        for bucket in ("old", "copy"):
            s3.create_bucket(bucket, versioned=True)
        environment = environment_of(school, s3, "old")
        objects = unpack(client_of(environment), "old", file)
        SCENARIOS[name](NoProgram(school, environment))
        school.reset_counts()
        CHECKS[name](Program(school, environment), Path(folder))
        kept = {key: body for key, body in objects.items() if not key.startswith("state/")}
        there = everything(client_of(environment), "old")
        that("what lay there lies there, byte for byte", kept.items() <= there.items(), "")
    sys.stdout.write(f"{file.name}: all of it is true\n")


def check_plain(program: Program, folder: Path) -> None:
    """Everything is known, what was cut off goes on, and the whole can be handed over."""
    school = program.sandbox
    # A run was killed in it: a PDF may have no record, for good, and a record no index entry until the next pass.
    found = program.answer("verify", "--full", "--chain")[1]["findings"]
    that("nothing is damaged", {one["class"] for one in found} <= {"unindexed_record", "orphan_file"}, found)
    left_over = [one for one in found if one["class"] == "orphan_file"]
    code, counts = program.answer("sync", "--all")
    that("a full pass is green", code == 0, counts)
    that("nothing is downloaded again", school.requests["download"] == 0, counts)
    code, counts = program.answer("sync")
    that("a nightly run is green and archives nothing", (code, counts["archived"]) == (0, 0), counts)
    code, counts = program.answer("sync", "--all", "--force")
    downloads = school.requests["download"]
    that("what was cut off goes on where it was", 0 < downloads < len(school.diplomas) - 20, downloads)
    found = program.answer("verify", "--full", "--chain")[1]["findings"]
    that("verify finds nothing new", found == left_over, found)
    code, shown = program.answer("find", "--certificate", "ABC123456")
    that("a diploma is found", (code, shown["diplomas"][0]["diploma_id"]) == (0, 12345), shown)
    hand_over(program, folder, left_over)


def check_odd_dates(program: Program, folder: Path) -> None:
    """What an earlier version took for withdrawn stays good, and is archived as issued by the next full pass."""
    found = program.answer("verify", "--full", "--chain")[1]["findings"]
    that("the records of the version before are good", found == [], found)
    hand_over(program, folder, [])
    code, counts = program.answer("sync", "--all")
    that("they are archived as issued", (code, counts["archived"]) == (0, len(ODD_DATES)), counts)
    code, counts = program.answer("sync", "--all")
    that("once", (code, counts["archived"], counts["unchanged"]) == (0, 0, 40), counts)
    found = program.answer("verify", "--full", "--chain")[1]["findings"]
    that("verify finds nothing", found == [], found)


def hand_over(program: Program, folder: Path, left_over: list[dict[str, Any]]) -> None:
    """Export the archive and restore it elsewhere."""
    bag = str(folder / "bag")
    that("it is exported", program.answer("export", "--to", bag, "--all")[0] == 0, "")
    copy = Program(program.sandbox, {**program.environment, "ARCHIVE_BUCKET": "copy"})
    that("and restored", copy.answer("restore", "--from", bag)[0] == 0, "")
    found = copy.answer("verify", "--full", "--chain")[1]["findings"]
    that("the copy is as sound", found == left_over, found)


CHECKS: dict[str, Callable[[Program, Path], None]] = {"plain": check_plain, "odd_dates": check_odd_dates}


def that(claim: str, is_true: bool, seen: object) -> None:
    """End with what was seen where a claim is not true."""
    if not is_true:
        raise SystemExit(f"not true: {claim}. Seen: {seen}")


if __name__ == "__main__":
    {"write": write, "check": check}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
