"""A reconciliation as one HTML file: figures, plot, tables, and what to paste into a backfill.

Rule: the file holds all that it shows and loads nothing; ids, counts and course titles only, never a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from tempfile import NamedTemporaryFile

from diploma_archive.errors import SettingsError
from diploma_archive.model.source_time import source_time
from diploma_archive.reconcile.coverage import Row, percent_text
from diploma_archive.reconcile.coverage_plot import coverage_plot
from diploma_archive.reconcile.differences import MEANING, Found
from diploma_archive.reconcile.report import MAX_KEPT, Reconciled

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; margin: .6rem 0; } th, td { padding: .2rem .7rem; border-bottom: 1px solid #d0d0d0; }
th { text-align: left; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: #f2f2f2; padding: .7rem; white-space: pre-wrap; overflow-wrap: anywhere; }
svg { max-width: 100%; height: auto; }
"""


def html_report(result: Reconciled, account: str, made_at: datetime) -> str:
    """Return the report of a reconciliation.

    Args:
        made_at: an aware moment; shown as Norway's clocks show it.
    """
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>Diploma archive: reconciliation of {escape(account)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Archive and FrontCore compared: account {escape(account)}</h1>",
        f"<p>{source_time(made_at):%Y-%m-%d %H:%M} (Europe/Oslo). <strong>{escape(result.sentence())}.</strong></p>",
        _table(
            ("found", "number", "what it means"),
            [(kind.replace("_", " "), result.counts[kind], MEANING[kind]) for kind in Found],
        ),
        *(
            f"<h2>Archive these ({what})</h2><p>Paste into the backfill's field {what}:</p><pre>{escape(ids)}</pre>"
            for what, ids in result.backfill()
        ),
        "<h2>Coverage</h2>",
        _plot(result),
        _coverage_table("course", result.coverage.by_course()),
        _coverage_table("month", result.coverage.by_month()),
        *_to_look_at(result),
        f"<p>{result.requests} requests to FrontCore; nothing was downloaded or written.</p></body></html>",
    ]
    return "\n".join(parts) + "\n"


def check_writable(path: Path) -> None:
    """Check that a report can be written there, before hours are spent on it.

    Raises:
        SettingsError: it cannot.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise SettingsError("--html does not name a file in a folder that exists", fix="Give the path of a file")
    try:
        with NamedTemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise _not_written(error) from None


def write_html(path: Path, text: str) -> None:
    """Write the report; one that was there before is replaced only by a whole one.

    Raises:
        SettingsError: it cannot be written.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        # A title may hold half a surrogate pair.
        new.write_text(text, encoding="utf-8", errors="replace")
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise _not_written(error) from None


def _not_written(error: OSError) -> SettingsError:
    return SettingsError(f"the HTML report cannot be written ({error.strerror})", fix="Choose another --html")


def _plot(result: Reconciled) -> str:
    if not result.coverage.total.issued:
        return "<p>Nothing was issued, so there is nothing to draw.</p>"
    try:
        drawing = coverage_plot(result.coverage).decode("utf-8")
    except SettingsError as error:
        return f"<p>There is no plot here: {escape(error.diagnostics())}</p>"
    return drawing.replace("<svg ", '<svg role="img" aria-label="Coverage by month and by course; figures below" ', 1)


def _coverage_table(what: str, rows: list[Row]) -> str:
    shown = [(row.name, row.count.archived, row.count.issued, percent_text(row.count)) for row in rows]
    return f"<h2>By {what}</h2>" + _table((what, "archived", "of issued", "coverage"), shown)


def _to_look_at(result: Reconciled) -> Iterable[str]:
    found = [one for kind in Found for one in result.sorted(kind)]
    if not found:
        return
    yield "<h2>To look at</h2>"
    rows = [
        (one.kind.replace("_", " "), one.diploma_id, one.participant_id, one.course_id, one.month, one.error)
        for one in found
    ]
    yield _table(("found", "diploma", "participant", "course", "month", "reason"), rows)
    more = sum(result.counts.values()) - len(found)
    if more:
        yield f"<p>{more} more: only the first {MAX_KEPT} of each kind are named.</p>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    lines = ("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    is_figure = isinstance(value, int) or text.endswith(" %")
    return f'<td class="n">{escape(text)}</td>' if is_figure else f"<td>{escape(text)}</td>"
