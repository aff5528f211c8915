"""`diploma-archive find`: which diplomas the archive holds, by number, person, course or date.

Rule: by certificate number or serial alone it asks the bucket, four requests at the most; every other search asks
the catalogue, which is brought up to date first.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from diploma_archive.archive.open_archive import open_for_a_look, open_reader
from diploma_archive.catalogue.catalogue import Catalogue, open_catalogue
from diploma_archive.catalogue.hit import Hit
from diploma_archive.catalogue.query import Criteria
from diploma_archive.cli.app import app
from diploma_archive.cli.reporting import EXIT_SOME_FAILED, print_result, reporting
from diploma_archive.cli.tables import note, print_table
from diploma_archive.errors import SettingsError
from diploma_archive.model.coercion import MAX_ID
from diploma_archive.model.keys import certificate_segment, is_blank
from diploma_archive.model.typed_certificate_number import certificate_segments, serial_segments
from diploma_archive.search.number_lookup import Lookup
from diploma_archive.settings.loading import load_archive_settings

COLUMNS = (
    *("serial", "certificate", "diploma", "participant", "user", "status", "course", "course date", "archived"),
    "revisions",
)
MAX_LIMIT = 1_000_000
UNREADABLE_SHOWN = 20


@dataclass
class Answer:
    """What was found."""

    hits: list[Hit] = field(default_factory=list)
    total: int | None = 0  # None: more than was looked at
    troubles: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it as one object."""
        return {
            "diplomas": [hit.as_json() for hit in self.hits],
            "total": self.total,
            "more": self.total is None or self.total > len(self.hits),
            "troubles": self.troubles,
        }


@app.command()
def find(
    certificate: Annotated[
        str | None, typer.Option(help="Certificate number, or its folder in the bucket (c-...).", metavar="C")
    ] = None,
    serial: Annotated[
        str | None, typer.Option(help="Serial, or its folder in the bucket (s-...).", metavar="S")
    ] = None,
    diploma: Annotated[int | None, typer.Option(help="Diploma id.", metavar="N", min=1, max=MAX_ID)] = None,
    participant: Annotated[int | None, typer.Option(help="Participant id.", metavar="N", min=1, max=MAX_ID)] = None,
    user: Annotated[
        int | None, typer.Option(help="User id: all of one person.", metavar="N", min=1, max=MAX_ID)
    ] = None,
    course: Annotated[
        str | None, typer.Option(help="Course id or reference, or a part of its title or reference.", metavar="TEXT")
    ] = None,
    first_day: Annotated[
        str | None, typer.Option("--from", help="Course dates that start on this day or later.", metavar="DATE")
    ] = None,
    last_day: Annotated[
        str | None, typer.Option("--to", help="Course dates that start on this day or earlier.", metavar="DATE")
    ] = None,
    limit: Annotated[int, typer.Option(help="Show this many at the most.", min=1, max=MAX_LIMIT)] = 100,
    catalogue: Annotated[
        Path | None, typer.Option(help="Where the catalogue lies; else ARCHIVE_CATALOGUE.", metavar="FILE")
    ] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build the catalogue anew from the bucket.")] = False,
    no_update: Annotated[
        bool, typer.Option("--no-update", help="Search the catalogue as it was at the last update, without a LIST.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, as the last line.")] = False,
) -> None:
    """Find diplomas; all that is given must hold. Exit code 1: there is none, or something could not be read.

    By --certificate or --serial alone the bucket is asked, with four requests at the most.
    Everything else is searched for in a catalogue on this machine (ids, dates and courses, no names).
    """
    with reporting(as_json):
        where, access = load_archive_settings()
        criteria = Criteria(
            diploma_id=diploma,
            participant_id=participant,
            user_id=user,
            course=course,
            first_day=_day(first_day, "--from"),
            last_day=_day(last_day, "--to"),
        )
        _check(criteria, certificate, serial, rebuild=rebuild, no_update=no_update)
        if is_blank(certificate) and certificate is not None and diploma is not None:
            certificate, criteria = certificate_segment(None, diploma), Criteria()
        by_number = certificate is not None or serial is not None
        if by_number and criteria == Criteria() and not rebuild:
            with open_for_a_look(where, access) as reader:
                answer = _look(Lookup(reader), certificate, serial, limit)
        else:
            with (
                open_reader(where, access) as reader,
                open_catalogue(reader, where, catalogue, rebuild=rebuild, note=note) as opened,
            ):
                _bring_up_to_date(opened, where.concurrency, no_update=no_update)
                answer = _search(opened, criteria, certificate, serial, limit)
        _print(answer, as_json)
        if answer.troubles or not answer.hits:
            raise typer.Exit(EXIT_SOME_FAILED)


