"""`diploma-archive retention report`: what is older than the period of its course."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from diploma_archive.archive.open_archive import open_reader
from diploma_archive.cli.app import app
from diploma_archive.cli.reporting import EXIT_SOME_FAILED, print_result, reporting
from diploma_archive.model.plain_text import without_controls
from diploma_archive.protection.retention import RetentionReport, report_retention
from diploma_archive.protection.retention_periods import read_periods
from diploma_archive.settings.loading import load_archive_settings

MAX_ROWS = 500
retention = typer.Typer(no_args_is_help=True, help="How long things are kept; nothing here deletes.")
app.add_typer(retention, name="retention")


@retention.callback()
def _common() -> None:
    """How long things are kept; nothing here deletes."""


@retention.command()
def report(
    periods: Annotated[
        Path | None, typer.Option(help="TOML or JSON with the periods of your courses.", metavar="FILE")
    ] = None,
    years: Annotated[int | None, typer.Option(help="The period of every other course.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, as the last line.")] = False,
) -> None:
    """List the diplomas that are older than their period, for erase. Exit code 1 if there are any."""
    with reporting(as_json):
        table = read_periods(periods, years)
        where, access = load_archive_settings()
        with open_reader(where, access) as reader:
            found = report_retention(reader, table, datetime.now(UTC).date(), where.concurrency)
        document = found.to_document()
        print_result(json.dumps(document) if as_json else _as_text(found))
        if document["over"] or document["unreadable"]:
            raise typer.Exit(EXIT_SOME_FAILED)


def _as_text(found: RetentionReport) -> str:
    document = found.to_document()
    lines = [f"{'class':<24}{'years':>6}{'diplomas':>10}{'over':>7}  oldest"]
    lines += [
        f"{row['class']:<24}{row['years'] or '-':>6}{row['diplomas']:>10}{row['over']:>7}  {row['oldest'] or '-'}"
        for row in document["classes"]
    ]
    if document["over"]:
        lines += ["", "Older than their period (erase --certificate C --reason retention):"]
        lines.append(f"  {'certificate':<28}{'diploma':>10}  {'since':<12}{'from':<10}{'over since':<12}class")
    for row in document["over"][:MAX_ROWS]:
        note = "  (another diploma of this certificate is not over)" if row["shares_certificate"] else ""
        lines.append(
            f"  {row['certificate']:<28}{row['diploma_id']:>10}  {row['since']:<12}{row['since_is']:<10}"
            f"{row['over_since']:<12}{row['class']}{note}"
        )
    if len(document["over"]) > MAX_ROWS:
        lines.append(f"  ... and {len(document['over']) - MAX_ROWS} more; --json names them all")
    if document["undated"]:
        lines.append(f"{document['undated']} without any date that can be read: they are never over.")
    if document["unreadable"]:
        lines.append("These records cannot be read (diploma-archive verify says what is wrong):")
        lines += [f"  {key}" for key in document["unreadable"][:MAX_ROWS]]
    return "\n".join(map(without_controls, lines))
