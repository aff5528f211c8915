"""`diploma-archive erase`: remove what the archive holds of one person or certificate, in all versions."""

from __future__ import annotations

import json
import sys
from datetime import UTC
from typing import Annotated

import typer
from pydantic import SecretStr

from diploma_archive.archive.erasure_receipts import Reason
from diploma_archive.archive.open_archive import open_eraser
from diploma_archive.cli.app import app
from diploma_archive.cli.reporting import EXIT_SOME_FAILED, print_result, reporting
from diploma_archive.errors import SettingsError
from diploma_archive.model.coercion import MAX_ID
from diploma_archive.model.keys import is_blank
from diploma_archive.model.plain_text import without_controls
from diploma_archive.model.suppression_mark import Whom
from diploma_archive.protection.erasure import Erasure, erase, lift, whom_of
from diploma_archive.settings.erasure import load_erasure_settings
from diploma_archive.store.versions import Eraser, Kept

MAX_LINES = 500


@app.command("erase")
def erase_command(
    user: Annotated[int | None, typer.Option(help="Everything of this person.", metavar="N")] = None,
    certificate: Annotated[
        str | None, typer.Option(help="Everything under this certificate number.", metavar="C")
    ] = None,
    confirm: Annotated[bool, typer.Option("--confirm", help="Really do it; without it nothing is changed.")] = False,
    reason: Annotated[Reason, typer.Option(help="Why, for the receipt.")] = Reason.REQUEST,
    lift_mark: Annotated[
        bool,
        typer.Option("--lift", help="Erase nothing; let a person or certificate that was erased be archived again."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, as the last line.")] = False,
) -> None:
    """Erase a person's diplomas, or one certificate, in all versions. Alone it shows what would go.

    Run it while no other run is active: a run that began before may still bring something back; then erase again.
    """
    with reporting(as_json):
        _check_choice(user, certificate)
        where, access, key = load_erasure_settings()
        with open_eraser(where, access) as eraser:
            whom = whom_of(eraser, user, certificate)
            if lift_mark:
                _lift(eraser, whom, key, confirmed=confirm, as_json=as_json)
                return
            if whom.user_id is not None:
                sys.stderr.write("Reading every record, to see whose it is ...\n")
            done = erase(eraser, whom, key, reason, confirmed=confirm, workers=where.concurrency)
        print_result(json.dumps(done.to_document()) if as_json else _as_text(done))
        if not done.is_clean:
            raise typer.Exit(EXIT_SOME_FAILED)


def _check_choice(user: int | None, certificate: str | None) -> None:
    if (user is None) == (certificate is None):
        raise SettingsError("erase needs either --user or --certificate", fix="Give one of them")
    if user is not None and not 0 < user <= MAX_ID:
        raise SettingsError("--user is no id", fix="Give the person's id in FrontCore, a whole number")
    if certificate is not None and is_blank(certificate):
        raise SettingsError(
            "--certificate is blank", fix="Give a certificate number, or d-123 for diploma 123 without one"
        )


def _lift(eraser: Eraser, whom: Whom, key: SecretStr, *, confirmed: bool, as_json: bool) -> None:
    was_suppressed, kept = lift(eraser, whom, key, confirmed=confirmed)
    if as_json:
        document = {
            "dry_run": not confirmed,
            "was_suppressed": was_suppressed,
            "lifted": confirmed and was_suppressed and not kept,
            "locked": [each.to_document() for each in kept],
        }
        print_result(json.dumps(document))
    elif not was_suppressed:
        print_result("There is no suppression mark for this choice.")
    elif not confirmed:
        print_result("There is a suppression mark. Nothing was changed: add --confirm to remove it.")
    elif kept:
        print_result("\n".join(["The suppression mark is still there:", *map(_kept_line, kept)]))
    else:
        print_result("The suppression mark is gone: the next sync --all, or sync --user, archives what FrontCore has.")
    if kept:
        raise typer.Exit(EXIT_SOME_FAILED)


def _as_text(done: Erasure) -> str:
    document = done.to_document()
    lines = _at_most(
        [f"{each['versions']:>4} {_versions(each['versions'])}  {each['key']}" for each in document["keys"]]
    )
    held = (
        f"{document['objects']} objects in {document['versions']} versions, {document['records']} of them records"
        if document["keys"]
        else "nothing"
    )
    if done.receipt is None:
        lines.append(f"Dry run, nothing was changed. Held now: {held}.")
        lines.append("Kept out of later runs already." if done.was_suppressed else "Not kept out of later runs yet.")
    else:
        lines.append(
            f"Found: {held}. Gone for good: {done.receipt.objects} objects in {done.receipt.versions} versions."
        )
        lines.append("Later runs do not archive them again.")
        if done.receipt_key:
            lines.append(f"Receipt: {done.receipt_key}")
    if done.found.shared:
        lines.append("Stays, since it is another person's too:")
        lines += [f"  {key}" for key in sorted(done.found.shared)]
    if done.found.unclear:
        lines.append("Look at these yourself (erase --certificate takes what lies under one):")
        lines += _at_most([f"  {key} {why}" for key, why in sorted(done.found.unclear.items())])
    if done.kept:
        lines.append(
            "S3 does not remove these now:" if done.receipt is None else "NOT erased, S3 does not remove them:"
        )
        lines += _at_most([_kept_line(kept) for kept in done.kept])
    if done.unlisted:
        lines.append("S3 shows these and does not list their versions, so nobody can tell whose they are:")
        lines += _at_most([f"  {key}" for key in done.unlisted])
    if done.receipt is not None and not done.receipt.versions_looked_at:
        hidden = " It has some, which may hold what was erased." if done.receipt.versions_hidden else ""
        lines.append(f"This S3 server does not list versions, so they could not be looked at.{hidden}")
    if done.receipt is not None:
        complete = "Complete, as far as anybody can tell." if done.found.unclear else "Complete."
        lines.append(complete if done.receipt.is_complete else "NOT complete: run it again when that is settled.")
    elif done.found.versions:
        lines.append("Add --confirm to erase, while no run is active.")
    return "\n".join(map(without_controls, lines))


def _at_most(lines: list[str]) -> list[str]:
    more = len(lines) - MAX_LINES
    return lines if more <= 0 else [*lines[:MAX_LINES], f"  ... and {more} more; --json names them all"]


def _kept_line(kept: Kept) -> str:
    until = f" until {kept.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if kept.until else ""
    why = "no permission, or held back by the server" if kept.reason == "refused" else f"{kept.reason}{until}"
    return f"  {kept.version.key} version {kept.version.version_id or '-'}: {why}"


def _versions(count: int) -> str:
    return "version " if count == 1 else "versions"
