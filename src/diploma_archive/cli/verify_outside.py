"""What was kept outside the bucket and is held against it: signatures, time stamps and heads, for `verify`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from rich.console import Console

from diploma_archive.errors import SettingsError
from diploma_archive.evidence import chain_signature as signature
from diploma_archive.evidence.findings import Note
from diploma_archive.evidence.kept_heads import compare_heads
from diploma_archive.evidence.report_chain import Chain
from diploma_archive.evidence.seals import Statement, is_signed, read_statement
from diploma_archive.evidence.time_stamps import stamped_at
from diploma_archive.model.json_document import Document
from diploma_archive.model.run_head import RunHead, read_heads
from diploma_archive.verify.seals_check import Trust
from diploma_archive.verify.verify import Verification
from diploma_archive.web.kept_heads import heads_kept_by_prefect


@dataclass(frozen=True)
class Outside:
    """What is held against the chain, read before the work begins; empty where nothing was given."""

    seal: _Seal | None = None
    signed: tuple[Statement, ...] = ()
    stamped: tuple[Statement, ...] = ()
    heads: tuple[RunHead, ...] | None = None
    asks_prefect: bool = False

    @property
    def is_given(self) -> bool:
        """Return whether there is anything to hold against the chain."""
        return bool(self.seal or self.signed or self.stamped or self.heads is not None or self.asks_prefect)

    @classmethod
    def of(
        cls,
        private: Path | None,
        public: Path | None,
        signed: Path | None,
        stamp: Path | None,
        heads: str | None,
        trust: Trust,
    ) -> Outside:
        """Return what the options name.

        Raises:
            SettingsError: a file cannot be read, is not what it should be, or an option lacks another one.
        """
        is_statement = private is None and signed is not None and signed.with_suffix(".sig").is_file()
        by_signature = [_read_signed(signed, trust)] if signed is not None and is_statement else []
        needs_seal = (private is not None or signed is not None) and not is_statement
        return cls(
            _Seal.of(private, public, signed) if needs_seal else None,
            tuple(by_signature),
            () if stamp is None else (_read_stamp(stamp, trust),),
            None if heads in (None, "prefect") else tuple(_read_heads(str(heads))),
            heads == "prefect",
        )

    def apply(self, result: Verification, identity: Callable[[], Document]) -> None:
        """Add what does not fit to what was found.

        Args:
            identity: reads `archive.json`.

        Raises:
            SettingsError: Prefect cannot be asked.
        """
        if result.chain is None:
            return
        for statement, when in (*((one, "signed") for one in self.signed), *((one, "stamped") for one in self.stamped)):
            result.add(compare_heads(statement.heads, result.chain, f"when it was {when}"))
        if self.heads is not None or self.asks_prefect:
            self._compare_heads(result, result.chain)
        if self.seal is not None:
            self.seal.apply(result, identity())

    def _compare_heads(self, result: Verification, chain: Chain) -> None:
        if self.heads is None:
            found = heads_kept_by_prefect(result.identity_sha256)
            kept, span = found.heads, f", from {found.first} to {found.last}" if found.heads else ""
            said = f"Prefect has kept {len(kept)} heads of this archive{span}"
        else:
            kept, said = self.heads, f"{len(self.heads)} heads were given"
        result.add(compare_heads(kept, chain, "when this head was kept"))
        text = f"{said}: what was before the first or came after the last cannot be shown by these"
        result.note(Note("heads", "--heads", text if kept else f"{said}, so nothing was compared"))


def duration_of(text: str) -> timedelta:
    """Return a span of time such as `36h` or `2d`.

    Raises:
        SettingsError: it is none.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,4})\s*([mhdw])", text.strip().lower())
    if found is None:
        raise SettingsError("--not-older-than is no span of time", fix="Write 36h, 2d or 1w")
    units = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    return timedelta(**{units[found[2]]: int(found[1])})


def _read_stamp(path: Path, trust: Trust) -> Statement:
    """Return the statement beside a time stamp, if it is the service's stamp of it."""
    if trust.authorities is None:
        raise SettingsError(
            "--stamp needs the certificates of the service", fix="Name their file in ARCHIVE_TIMESTAMP_CERTIFICATES"
        )
    try:
        reply, body = path.read_bytes(), path.with_suffix(".json").read_bytes()
    except OSError as error:
        raise SettingsError(
            f"the files of --stamp cannot be read ({error.strerror})", fix="The statement (.json) must lie beside it"
        ) from None
    try:
        statement = read_statement(body)
    except ValueError:
        statement = None
    if statement is None or stamped_at(reply, body, trust.authorities) is None:
        raise SettingsError(
            "the file in --stamp is no time stamp of the statement beside it by that service", fix="Check its name"
        )
    return statement


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


def _read_signed(path: Path, trust: Trust) -> Statement:
    """Return a statement that was kept elsewhere, if the signature beside it is good."""
    if trust.public_key is None:
        raise SettingsError(
            "--signature goes with either --sign or --public-key", fix="Name the file of the public key"
        )
    try:
        body, signed = path.read_bytes(), path.with_suffix(".sig").read_bytes()
        statement = read_statement(body)
    except OSError as error:
        raise SettingsError(
            f"the files of --signature cannot be read ({error.strerror})", fix="Check its name"
        ) from None
    except ValueError:
        raise SettingsError("the file in --signature is no statement of a run", fix="Check its name") from None
    if not is_signed(body, signed, trust.public_key):
        raise SettingsError(
            "the signature beside the file in --signature was not made with this key over it",
            fix="Check that the three belong together; if they do, one of them was changed",
        )
    return statement


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

    def apply(self, result: Verification, identity: Document) -> None:
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
