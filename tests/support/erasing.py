"""What the tests of erasing share: the secrets of a world, and a search through every version of every object.

Rule: what is left is looked for from outside, with nothing of the program.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pypdf

from diploma_archive.sandbox import LocalS3
from tests.support.world import PREFIX, Bucket, World

SUPPRESSION_KEY = "canary-suppression-key-0123456789abcdef"
CANARY = "Zqxcanary"
USER = 700_001  # planted by `plant_person`
ERASER = {"ERASURE_AWS_ACCESS_KEY_ID": "eraser", "ERASURE_AWS_SECRET_ACCESS_KEY": "eraser-secret"}


def erase(world: World, *arguments: str, **environment: str) -> tuple[int, dict[str, Any], str]:
    """Run `erase ... --json` with its own credentials; return exit code, answer and stderr."""
    done = run_erase(world, *arguments, "--json", **environment)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def run_erase(world: World, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `erase` with its own credentials."""
    known = {**ERASER, "ARCHIVE_SUPPRESSION_KEY": SUPPRESSION_KEY, **environment}
    return world.command("erase", *arguments, **known)


def with_marks(world: World) -> World:
    """Let the runs of a world in this process know the secret of the marks."""
    world.settings["suppression_key"] = SUPPRESSION_KEY
    return world


def all_versions(bucket: Bucket) -> dict[tuple[str, str], bytes]:
    """Return every version of every object by key (relative) and version id; of a delete marker no bytes."""
    found: dict[tuple[str, str], bytes] = {}
    for page in bucket.client.get_paginator("list_object_versions").paginate(Bucket=bucket.name):
        for row in page.get("Versions", ()):
            which = {} if row["VersionId"] == "null" else {"VersionId": row["VersionId"]}
            body = bucket.client.get_object(Bucket=bucket.name, Key=row["Key"], **which)["Body"].read()
            found[row["Key"].removeprefix(f"{PREFIX}/"), row["VersionId"]] = body
        for row in page.get("DeleteMarkers", ()):
            found[row["Key"].removeprefix(f"{PREFIX}/"), row["VersionId"]] = b""
    return found


def text_of(body: bytes) -> str:
    """Return what a person could read in an object: its bytes, and the text of a PDF."""
    text = body.decode("latin-1")
    if body.startswith(b"%PDF-"):
        with suppress(pypdf.errors.PyPdfError):  # of what is no PDF the raw bytes are searched all the same
            text += "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(body)).pages)
    return text


def where_is(bucket: Bucket, pattern: str) -> set[str]:
    """Return the keys of which some version holds a pattern, in its bytes or its name."""
    return {
        key
        for (key, _), body in all_versions(bucket).items()
        if re.search(pattern, key) or re.search(pattern, text_of(body))
    }


def plant_person(world: World, user_id: int = USER, name: str = CANARY) -> dict[str, Any]:
    """Give a person of the school a name that can be searched for; their files are rendered with it."""
    user = {
        **world.sandbox.persons[user_id],
        "firstname": name,
        "lastname": f"{name}sen",
        "email": f"{name}@example.com",
    }
    world.sandbox.persons[user_id] = user
    for diploma in world.sandbox.diplomas.values():
        if diploma.user.get("id") == user_id:
            diploma.user = user
    return user


def diplomas_of(world: World, user_id: int = USER) -> list[int]:
    """Return the ids of a person's diplomas."""
    return [diploma.id for diploma in world.sandbox.diplomas.values() if diploma.user.get("id") == user_id]


def locked_bucket(s3: LocalS3) -> Bucket:
    """Return a new bucket with Object Lock and no default retention."""
    bucket = Bucket(s3.environment(), f"archive-{uuid4().hex[:12]}")
    bucket.client.create_bucket(Bucket=bucket.name, ObjectLockEnabledForBucket=True)
    return bucket


def key_hash(key: str) -> str:
    """Return how receipts name a record."""
    return hashlib.sha256(key.encode()).hexdigest()
