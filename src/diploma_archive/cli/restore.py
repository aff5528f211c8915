"""`diploma-archive restore`: an export back into an empty bucket."""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from diploma_archive.archive.open_archive import open_target
from diploma_archive.cli.app import app
from diploma_archive.cli.export import MAX_PROBLEM_LINES, Teller
from diploma_archive.cli.reporting import EXIT_SOME_FAILED, print_result, reporting
from diploma_archive.errors import SettingsError
from diploma_archive.evidence.findings import ALTERED
from diploma_archive.export.restore import Restored, restore
from diploma_archive.model.json_document import FORMAT, readable_or_empty
from diploma_archive.model.key_kinds import KeyKind, kind_of
from diploma_archive.model.keys import ERASURES, receipt_key
from diploma_archive.model.plain_text import without_controls
from diploma_archive.model.source_items import OMITTABLE_FIELDS
from diploma_archive.settings.loading import load_archive_settings
from diploma_archive.settings.sources import given
from diploma_archive.store.reader import Reader
from diploma_archive.verify.sampling import EVERYTHING
from diploma_archive.verify.verify import Order, verify

MAX_RECEIPT_BYTES = 20_000_000


@app.command("restore")
def restore_command(
    source: Annotated[Path, typer.Option("--from", help="The folder of an export.", metavar="DIR")],
    receipt: Annotated[
        list[Path] | None,
        typer.Option(help="A receipt of an erasure that the export does not know; repeatable.", metavar="FILE"),
    ] = None,
    accept_altered: Annotated[
        bool,
        typer.Option("--accept-altered", help="Restore also what is not what was archived; it is named, exit code 1."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, as the last line.")] = False,
) -> None:
    """Bring an export back into the empty bucket or prefix that ARCHIVE_BUCKET and ARCHIVE_PREFIX name."""
    with reporting(as_json):
        where, access = load_archive_settings()
        with open_target(where, access) as store:
            done = restore(
                source,
                store,
                prefix=where.prefix,
                given_receipts=dict(_read_receipt(path) for path in receipt or ()),
                check=partial(_altered, threads=where.concurrency),
                accept_altered=accept_altered,
                account=given().get("FRONTCORE_ACCOUNT"),
                suppression_key=where.suppression_key,
                workers=where.concurrency,
                tell=Teller(),
            )
        if as_json:
            print_result(json.dumps(_document(done)))
        else:
            _print(done)
        if not done.is_complete:
            raise typer.Exit(EXIT_SOME_FAILED)


def _read_receipt(path: Path) -> tuple[str, bytes]:
    """Return a receipt and the key that it gets: that of its name, or else one made of what it holds.

    Raises:
        SettingsError: the file cannot be read, or is no receipt.
    """
    try:
        with path.open("rb") as file:
            body = file.read(MAX_RECEIPT_BYTES)
    except OSError as error:
        raise SettingsError(f"the file in --receipt cannot be read ({error.strerror})", fix="Check its name") from None
    document = readable_or_empty(body)
    try:
        moment = datetime.fromisoformat(str(document.get("erased_at") or document.get("lifted_at")))
        made = receipt_key(moment, hashlib.sha256(body).hexdigest()[:16])
    except (ValueError, OverflowError):
        made = None
    if document.get("format") != FORMAT or made is None:
        raise SettingsError(
            "the file in --receipt is no receipt of an erasure",
            fix="Give a file from the folder erasures/ of the archive, as it is there",
        )
    key = f"{ERASURES}{path.name}"
    return (key if kind_of(key) is KeyKind.RECEIPT else made), body


def _altered(reader: Reader, is_part: bool, *, threads: int) -> list[tuple[str, str]]:
    """Return what of an export is not what its keys, records and reports say, as `verify` looks at an archive.

    What it lacks is no matter here: that was said when it was made. Nor are cursors and checkpoints: runs look at those
    themselves before they believe them.
    """
    order = Order(EVERYTHING, chain=not is_part, omitted=tuple(OMITTABLE_FIELDS), threads=threads)
    found = [one for one in verify(reader, order).findings if one.kind in ALTERED]
    housekeeping = (KeyKind.CURSOR, KeyKind.CHECKPOINT)
    return [(one.key, one.detail) for one in found if kind_of(one.key) not in housekeeping]


def _print(done: Restored) -> None:
    for key, reason in done.named[:MAX_PROBLEM_LINES]:
        sys.stderr.write(f"not restored: {without_controls(key)}: {reason}\n")
    for key, reason in done.altered[:MAX_PROBLEM_LINES]:
        sys.stderr.write(f"restored, and not what was archived: {without_controls(key)}: {reason}\n")
    if done.not_in_the_export:
        sys.stderr.write(f"{done.not_in_the_export} objects are not in the export (see its not-exported.csv)\n")
    if done.is_part:
        sys.stderr.write("the export holds chosen diplomas only, not the whole archive\n")
    if done.suppressed:
        sys.stderr.write(f"{done.suppressed} diplomas of persons who were erased stay out\n")
    if done.further:
        sys.stderr.write(f"the target holds {done.further} more objects of this archive, which are not in the export\n")
    there = f", {done.already_there} were there already" if done.already_there else ""
    problems = f", {done.not_restored} not restored" if done.not_restored else ""
    print_result(f"{done.created} objects restored, {done.bytes} bytes{there}{problems}")


def _document(done: Restored) -> dict[str, Any]:
    return {
        "created": done.created,
        "already_there": done.already_there,
        "differing": done.differing,
        "failed": done.failed,
        "bytes": done.bytes,
        "not_in_the_export": done.not_in_the_export,
        "is_part": done.is_part,
        "suppressed": done.suppressed,
        "further": done.further,
        "altered": [{"key": key, "reason": reason} for key, reason in done.altered],
        "not_restored": [{"key": key, "reason": reason} for key, reason in done.named],
    }
