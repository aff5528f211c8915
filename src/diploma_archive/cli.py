"""The command line `diploma-archive` (DESIGN.md section 11).

Rule: results go to stdout and everything else to stderr; a person gets one plain sentence, never a traceback.
Exit codes: 0 all good, 1 some diplomas failed, 2 wrong usage or settings, 3 fatal, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console

from diploma_archive import __version__
from diploma_archive.errors import DiplomaArchiveError, SettingsError, unexpected
from diploma_archive.frontcore.redaction import RedactingFilter
from diploma_archive.frontcore.timestamps import read_filter_time
from diploma_archive.halt import InterruptedRunError
from diploma_archive.progress import RunDisplay
from diploma_archive.run import Run, open_run
from diploma_archive.selection import Scope, Selection, choose
from diploma_archive.settings import Settings, load_settings

EXIT_OK, EXIT_SOME_FAILED, EXIT_USAGE, EXIT_FATAL, EXIT_INTERRUPTED = 0, 1, 2, 3, 130

# Typer brings its own copy of click in some versions and uses the package in others: ask it which classes it raises.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="diploma-archive",
    help="Copy every FrontCore diploma into an S3 bucket that you own, and prove that it is complete.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"diploma-archive {__version__}")
        raise typer.Exit


@app.callback()
def common(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", callback=_print_version, is_eager=True)
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more on stderr.")] = False,
) -> None:
    """Copy every FrontCore diploma into an S3 bucket that you own, and prove that it is complete."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(RedactingFilter())
    logger = logging.getLogger("diploma_archive")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)


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
    with _reporting(as_json) as counts:
        selection = _selection(everything, participant or [], user or [], updated_since)
        settings = load_settings()
        run = asyncio.run(_sync(settings, selection, force=force, dry_run=dry_run, counts=counts))
        if as_json:
            _print(json.dumps(run.counts()))
        else:
            would = "Dry run, nothing was downloaded or written; a real run would have: " if dry_run else ""
            figures = run.counts()
            _print(f"{would}{run.tally.sentence()}")
            Console(stderr=True).print(
                f"{figures['requests']} requests to FrontCore in {figures['seconds']:.0f} s", highlight=False
            )
        if not run.tally.is_green:
            raise typer.Exit(EXIT_SOME_FAILED)


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8765,
    participants: Annotated[int, typer.Option(help="How many enrolments.", min=1)] = 40,
    persons: Annotated[int, typer.Option(help="How many persons.", min=1)] = 25,
    seed: Annotated[int, typer.Option(help="Another seed gives other data.")] = 1,
    requests_per_second: Annotated[float, typer.Option(help="Answer 429 above this rate; 0 is no limit.")] = 5.0,
    api_key: Annotated[str, typer.Option(help="The key that it accepts.")] = "sandbox-key",
    pdf_bytes: Annotated[int | None, typer.Option(help="Pad each PDF to about this size.")] = None,
    render_anew: Annotated[bool, typer.Option("--render-anew", help="Other bytes at each download.")] = False,
) -> None:
    """Run a FrontCore of your own on this machine, with invented data, until Ctrl-C."""
    with _reporting(as_json=False):
        try:
            from diploma_archive.sandbox import Sandbox, run_forever  # noqa: PLC0415  an extra that not everybody has
        except ImportError:
            raise SettingsError(
                "the sandbox needs packages that are not installed", fix="pip install 'diploma-archive[sandbox]'"
            ) from None
        server = Sandbox(
            participants=participants,
            persons=persons,
            seed=seed,
            api_key=api_key,
            requests_per_second=requests_per_second or None,
            port=port,
            pdf_bytes=pdf_bytes,
            render_anew=render_anew,
        )

        def announce(base_url: str) -> None:
            typer.echo(f"FRONTCORE_BASE_URL={base_url}\nFRONTCORE_API_KEY={api_key}")
            sys.stdout.flush()

        try:
            run_forever(server, announce)
        except OSError as error:
            raise SettingsError(
                f"the sandbox cannot listen on port {port} ({error.strerror})", fix="Choose another --port"
            ) from None


def _selection(everything: bool, participants: list[str], users: list[str], updated_since: str | None) -> Selection:
    chosen = [name for name, given in (("--participant", participants), ("--user", users)) if given]
    chosen += ["--updated-since"] if updated_since is not None else []
    if everything and chosen:
        raise SettingsError(f"--all and {chosen[0]} exclude each other", fix="Leave one of them out")
    if updated_since is not None:
        if len(chosen) > 1:
            raise SettingsError(f"--updated-since and {chosen[0]} exclude each other", fix="Leave one of them out")
        since = read_filter_time(updated_since)
        if since is None:
            raise SettingsError(
                "--updated-since is no date that exists", fix='Write it as "2026-03-01" or "2026-03-01 12:00:00"'
            )
        return Selection(Scope.BACKFILL, filters=(("updated_at_min", since),))
    if chosen:
        return choose(participants, users)
    return Selection(Scope.FULL if everything else Scope.INCREMENTAL)


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


@contextmanager
def _reporting(as_json: bool) -> Iterator[dict[str, Any]]:
    """Turn every error into one sentence and an exit code; `--json` gets it with the counts so far."""
    counts: dict[str, Any] = {}
    try:
        yield counts
    except (typer.Exit, UsageError):
        raise
    except InterruptedRunError as error:
        _say(error.diagnostics(), "interrupted", as_json, counts)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        _say("stopped at once; the next run goes on from here.", "interrupted", as_json, counts)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except SettingsError as error:
        _say(error.diagnostics(), "usage", as_json, counts)
        raise typer.Exit(EXIT_USAGE) from None
    except DiplomaArchiveError as error:
        _say(error.diagnostics(), "fatal", as_json, counts)
        raise typer.Exit(EXIT_FATAL) from None
    except Exception as error:  # noqa: BLE001  a traceback would quote data; its place is enough for a report
        _say(unexpected(error).diagnostics(), "fatal", as_json, counts)
        raise typer.Exit(EXIT_FATAL) from None


def _say(sentence: str, kind: str, as_json: bool, counts: dict[str, Any]) -> None:
    sentence = sentence[:1].upper() + sentence[1:]
    sys.stderr.write(f"{sentence}\n")
    if as_json:
        _print(json.dumps({"error": sentence, "kind": kind, **counts}))


def _print(result: str) -> None:
    """Write a result; that nobody can read it any more does not change how the run ended."""
    try:
        sys.stdout.write(f"{result}\n")
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Run the command line; wrong usage under `--json` is JSON too."""
    try:
        code = app(standalone_mode=False)
    except UsageError as error:
        context: Any = getattr(error, "ctx", None)
        command = context.command_path if context else "diploma-archive"
        message = f"{error.format_message().rstrip('.')}. Try: {command} --help"  # type: ignore[attr-defined]
        _say(message, "usage", "--json" in sys.argv, {})
        code = EXIT_USAGE
    except (typer.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    if code in (EXIT_FATAL, EXIT_INTERRUPTED):
        # A thread may still wait for a server that never answers; Python would wait for it before it ends.
        logging.shutdown()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code or EXIT_OK)


if __name__ == "__main__":
    main()
