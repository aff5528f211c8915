"""How the command line speaks: results to stdout, everything else to stderr, errors as one plain sentence.

Rule: a person never sees a traceback; `--json` gets the same as one JSON object, as the last line on stdout.
Exit codes: 0 all good, 1 some diplomas failed or something was found, 2 wrong usage or settings, 3 fatal,
130 interrupted.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from diploma_archive.errors import DiplomaArchiveError, SettingsError, unexpected
from diploma_archive.sync.run_errors import InterruptedRunError

EXIT_OK, EXIT_SOME_FAILED, EXIT_USAGE, EXIT_FATAL, EXIT_INTERRUPTED = 0, 1, 2, 3, 130

# Typer brings its own copy of click in some versions and uses the package in others: ask it which classes it raises.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


@contextmanager
def reporting(as_json: bool) -> Iterator[dict[str, Any]]:
    """Turn every error into one sentence and an exit code; `--json` gets it with the counts so far."""
    counts: dict[str, Any] = {}
    try:
        yield counts
    except (typer.Exit, UsageError):
        raise
    except InterruptedRunError as error:
        say(error.diagnostics(), "interrupted", as_json, counts)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("stopped at once; the next run goes on from here.", "interrupted", as_json, counts)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except SettingsError as error:
        say(error.diagnostics(), "usage", as_json, counts)
        raise typer.Exit(EXIT_USAGE) from None
    except DiplomaArchiveError as error:
        say(error.diagnostics(), "fatal", as_json, counts)
        raise typer.Exit(EXIT_FATAL) from None
    except Exception as error:  # noqa: BLE001  a traceback would quote data; its place is enough for a report
        say(unexpected(error).diagnostics(), "fatal", as_json, counts)
        raise typer.Exit(EXIT_FATAL) from None


def say(sentence: str, kind: str, as_json: bool, counts: dict[str, Any]) -> None:
    """Write the sentence of an error to stderr, and as JSON to stdout."""
    sentence = sentence[:1].upper() + sentence[1:]
    sys.stderr.write(f"{sentence}\n")
    if as_json:
        print_result(json.dumps({"error": sentence, "kind": kind, **counts}))


def print_result(result: str) -> None:
    """Write a result; that nobody can read it any more does not change how the run ended."""
    try:
        sys.stdout.write(f"{result}\n")
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
