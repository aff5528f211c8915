"""`diploma-archive subject`: everything that is held on one person, for an access request."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from diploma_archive.archive.open_archive import open_reader
from diploma_archive.cli.app import app
from diploma_archive.cli.export import Teller, exported_document, print_exported
from diploma_archive.cli.reporting import EXIT_SOME_FAILED, print_result, reporting
from diploma_archive.export.subject import Held, subject
from diploma_archive.export.subject_page import PAGE_FILE
from diploma_archive.settings.loading import load_archive_settings


@app.command("subject")
def subject_command(
    user: Annotated[int, typer.Option("--user", help="The id of the person.", metavar="N", min=1)],
    to: Annotated[Path, typer.Option("--to", help="A new folder for the bag.", metavar="DIR")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, as the last line.")] = False,
) -> None:
    """Copy everything that the archive holds on one person into a bag, with a page that tells what it is."""
    with reporting(as_json):
        where, access = load_archive_settings()
        with open_reader(where, access) as reader:
            held = subject(reader, user, to, workers=where.concurrency, tell=Teller())
        _print(held, user, as_json)


def _print(held: Held, user: int, as_json: bool) -> None:
    if held.unnamed:
        sys.stderr.write(f"{held.unnamed} records of the archive name no person; whose they are cannot be told\n")
    if held.withheld:
        sys.stderr.write(f"{held.withheld} files set aside under this person's numbers are another's: left out\n")
    if as_json:
        more = {"user": user, "quarantined": held.quarantined, "withheld": held.withheld, "unnamed": held.unnamed}
        print_result(json.dumps({**exported_document(held.exported), **more}))
        if held.is_nothing or held.exported.problems:
            raise typer.Exit(EXIT_SOME_FAILED)
    elif held.is_nothing and not held.exported.problems:
        print_result(f"the archive holds nothing on person {user}")
        raise typer.Exit(EXIT_SOME_FAILED)
    else:
        sys.stderr.write(f"{PAGE_FILE} in the payload says what it is, for the person to read\n")
        print_exported(held.exported, as_json)
