"""The command line `diploma-archive` (DESIGN.md section 11); each module here brings its commands."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import typer

from diploma_archive.cli import (  # noqa: F401  each adds its commands to the program
    doctor,
    erase,
    export,
    find,
    rebuild_index,
    reconcile,
    restore,
    retention,
    sandbox,
    show,
    subject,
    sync,
    verify,
)
from diploma_archive.cli.app import app
from diploma_archive.cli.help_text import show_switches_plainly
from diploma_archive.cli.reporting import EXIT_FATAL, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, UsageError, say

show_switches_plainly(app)


def _open_closed_streams() -> None:
    """Give streams that the caller closed (`>&-`) to the null device: else the next socket would become one of them."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # stdin, stdout, stderr
        pass
    os.close(descriptor)
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("r+", encoding="utf-8"))  # noqa: SIM115  as long as the process


def main() -> None:
    """Run the command line; wrong usage under `--json` is JSON too."""
    _open_closed_streams()
    try:
        code = app(standalone_mode=False)
    except UsageError as error:
        context: Any = getattr(error, "ctx", None)
        command = context.command_path if context else "diploma-archive"
        message = f"{error.format_message().rstrip('.')}. Try: {command} --help"  # type: ignore[attr-defined]
        say(message, "usage", "--json" in sys.argv, {})
        code = EXIT_USAGE
    except (typer.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    if code in (EXIT_FATAL, EXIT_INTERRUPTED):
        # A thread may still wait for a server that never answers; Python would wait for it before it ends.
        logging.shutdown()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code or EXIT_OK)
