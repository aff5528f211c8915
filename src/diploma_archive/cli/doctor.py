"""`diploma-archive doctor`: one look at everything before the first run."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from diploma_archive.cli.app import app
from diploma_archive.cli.reporting import EXIT_SOME_FAILED, print_result, reporting
from diploma_archive.doctor.doctor import Examination, examine
from diploma_archive.model.doctor_check import Check, Result

_COLOURS = {Result.OK: "green", Result.WARNING: "yellow", Result.PROBLEM: "bold red", Result.NOT_ASKED: "dim"}


@app.command()
def doctor(
    no_write: Annotated[
        bool, typer.Option("--no-write", help="Write no probe object to the bucket; some things stay unknown.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, as the last line.")] = False,
) -> None:
    """Look at FrontCore, the bucket, Prefect and this machine, and say what to put right.

    Sends one request to FrontCore, and writes a probe object to the bucket, which it removes where it may.
    Exit code 0: no problem (perhaps warnings). 1: problems. 2: the settings are not complete.
    """
    with reporting(as_json) as counts:
        examination = examine(write=not no_write)
        counts.update(examination.to_document())
        if not as_json:
            _show(examination)
        examination.raise_wrong_settings()
        if as_json:
            print_result(json.dumps(examination.to_document()))
        if examination.count(Result.PROBLEM):
            raise typer.Exit(EXIT_SOME_FAILED)


def _show(examination: Examination) -> None:
    if sys.stdout.isatty():
        table = Table("", "checked", "seen", "what to do")
        for check in examination.checks:
            table.add_row(
                Text(check.result.value, _COLOURS[check.result]), check.name, Text(check.seen), Text(check.fix)
            )
        Console().print(table)
    else:
        print_result("\n".join(line for check in examination.checks for line in _lines(check)))
    print_result(f"{examination.sentence()}.")


def _lines(check: Check) -> list[str]:
    line = f"{check.result.value:<9}  {check.name}: {check.seen}"
    return [line, f"{'':<11}{check.fix}."] if check.fix else [line]
