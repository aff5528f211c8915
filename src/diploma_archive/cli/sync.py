"""`diploma-archive sync`: the same pipeline as the flows, without Prefect."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console

from diploma_archive.cli.app import app
from diploma_archive.cli.reporting import EXIT_SOME_FAILED, print_result, reporting
from diploma_archive.cli.run_display import RunDisplay
from diploma_archive.cli.selection_options import chosen_selection
from diploma_archive.listing.selection import Scope, Selection
from diploma_archive.settings.loading import Settings, load_settings
from diploma_archive.sync.run import Run, open_run


@app.command()
def sync(
    everything: Annotated[bool, typer.Option("--all", help="Read everything anew, not just what changed.")] = False,
    participant: Annotated[
        list[str] | None,
        typer.Option(help="Archive these participants: an id or a range such as 900-950; repeatable.", metavar="N"),
    ] = None,
    user: Annotated[
        list[str] | None, typer.Option(help="Archive all diplomas of these persons; repeatable.", metavar="N")
    ] = None,
    updated_since: Annotated[
        str | None,
        typer.Option(help='Archive participants updated since then: "2026-03-01" or "2026-03-01 12:00:00".'),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what a run would do; download and write nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Download known diplomas again; other bytes become a new generation.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, as the last line.")] = False,
) -> None:
    """Archive diplomas. Alone: what changed since the last time (moves the cursor)."""
    with reporting(as_json) as counts:
        chosen = chosen_selection(everything, participant or [], user or [], updated_since)
        selection = chosen or Selection(Scope.INCREMENTAL)
        settings = load_settings()
        run = asyncio.run(_sync(settings, selection, force=force, dry_run=dry_run, counts=counts))
        if as_json:
            print_result(json.dumps(run.counts()))
        else:
            would = "Dry run, nothing was downloaded or written; a real run would have: " if dry_run else ""
            figures = run.counts()
            print_result(f"{would}{run.tally.sentence()}")
            Console(stderr=True).print(
                f"{figures['requests']} requests to FrontCore in {figures['seconds']:.0f} s", highlight=False
            )
        if not run.tally.is_green:
            raise typer.Exit(EXIT_SOME_FAILED)


async def _sync(settings: Settings, selection: Selection, *, force: bool, dry_run: bool, counts: dict[str, Any]) -> Run:
    display = RunDisplay(Console(stderr=True))
    async with open_run(settings, selection, force=force, dry_run=dry_run, observer=display) as run:
        display.requests = lambda: run.source.requests
        with display, _stops_on_signal(run.stop):
            try:
                await run.drive()
            finally:
                counts.update(run.counts())
    return run


@contextmanager
def _stops_on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C lets the diplomas under way finish; the second one ends the program at once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    asked = False

    def on_signal() -> None:
        nonlocal asked
        if asked and task is not None:
            task.cancel()
        elif not asked:
            sys.stderr.write("Stopping: the diplomas under way are finished first (Ctrl-C again stops at once).\n")
            stop()
        asked = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
