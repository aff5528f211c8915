"""`diploma-archive verify`: is everything in the bucket what it was?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from diploma_archive.archive.open_archive import open_reader, read_identity
from diploma_archive.cli.app import app
from diploma_archive.cli.reporting import EXIT_SOME_FAILED, print_result, reporting
from diploma_archive.errors import SettingsError
from diploma_archive.evidence import chain_signature as signature
from diploma_archive.evidence.findings import Note
from diploma_archive.evidence.kept_heads import compare_heads
from diploma_archive.evidence.report_chain import Chain
from diploma_archive.model.json_document import Document
from diploma_archive.model.run_head import RunHead, read_heads
from diploma_archive.settings.loading import load_archive_settings
from diploma_archive.verify import report_text as rendering
from diploma_archive.verify import verify as verifying
from diploma_archive.verify.sampling import Choice, one_certificate, sample
from diploma_archive.web.kept_heads import heads_kept_by_prefect


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
        seal = _Seal.of(private_key, public_key, signature_file)
        outside = seal is not None or heads is not None
        if outside and chain is False:
            raise SettingsError("signatures and heads are about the chain", fix="Leave --no-chain out")
        kept = None if heads in (None, "prefect") else _read_heads(str(heads))
        with_chain = (choice.is_everything or outside) if chain is None else chain
        order = verifying.Order(choice, full, with_chain, where.omit_fields, where.concurrency, where.prefix)
        with open_reader(where, access) as reader:
            with _progress() as progress:
                result = verifying.verify(reader, order, progress)
            if heads is not None and result.chain is not None:
                _compare_heads(result, result.chain, kept)
            if seal is not None:
                seal.apply(result, read_identity(reader))
        print_result(json.dumps(result.to_dict()) if as_json else rendering.report(result))
        if result.findings:
            raise typer.Exit(EXIT_SOME_FAILED)


def _read_heads(source: str) -> list[RunHead]:
    try:
        if source == "-":
            return read_heads(sys.stdin)
        with Path(source).open(encoding="utf-8") as lines:
            return read_heads(lines)
    except OSError as error:
        raise SettingsError(f"the file in --heads cannot be read ({error.strerror})", fix="Check its name") from None
    except UnicodeDecodeError:
        raise SettingsError("the file in --heads is no text", fix="Check its name") from None
    except ValueError as error:
        raise SettingsError(
            f"line {error} of --heads is no head", fix='Give lines such as {"key": "runs/...", "sha256": "..."}'
        ) from None


def _compare_heads(result: verifying.Verification, chain: Chain, kept: list[RunHead] | None) -> None:
    if kept is None:
        found = heads_kept_by_prefect(result.identity_sha256)
        kept, span = list(found.heads), f", from {found.first} to {found.last}" if found.heads else ""
        said = f"Prefect has kept {len(kept)} heads of this archive{span}"
    else:
        said = f"{len(kept)} heads were given"
    result.add(compare_heads(kept, chain, "when this head was kept"))
    text = f"{said}: a rollback to before the first of them, and what is newer than the last, cannot be shown by these"
    result.note(Note("heads", "--heads", text if kept else f"{said}, so nothing was compared"))


@dataclass(frozen=True)
class _Seal:
    """What is to be done about signatures; keys are read before the work begins."""

    path: Path
    private: Ed25519PrivateKey | None = None
    public: Ed25519PublicKey | None = None
    document: Document | None = None

    @classmethod
    def of(cls, private: Path | None, public: Path | None, path: Path | None) -> _Seal | None:
        if private is None and public is None and path is None:
            return None
        if path is None or (private is None) == (public is None):
            raise SettingsError(
                "--signature goes with either --sign or --public-key", fix="Name the file of the signature and one key"
            )
        if private is not None:
            signature.check_writable(path)
            return cls(path, private=signature.read_private_key(private))
        assert public is not None  # noqa: S101  tells mypy what the condition above says
        return cls(path, public=signature.read_public_key(public), document=signature.read_signature(path))

    def apply(self, result: verifying.Verification, identity: Document) -> None:
        if result.chain is None:
            return
        if self.public is not None and self.document is not None:
            result.add(signature.check_signature(self.document, self.public, result.chain, identity))
        elif self.private is not None and result.chain_holds:
            document = signature.sign(result.chain, identity, self.private, signed_at=datetime.now(UTC))
            signature.write_signature(self.path, document)
            Console(stderr=True).print(f"signed: {self.path}", highlight=False, markup=False, soft_wrap=True)
        else:
            Console(stderr=True).print("NOT signed: something is wrong with the chain", highlight=False)


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
