"""`diploma-archive export`: diplomas out of the bucket, as a bag that anybody can check."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from diploma_archive.archive.open_archive import open_reader
from diploma_archive.cli.app import app
from diploma_archive.cli.reporting import EXIT_SOME_FAILED, print_result, reporting
from diploma_archive.errors import SettingsError
from diploma_archive.evidence.time_stamps import Authorities
from diploma_archive.export.chosen_records import Choice
from diploma_archive.export.export import Exported, export
from diploma_archive.model.keys import is_blank
from diploma_archive.model.plain_text import without_controls
from diploma_archive.settings.loading import load_archive_settings

MAX_PROBLEM_LINES = 50  # `not-exported.csv` has all of them
TELL_EVERY_SECONDS = 5.0


@app.command("export")
def export_command(
    to: Annotated[
        Path, typer.Option("--to", help="A new folder, or one that this export was begun in.", metavar="DIR")
    ],
    certificate: Annotated[
        list[str] | None, typer.Option(help="Diplomas with this certificate number; repeatable.", metavar="C")
    ] = None,
    user: Annotated[
        list[int] | None, typer.Option(help="Diplomas of the person with this id; repeatable.", metavar="N", min=1)
    ] = None,
    course: Annotated[
        list[int] | None, typer.Option(help="Diplomas of the course with this id; repeatable.", metavar="ID", min=1)
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="The whole archive, run reports and quarantine too.")
    ] = False,
    layout: Annotated[
        Literal["bagit", "plain"], typer.Option("--format", help="A BagIt bag, or the same without its bag files.")
    ] = "bagit",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, as the last line.")] = False,
) -> None:
    """Copy diplomas out of the bucket into a folder, checked while they are read; the bucket is only read."""
    with reporting(as_json):
        choice = _choice(certificate or [], user or [], course or [], everything)
        where, access = load_archive_settings()
        certificates = None
        if where.timestamp_certificates is not None:
            certificates = Authorities.of(where.timestamp_certificates).to_pem()
        with open_reader(where, access) as reader:
            done = export(
                reader,
                choice,
                to,
                layout=layout,
                workers=where.concurrency,
                tell=Teller(),
                certificates=certificates,
            )
        print_exported(done, as_json)


def print_exported(done: Exported, as_json: bool) -> None:
    """Print what an export did, and end with exit code 1 where something is not there."""
    if as_json:
        print_result(json.dumps(exported_document(done)))
    else:
        for key, reason in done.not_exported[:MAX_PROBLEM_LINES]:
            sys.stderr.write(f"not exported: {without_controls(key)}: {reason}\n")
        for option in done.not_found:
            sys.stderr.write(f"nothing in the archive fits {without_controls(option)}\n")
        print_result(
            f"{done.diplomas} diplomas, {done.records} records, {done.objects} objects, {done.bytes} bytes"
            f" in {done.folder}" + (f"; {done.problems} not exported (see not-exported.csv)" if done.problems else "")
        )
    if not done.is_complete:
        raise typer.Exit(EXIT_SOME_FAILED)


def exported_document(done: Exported) -> dict[str, Any]:
    """Return what `--json` prints of an export."""
    return {
        "folder": str(done.folder),
        "diplomas": done.diplomas,
        "records": done.records,
        "objects": done.objects,
        "bytes": done.bytes,
        "problems": done.problems,
        "not_exported": [{"key": key, "reason": reason} for key, reason in done.not_exported],
        "not_found": list(done.not_found),
    }


class Teller:
    """Says now and then on stderr how far a long command is."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, objects: int) -> None:
        """Say it where it was not said for a while."""
        if time.monotonic() - self._last >= TELL_EVERY_SECONDS:
            self._last = time.monotonic()
            sys.stderr.write(f"{objects} objects so far\n")


def _choice(certificates: list[str], users: list[int], courses: list[int], everything: bool) -> Choice:
    some = bool(certificates or users or courses)
    if everything and some:
        raise SettingsError("--all already means every diploma", fix="Leave the other choice out, or --all")
    if not everything and not some:
        raise SettingsError(
            "nothing was chosen", fix="Say what: --certificate, --user, --course, or --all for the whole archive"
        )
    if any(is_blank(certificate) for certificate in certificates):
        raise SettingsError("--certificate is blank", fix="Give the certificate number, or d-12345 for a diploma id")
    return Choice(everything, frozenset(certificates), frozenset(users), frozenset(courses))
