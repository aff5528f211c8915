"""`diploma-archive show`: everything under one certificate, which revision is current and why, and its PDF.

Rule: a PDF is verified while it is read, and saved only when it is what was archived; a link is printed on stdout and
nowhere else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from diploma_archive.archive.open_archive import open_reader
from diploma_archive.cli.app import app
from diploma_archive.cli.reporting import EXIT_SOME_FAILED, print_result, reporting
from diploma_archive.cli.show_file import link_to_file, look_at, look_at_newest, save_file
from diploma_archive.cli.show_selection import dossiers_of
from diploma_archive.cli.show_text import Shown, lines_of
from diploma_archive.cli.tables import note
from diploma_archive.errors import SettingsError
from diploma_archive.model.coercion import MAX_ID
from diploma_archive.model.keys import is_blank
from diploma_archive.search.dossier import Held, Revision
from diploma_archive.settings.loading import load_archive_settings
from diploma_archive.store.presigned_link import DEFAULT_MINUTES, MAX_MINUTES


@app.command()
def show(
    certificate: Annotated[
        str | None, typer.Argument(help="Certificate number, or its folder (c-..., d-...).", metavar="CERTIFICATE")
    ] = None,
    serial: Annotated[
        str | None, typer.Option(help="Serial, or its folder in the bucket (s-...).", metavar="S")
    ] = None,
    diploma: Annotated[
        int | None, typer.Option(help="This diploma; alone, it is searched for.", min=1, max=MAX_ID, metavar="N")
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="The PDF of this revision instead of the current one.", metavar="R")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Save the PDF there: a file, or a folder that exists.", metavar="FILE")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --out.")] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Print a link to the PDF, which works without credentials, and nothing else.")
    ] = False,
    minutes: Annotated[
        int | None,
        typer.Option(help=f"How long the link works ({DEFAULT_MINUTES} by default).", min=1, max=MAX_MINUTES),
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option(help="Where the catalogue lies; else ARCHIVE_CATALOGUE.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, as the last line.")] = False,
) -> None:
    """Show all revisions of a diploma, and verify, save or share its PDF.

    Exit code 1: there is no such diploma, something could not be read, or the PDF is not the one that was archived.
    """
    with reporting(as_json):
        where, access = load_archive_settings()
        _check(certificate, serial, diploma, out=out, overwrite=overwrite, link=link, minutes=minutes)
        with open_reader(where, access) as reader:
            dossiers = dossiers_of(reader, where, certificate, serial, diploma, catalogue)
            what = Shown(dossiers)
            if out is None and not link and revision is None:
                for each in what.held:
                    look_at_newest(reader, what, each)
            elif (held := _only(what.held)) is not None:
                chosen = _chosen(held, revision)
                if out is not None:
                    save_file(reader, what, held, chosen, out, overwrite=overwrite)
                elif link:
                    link_to_file(reader, what, held, chosen, where, access, minutes or DEFAULT_MINUTES)
                else:
                    look_at(reader, what, held, chosen)
        _print(what, as_json, link=link)
        if not what.held or not what.is_good:
            raise typer.Exit(EXIT_SOME_FAILED)


def _check(
    certificate: str | None,
    serial: str | None,
    diploma: int | None,
    *,
    out: Path | None,
    overwrite: bool,
    link: bool,
    minutes: int | None,
) -> None:
    """Refuse what says nothing or contradicts itself, before the first request."""
    if certificate is None and serial is None and diploma is None:
        raise SettingsError("show needs to know which diploma", fix="Give a certificate number, --serial or --diploma")
    if certificate is not None and serial is not None:
        raise SettingsError("a certificate number and --serial exclude each other", fix="Leave one of them out")
    if certificate is not None and is_blank(certificate) and diploma is None:
        raise SettingsError("the certificate number is blank", fix="A diploma without one is shown by --diploma")
    if link and out is not None:
        raise SettingsError("--link and --out exclude each other", fix="Leave one of them out")
    if minutes is not None and not link:
        raise SettingsError("--minutes belongs to --link", fix="Leave it out, or give --link too")
    if overwrite and out is None:
        raise SettingsError("--overwrite belongs to --out", fix="Leave it out, or give --out too")


def _only(held: list[Held]) -> Held | None:
    if len(held) > 1:
        ids = ", ".join(str(one.current.content.diploma_id) for one in held)
        raise SettingsError(f"several diplomas lie there: {ids}", fix="Choose one with --diploma")
    return held[0] if held else None


def _chosen(held: Held, name: str | None) -> Revision:
    if name is None:
        return held.current
    found = held.revision(name.strip().lower())
    if found is None:
        raise SettingsError(
            "this diploma has no such revision", fix="diploma-archive show without --revision lists them"
        )
    return found


def _print(what: Shown, as_json: bool, *, link: bool) -> None:
    if as_json:
        print_result(json.dumps(what.as_json()))
    elif what.link is not None:
        print_result(what.link)
    elif not link:  # whoever pipes the link on gets a link or nothing
        for line in lines_of(what):
            print_result(line)
    for trouble in what.troubles:
        note(f"{trouble.key}: {trouble.error}")
    for check in what.checks.values():
        if check.error is not None:
            note(f"The PDF: {check.error}")
    if what.troubles and what.held:
        note("Something could not be read: what is called current is so among the rest alone")
    if what.saved is not None:
        note(f"Verified and saved: {what.saved}")
    if what.link is not None:
        note(f"Whoever has the link can read the diploma for {what.minutes} minutes; its bytes were not verified")
    if not what.held and not what.troubles:
        note("The archive holds no such diploma; where it should, diploma-archive rebuild-index renews the index")