def _check(criteria: Criteria, certificate: str | None, serial: str | None, *, rebuild: bool, no_update: bool) -> None:
    """Refuse what says nothing or contradicts itself, before the first request."""
    if rebuild and no_update:
        raise SettingsError("--rebuild and --no-update exclude each other", fix="Leave one of them out")
    if criteria.course is not None and is_blank(criteria.course):
        raise SettingsError("--course is blank", fix="Give an id, a reference, or a part of the title")
    if criteria.first_day and criteria.last_day and criteria.last_day < criteria.first_day:
        raise SettingsError("--to is earlier than --from", fix="Exchange the two")
    nothing_else = criteria in (Criteria(), Criteria(diploma_id=criteria.diploma_id)) and serial is None and not rebuild
    if certificate is not None and is_blank(certificate) and not nothing_else:
        raise SettingsError(
            "a blank certificate number is searched for alone or with --diploma", fix="Leave --certificate out"
        )
    if criteria == Criteria() and certificate is None and serial is None and not rebuild:
        raise SettingsError(
            "find needs to know what to look for",
            fix="Give --certificate, --serial, --diploma, --participant, --user, --course, --from or --to",
        )


def _day(text: str | None, option: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text.strip())
    except ValueError:
        raise SettingsError(f"{option} is no date that exists", fix='Write it as "2026-03-01"') from None


def _look(lookup: Lookup, certificate: str | None, serial: str | None, limit: int) -> Answer:
    if serial is not None:
        certificates = () if certificate is None else certificate_segments(certificate)
        looked = lookup.by_serial(serial_segments(serial), certificates)
    elif certificate is None or is_blank(certificate):
        looked = lookup.without_certificate()
    else:
        looked = lookup.by_certificate(certificate_segments(certificate))
    return Answer(list(looked.hits[:limit]), None if looked.more else len(looked.hits), lookup.troubles)


def _bring_up_to_date(catalogue: Catalogue, workers: int, *, no_update: bool) -> None:
    if no_update and catalogue.updated_at is not None:
        note(f"The catalogue is that of {catalogue.updated_at}, as --no-update asks for")
        return
    told = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told > 5:
            told = time.monotonic()
            note(f"The catalogue reads new records: {done:,} of {total:,}")

    updated = catalogue.update(workers, progress)
    if updated.read >= 1_000:
        note(f"The catalogue has read {updated.read:,} new records in {updated.seconds:.0f} s ({catalogue.file})")


def _search(
    catalogue: Catalogue, criteria: Criteria, certificate: str | None, serial: str | None, limit: int
) -> Answer:
    answer = Answer(troubles=[f"{bad.record}: {bad.error}" for bad in catalogue.unreadable()])
    for one in certificate_segments(certificate) if certificate is not None else (None,):
        for other in serial_segments(serial) if serial is not None else (None,):
            found = catalogue.find(replace(criteria, certificate=one, serial=other), limit)
            if found.total:
                answer.hits, answer.total = found.hits, found.total
                return answer
    return answer


def _print(answer: Answer, as_json: bool) -> None:
    for trouble in answer.troubles[:UNREADABLE_SHOWN]:
        note(trouble)
    if len(answer.troubles) > UNREADABLE_SHOWN:
        note(f"{len(answer.troubles) - UNREADABLE_SHOWN} more could not be read; --json names all of them")
    if as_json:
        print_result(json.dumps(answer.as_json()))
    if not answer.hits:
        note("The archive holds no such diploma")
        return
    if not as_json:
        print_table(COLUMNS, [_row(hit) for hit in answer.hits])
        for sentence in dict.fromkeys(_explanations(answer)):
            note(sentence)


def _explanations(answer: Answer) -> list[str]:
    said = [
        f"{hit.certificate}: {hit.note}; diploma-archive show {hit.certificate} tells it"
        for hit in answer.hits
        if hit.note is not None
    ][:5]
    if any(hit.read != "record" for hit in answer.hits):
        said.append("- stands for what four requests do not tell; diploma-archive show reads everything")
    if any(hit.matched == "older" for hit in answer.hits):
        said.append("* only an older revision is what was asked for; the line shows the current one")
    if answer.total is None:
        said.append(f"{len(answer.hits):,} shown, there are more; narrow the search down")
    elif answer.total > len(answer.hits):
        said.append(f"{len(answer.hits):,} of {answer.total:,} shown; --limit shows more")
    return said


def _row(hit: Hit) -> tuple[object, ...]:
    course = " ".join(part for part in (hit.course_reference, hit.course_title) if part)
    return (
        hit.serial,
        hit.certificate_number or hit.certificate,
        hit.diploma_id,
        hit.participant_id,
        hit.user_id,
        None if hit.status is None else f"{hit.status}{'*' if hit.matched == 'older' else ''}",
        course or None,
        hit.course_date,
        None if hit.archived_at is None else f"{hit.archived_at[:19]}Z",
        hit.revisions,
    )
