"""A whole world for one test: a sandbox FrontCore, a bucket on a real S3 over HTTP, and the program between them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config

from diploma_archive.listing.selection import Scope, Selection, choose
from diploma_archive.model.outcome import SilentObserver
from diploma_archive.sandbox import LocalS3, Sandbox
from diploma_archive.settings.archive import ArchiveSettings
from diploma_archive.settings.frontcore import FrontCoreSettings
from diploma_archive.settings.loading import Settings
from diploma_archive.sync.run import Run, open_run
from tests.support.forking import Forker

PREFIX = "acme/prod"
FORKER = Forker()


class Bucket:
    """Reads the bucket from outside, with nothing of the program."""

    def __init__(self, environment: dict[str, str], name: str, prefix: str = PREFIX) -> None:
        self.name = name
        self.prefix = prefix
        self.planted: list[str] = []  # keys that a test wrote behind the program's back
        self.client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_DEFAULT_REGION"],
            config=Config(s3={"addressing_style": "path"}),
        )

    def keys_below(self, below: str = "") -> list[str]:
        """Return the keys below a folder, relative to the prefix, sorted."""
        root = f"{self.prefix}/" if self.prefix else ""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=root + below)
        # After a race on one key rclone lists it twice for a while.
        return sorted({row["Key"].removeprefix(root) for page in pages for row in page.get("Contents", ())})

    def body(self, key: str) -> bytes:
        """Return the bytes of an object."""
        root = f"{self.prefix}/" if self.prefix else ""
        with self.client.get_object(Bucket=self.name, Key=root + key)["Body"] as body:
            return bytes(body.read())

    def put(self, key: str, body: bytes) -> None:
        """Store an object behind the program's back."""
        self.planted.append(key)
        self.client.put_object(Bucket=self.name, Key=f"{self.prefix}/{key}", Body=body)

    def document(self, key: str) -> dict[str, Any]:
        """Return a JSON object."""
        return dict(json.loads(self.body(key)))

    def cursor(self) -> dict[str, Any] | None:
        """Return the newest cursor, or None where there is none."""
        keys = self.keys_below("state/cursor/")
        return self.document(keys[-1]) if keys else None

    def evidence(self) -> dict[str, bytes]:
        """Return everything that must never change, with its bytes."""
        return {key: self.body(key) for below in ("diplomas/", "certificates/") for key in self.keys_below(below)}

    def records(self, diploma_id: int | None = None) -> list[dict[str, Any]]:
        """Return the records (of one diploma), in the order they were archived."""
        found = [self.document(key) for key in self.keys_below("diplomas/") if key.endswith(".json")]
        mine = [record for record in found if diploma_id in (None, record["diploma_id"])]
        return sorted(mine, key=lambda record: record["archived_at"])

    def versions(self) -> dict[str, int]:
        """Return how often each key was written, in a versioned bucket."""
        counts: dict[str, int] = {}
        pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.name)
        for page in pages:
            for row in page.get("Versions", ()):
                counts[row["Key"]] = counts.get(row["Key"], 0) + 1
            removed = [row["Key"] for row in page.get("DeleteMarkers", ()) if "state/" not in row["Key"]]
            assert not removed, "nothing but housekeeping is ever removed"
        return {key.removeprefix(f"{self.prefix}/"): count for key, count in counts.items()}


class Remembering(SilentObserver):
    """Keeps what a run says of each diploma."""

    def __init__(self) -> None:
        self.findings: list[Any] = []

    def found(self, finding: Any) -> None:
        """Keep it."""
        self.findings.append(finding)


@dataclass
class World:
    """One sandbox, one bucket, and the settings that join them."""

    sandbox: Sandbox
    bucket: Bucket
    s3_environment: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)
    observer: Remembering = field(default_factory=Remembering)
    conditions_hold: bool = True  # whether the S3 server honours If-None-Match
    runs: list[Run] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    @property
    def requests_per_second(self) -> float:
        """The rate that the program is told to keep."""
        return float(self.settings.get("requests_per_second", 500.0))

    def heal(self) -> None:
        """Let source and settings be right again, as they are once somebody has mended what was broken."""
        self.sandbox.clear_faults()
        self.sandbox.on_request = None
        self.sandbox.overrides.clear()
        for diploma in self.sandbox.diplomas.values():
            diploma.pdf = None
        self.settings = {name: self.settings[name] for name in ("requests_per_second",) if name in self.settings}

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of DESIGN.md section 10 for a process of its own."""
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "FRONTCORE_", "ARCHIVE_", "PREFECT_"))
        }
        return {
            **clean,
            **self.s3_environment,
            "FRONTCORE_API_KEY": self.sandbox.api_key,
            "FRONTCORE_BASE_URL": self.sandbox.base_url,
            "FRONTCORE_REQUESTS_PER_SECOND": "500",
            "ARCHIVE_BUCKET": self.bucket.name,
            "ARCHIVE_PREFIX": self.bucket.prefix,
            **more,
        }

    def run(
        self,
        scope: Scope = Scope.FULL,
        *,
        participants: str = "",
        users: str = "",
        selection: Selection | None = None,
        **options: Any,
    ) -> Run:
        """Run the program in this process and return the finished run."""
        chosen = selection or (choose([participants], [users]) if participants or users else Selection(scope))
        self.observer = Remembering()

        async def drive() -> Run:
            async with open_run(self.as_settings(), chosen, observer=self.observer, **options) as run:
                self.runs.append(run)
                await run.drive()
            return run

        try:
            return asyncio.run(drive())
        except BaseException as error:
            self.errors.append(error)
            raise

    def counts(self, *arguments: Any, **options: Any) -> dict[str, int]:
        """Run, and return the counts that are not zero, `listed` left out."""
        counts = self.run(*arguments, **options).tally.as_counts()
        return {name: count for name, count in counts.items() if count and name != "listed"}

    def as_settings(self) -> Settings:
        """Return the settings of this world."""
        source = {"api_key": self.sandbox.api_key, "base_url": self.sandbox.base_url, "requests_per_second": 500.0}
        where = {"bucket": self.bucket.name, "prefix": self.bucket.prefix}
        source |= {name: self.settings[name] for name in self.settings if name in FrontCoreSettings.model_fields}
        where |= {name: self.settings[name] for name in self.settings if name in ArchiveSettings.model_fields}
        return Settings(FrontCoreSettings(**source), ArchiveSettings(**where))

    def command(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `diploma-archive` in a process of its own."""
        return FORKER.run(arguments, self.environment(**environment), cwd)


def new_bucket(s3: LocalS3, *, versioned: bool = True, prefix: str = PREFIX) -> Bucket:
    """Return a new, empty bucket."""
    name = f"archive-{uuid4().hex[:12]}"
    s3.create_bucket(name)
    bucket = Bucket(s3.environment(), name, prefix)
    if versioned:
        bucket.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return bucket
