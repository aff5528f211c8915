"""The program `diploma-archive`: what all its commands share."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from diploma_archive import __version__
from diploma_archive.frontcore.redaction import RedactingFilter

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
