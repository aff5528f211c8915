"""A page that tells a person what the archive holds on them: what, from where, since when.

Rule: it stands alone, runs nothing, loads nothing, and shows text from the source as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from typing import Any

from diploma_archive.export.csv_table import visible
from diploma_archive.model.json_document import TOOL, Document

PAGE_FILE = "subject.html"

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem}th,td{text-align:left;vertical-align:top;"
    "padding:.15rem .75rem .15rem 0;border-bottom:1px solid #ddd;overflow-wrap:anywhere}th{font-weight:600}"
)
_NOT_SHOWN = frozenset({"format", "tool", "run_id", "generation", "supersedes", "diploma_id"})


@dataclass(frozen=True)
class Page:
    """What the page tells; the records come sorted by diploma and time, the notes with the keys of their files."""

    user_id: int
    identity: Document
    records: tuple[Document, ...]
    quarantine: tuple[tuple[str, Document], ...]
    withheld: int
    copies_elsewhere: int
    unnamed: int
    problems: int


def render(page: Page, file_of: Callable[[str], str | None]) -> str:
    """Return the page as HTML.

    Args:
        file_of: returns the file of an object, as a path that the page can link to, or None where it is not there.
    """
    parts = [*_summary(page), *_diplomas(page, file_of), *_quarantine(page, file_of), *_rest(page)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>What is stored on person {page.user_id}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _summary(page: Page) -> Iterator[str]:
    yield f"<h1>What is stored on person {page.user_id}</h1>"
    moments = sorted(str(record["archived_at"]) for record in page.records)
    yield _table(
        [
            ("Whose archive", page.identity.get("account")),
            ("Where it came from", f"FrontCore, {page.identity.get('base_url')}"),
            ("Diplomas", len({record["diploma_id"] for record in page.records})),
            ("Records of them", len(page.records)),
            ("Stored since", moments[0] if moments else None),
            ("Last stored", moments[-1] if moments else None),
            ("This list was made", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC by {TOOL}"),
        ]
    )
    if page.problems:
        yield (
            f"<p><strong>{page.problems} objects could not be read, and may be on this person too: "
            "see not-exported.csv.</strong></p>"
        )


def _diplomas(page: Page, file_of: Callable[[str], str | None]) -> Iterator[str]:
    for diploma_id, records in groupby(page.records, key=lambda record: record["diploma_id"]):
        yield f"<h2>Diploma {_text(diploma_id)}</h2>"
        for record in records:
            yield f"<h3>As it was archived on {_text(record['archived_at'])}</h3>"
            if record["file"]:
                yield f"<p>{_link('The diploma (PDF)', file_of(record['file']['key']))}</p>"
            fields = {name: value for name, value in record.items() if name not in _NOT_SHOWN}
            yield _table(_flat(fields))


def _quarantine(page: Page, file_of: Callable[[str], str | None]) -> Iterator[str]:
    if page.quarantine:
        yield "<h2>Files set aside</h2>"
        yield "<p>These came as files of the diplomas above and were no good diploma; they are kept, and not used.</p>"
    for key, note in page.quarantine:
        yield f"<p>{_link('The file as it came', file_of(key))}</p>"
        yield _table(_flat(note))


def _rest(page: Page) -> Iterator[str]:
    yield "<h2>What else there is</h2><ul>"
    yield (
        "<li>The index of the archive and the reports of its runs name the diplomas above by their numbers alone; "
        "the index entries are in this folder too.</li>"
    )
    if page.withheld:
        yield (
            f"<li>{page.withheld} files came under a number of this person and are another person's; "
            "they are set aside, and not in this folder.</li>"
        )
    if page.copies_elsewhere:
        yield (
            f"<li>{page.copies_elsewhere} further copies of the PDFs above came under another person's number, "
            "and are set aside.</li>"
        )
    if page.unnamed:
        yield (
            f"<li>{page.unnamed} records of the archive name no person, since the source named none or the archive "
            "leaves that out; whose they are cannot be told from them.</li>"
        )
    yield "</ul>"


def _flat(fields: Document, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _table(rows: Iterable[tuple[str, Any]]) -> str:
    lines = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows)
    return f"<table>{lines}</table>"


def _link(text: str, file: str | None) -> str:
    return f'<a href="{escape(file)}">{text}</a>' if file else f"{text}: not in this folder, see not-exported.csv"


def _text(value: Any) -> str:
    if value is None:
        return "&ndash;"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"<bdi>{escape(visible(str(value)))}</bdi>"
