"""`diploma-archive reconcile`: does the archive hold what FrontCore has?"""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.status import Status
from rich.table import Table

from diploma_archive.cli.app import app
from diploma_archive.cli.reporting import EXIT_SOME_FAILED, print_result, reporting
from diploma_archive.cli.run_display import PLAIN_EVERY_SECONDS
from diploma_archive.cli.selection_options import chosen_selection
from diploma_archive.listing.selection import Scope, Selection
from diploma_archive.reconcile.coverage import percent_text
from diploma_archive.reconcile.differences import MEANING, Found
from diploma_archive.reconcile.html_report import check_writable, html_report, write_html
from diploma_archive.reconcile.reconciliation import open_reconciliation
from diploma_archive.reconcile.report import Reconciled
from diploma_archive.settings.loading import Settings, load_settings

MAX_SHOWN = 50  # lines on the screen; --json and --html have all of them


@app.command()
def reconcile(
    everything: Annotated[
        bool, typer.Option("--all", help="Compare everything, both ways. So does the command without any option.")
    ] = False,
    participant: Annotated[
        list[str] | None,
        typer.Option(help="Compare these participants: an id or a range such as 900-950; repeatable.", metavar="N"),
    ] = None,
    user: Annotated[
        list[str] | None, typer.Option(help="Compare all diplomas of these persons; repeatable.", metavar="N")
    ] = None,
    updated_since: Annotated[
        str | None,
        typer.Option(help='Compare participants updated since then: "2026-03-01" or "2026-03-01 12:00:00".'),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a report with the plot of the coverage there.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, as the last line.")] = False,
) -> None:
    """Compare the archive with FrontCore; download and write nothing.

    Exit code 0: the two agree. 1: they differ, or something could not be listed.
    What only the archive has shows where everything is compared, not under a choice.
    """
    with reporting(as_json) as counts:
        selection = chosen_selection(everything, participant or [], user or [], updated_since) or Selection(Scope.FULL)
        settings = load_settings()
        if html is not None:
            check_writable(html)
        result = asyncio.run(_reconciled(settings, selection, counts))
        if html is not None:
            write_html(html, html_report(result, settings.frontcore.account, datetime.now(UTC)))
        if as_json:
            print_result(json.dumps(result.to_document()))
        else:
            _show(result)
        if result.differs:
            raise typer.Exit(EXIT_SOME_FAILED)


async def _reconciled(settings: Settings, selection: Selection, counts: dict[str, Any]) -> Reconciled:
    with _Display(Console(stderr=True)) as display:
        async with open_reconciliation(settings, selection, display.show) as opened:
            try:
                return await opened.drive()
            finally:
                counts["requests"] = opened.source.requests


class _Display:
    """Says on stderr how far it is: in place on a terminal, a line every few seconds otherwise."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = console.status("Listing the archive") if console.is_terminal else None
        self._last_line = time.monotonic()

    def __enter__(self) -> _Display:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, result: Reconciled) -> None:
        """Show the findings so far."""
        if self._status is not None:
            self._status.update(_so_far(result))
        elif time.monotonic() - self._last_line >= PLAIN_EVERY_SECONDS:
            self._last_line = time.monotonic()
            self._console.print(_so_far(result), highlight=False, markup=False, soft_wrap=True)


def _so_far(result: Reconciled) -> str:
    total = result.coverage.total
    return f"so far {result.listings} listings, {total.archived} of {total.issued} issued diplomas are archived"


def _show(result: Reconciled) -> None:
    # Without a terminal rich would wrap a table at 80 columns: wide enough for all that is in it.
    console = Console(markup=False, highlight=False, width=None if Console().is_terminal else 160)
    coverage = Table("course", "archived", "of issued", "coverage")
    for row in result.coverage.by_course()[:MAX_SHOWN]:
        coverage.add_row(row.name, str(row.count.archived), str(row.count.issued), percent_text(row.count))
    console.print(coverage)
    found = Table("found", "diploma", "participant", "course", "month", "reason")
    all_found = [one for kind in Found for one in result.sorted(kind)]
    for one in all_found[:MAX_SHOWN]:
        cells = (one.kind.replace("_", " "), one.diploma_id, one.participant_id, one.course_id, one.month)
        found.add_row(*("" if cell is None else str(cell) for cell in cells), one.error or MEANING[one.kind])
    if all_found:
        console.print(found)
    if len(all_found) > MAX_SHOWN:
        console.print(f"{len(all_found) - MAX_SHOWN} more: see --json or --html.")
    print_result(f"{result.sentence()}.")
    for what, ids in result.backfill():
        print_result(f"Archive these {what}: {ids}")
    Console(stderr=True).print(
        f"{result.requests} requests to FrontCore in {result.seconds:.0f} s; nothing was downloaded or written",
        highlight=False,
    )
