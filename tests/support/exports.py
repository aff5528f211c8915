"""Reads an export from outside, with nothing of the program but the names of its papers."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import bagit

from diploma_archive.archive.open_archive import open_reader
from diploma_archive.export.chosen_records import Choice
from diploma_archive.export.export import Exported, Layout, export
from tests.support.world import World

TAG_FILES = {"bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt"}


def last_json(output: str) -> dict[str, Any]:
    """Return the object on the last line of stdout."""
    return dict(json.loads(output.splitlines()[-1]))


def command(world: World, to: Path, *arguments: str, **environment: str) -> tuple[int, dict[str, Any], str]:
    """Run the command and return exit code, its JSON and what it said on stderr; there is never a traceback."""
    done = world.command("export", "--to", str(to), *arguments, "--json", **environment)
    assert "Traceback" not in done.stderr
    return done.returncode, last_json(done.stdout), done.stderr


def export_here(world: World, to: Path, layout: Layout = "bagit", **choice: Any) -> Exported:
    """Export in this process, which is faster than the command."""
    where = world.as_settings().archive
    with open_reader(where) as reader:
        return export(reader, Choice(**choice), to, layout=layout, workers=where.concurrency, tell=lambda _: None)


def named(done: Exported) -> list[str]:
    """Return the keys that are not in an export."""
    return [key for key, _ in done.not_exported]


def validate(root: Path) -> None:
    """Let bagit-python check a bag."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bagit.Bag(str(root)).validate()


def objects(root: Path, payload: str = "data") -> dict[str, bytes]:
    """Return what an export holds, by key in the archive; each has the hash that is noted."""
    found = {}
    for line in (root / payload / "objects.jsonl").read_text("ascii").splitlines():
        row = json.loads(line)
        body = (root / payload / row["file"]).read_bytes()
        assert (hashlib.sha256(body).hexdigest(), len(body)) == (row["sha256"], row["size"])
        found[row["key"]] = body
    return found


def overview(root: Path, payload: str = "data") -> list[dict[str, str]]:
    """Return the rows of the overview."""
    text = (root / payload / "overview.csv").read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))


def files(root: Path) -> set[str]:
    """Return every file below a folder."""
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}


def bucket(world: World) -> dict[str, bytes]:
    """Return every object of the archive."""
    return {key: world.bucket.body(key) for key in world.bucket.keys_below()}


def key_of(world: World, diploma_id: int, ending: str) -> str:
    """Return the key of the PDF or record of a diploma that has one of them."""
    (record,) = world.bucket.records(diploma_id)
    pdf = str(record["file"]["key"])
    return pdf if ending == ".pdf" else f"{pdf.rpartition('/')[0]}/{record['revision']}.json"
