"""`diploma-archive verify`: is everything in the bucket what it was?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from diploma_archive.archive.open_archive import open_reader, read_identity
from diploma_archive.cli.app import app
from diploma_archive.cli.reporting import EXIT_SOME_FAILED, print_result, reporting
from diploma_archive.cli.verify_outside import Outside, duration_of
from diploma_archive.errors import SettingsError
from diploma_archive.evidence.chain_signature import read_public_key
from diploma_archive.settings.loading import load_archive_settings
from diploma_archive.verify import report_text as rendering
from diploma_archive.verify import verify as verifying
from diploma_archive.verify.sampling import Choice, one_certificate, sample
from diploma_archive.verify.seals_check import Trust


@app.command()
def verify(
    full: Annotated[bool, typer.Option("--full", help="Read and hash every byte, not just S3's checksums.")] = False,
    share: Annotated[
        str | None,
        typer.Option("--sample", help="Check a part, another one each day; 2% covers all in 50 days.", metavar="2%"),
    ] = None,
    prefix: Annotated[
        str | None, typer.Option(help="Check the certificates with keys that begin so.", metavar="KEY")
    ] = None,
    certificate: Annotated[str | None, typer.Option(help="Check one certificate number.", metavar="C")] = None,
    chain: Annotated[
        bool | None,
        typer.Option(
            "--chain/--no-chain",
            help="Read the run reports too: shows diplomas of which everything is gone. Default: on for everything.",
            show_default=False,
        ),
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option("--sign", help="Sign the chain with this Ed25519 key (PEM).", metavar="KEYFILE")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(help="Check a signature with this Ed25519 public key (PEM).", metavar="FILE")
    ] = None,
    signature_file: Annotated[
        Path | None, typer.Option("--signature", help="The signature to write or to check.", metavar="FILE")
    ] = None,
    stamp_file: Annotated[
        Path | None,
        typer.Option(
            "--stamp", help="A time stamp (.tsr) that was kept elsewhere, its statement beside it.", metavar="FILE"
        ),
    ] = None,
    not_older_than: Annotated[
        str | None,
        typer.Option(help="A newest signed or stamped head that is older is a finding.", metavar="2d"),
    ] = None,
    heads: Annotated[
        str | None,
        typer.Option(
            help="Compare with heads kept elsewhere: JSON lines, - for stdin, or prefect for what Prefect has kept.",
            metavar="FILE",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, as the last line.")] = False,
) -> None:
    """Check that every diploma in the bucket is there and unaltered. Alone: everything, without reading the PDFs."""
    with reporting(as_json):
        where, access = load_archive_settings()
        choice = _choice(share, prefix, certificate, where.prefix)
        trust = Trust.of(where)
        if public_key is not None:
            trust = replace(trust, public_key=read_public_key(public_key))
        if not_older_than is not None:
            trust = replace(trust, not_older_than=duration_of(not_older_than))
        outside = Outside.of(private_key, public_key, signature_file, stamp_file, heads, trust)
        if (outside.is_given or public_key is not None) and chain is False:
            raise SettingsError("signatures and heads are about the chain", fix="Leave --no-chain out")
        with_chain = (choice.is_everything or outside.is_given) if chain is None else chain
        order = verifying.Order(
            choice, full, with_chain, where.omit_fields, where.concurrency, where.prefix, where.suppression_key, trust
        )
        with open_reader(where, access) as reader:
            with _progress() as progress:
                result = verifying.verify(reader, order, progress)
            outside.apply(result, lambda: read_identity(reader))
        print_result(json.dumps(result.to_dict()) if as_json else rendering.report(result))
        if result.findings:
            raise typer.Exit(EXIT_SOME_FAILED)


def _choice(share: str | None, prefix: str | None, certificate: str | None, root: str) -> Choice:
    given = {"--sample": share, "--prefix": prefix, "--certificate": certificate}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise SettingsError(f"{named[0]} and {named[1]} exclude each other", fix="Leave one of them out")
    if share is not None:
        return sample(share, datetime.now(UTC).date())
    if certificate is not None:
        return one_certificate(certificate)
    if prefix is not None and not prefix.strip():
        raise SettingsError("--prefix is empty", fix="Write the beginning of a key such as diplomas/s-2024")
    # Keys are relative to ARCHIVE_PREFIX; whoever copies one from the console has it whole.
    return Choice(prefix=(prefix or "").removeprefix(f"{root}/"))


@contextmanager
def _progress() -> Iterator[verifying.Progress]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _done, _total: None
        return
    columns = (TextColumn("Verifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
