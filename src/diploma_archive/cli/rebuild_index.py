"""`diploma-archive rebuild-index`: recreates `certificates/` from the records."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from diploma_archive.archive.open_archive import open_store
from diploma_archive.cli.app import app
from diploma_archive.cli.reporting import EXIT_SOME_FAILED, print_result, reporting
from diploma_archive.settings.loading import load_archive_settings
from diploma_archive.verify import rebuild_index as rebuild
from diploma_archive.verify.report_text import printable


@app.command()
def rebuild_index(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written; write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, as the last line.")] = False,
) -> None:
    """Recreate the index (certificates/) from the records. It deletes nothing, and running it twice is free."""
    with reporting(as_json):
        where, access = load_archive_settings()
        with open_store(where, access) as store:
            done = rebuild.rebuild_index(store, omitted=where.omit_fields, dry_run=dry_run, threads=where.concurrency)
        print_result(json.dumps({"dry_run": dry_run, **done.to_dict()}) if as_json else _text(done, dry_run=dry_run))
        if done.findings:
            raise typer.Exit(EXIT_SOME_FAILED)


def _text(done: rebuild.Rebuilt, *, dry_run: bool) -> str:
    lines = [
        f"{one.kind.value}: {printable(one.key)}\n  {one.detail}\n  What to do: {one.to_dict()['advice']}."
        for one in sorted(done.findings)
    ]
    would = "Dry run, nothing was written; a real run would have: " if dry_run else ""
    figures = f"{done.records} records read, {done.created} index entries created, {done.replaced} replaced"
    return "\n".join([*lines, f"{would}{figures}"])
