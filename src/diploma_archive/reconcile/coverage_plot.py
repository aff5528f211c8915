"""The plot of a coverage, as SVG or PNG: by month and by course, archived and not archived.

Rule: drawn from counts and course titles alone; nothing is loaded from elsewhere. The two colours differ in grey too,
and what is not archived is hatched. matplotlib is the optional extra `plot`.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

from diploma_archive.errors import SettingsError
from diploma_archive.reconcile.coverage import Coverage, Row, by_year, largest, percent_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_COURSES = 20
MAX_MONTHS = 36  # more of them are drawn as years
_ARCHIVED: dict[str, Any] = {"facecolor": "#1f5a8a", "edgecolor": "#1f5a8a", "linewidth": 0.8}
_NOT_ARCHIVED: dict[str, Any] = {"facecolor": "#f6c48f", "edgecolor": "#8a4b00", "linewidth": 0.8, "hatch": "///"}


def coverage_plot(coverage: Coverage, kind: str = "svg") -> bytes:
    """Return the plot of a coverage that is not empty, as a picture.

    Args:
        kind: `svg`, without anything but the drawing, or `png`.

    Raises:
        SettingsError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context  # noqa: PLC0415  an extra that not everybody has
    except ImportError:
        raise SettingsError("the plot needs matplotlib", fix="pip install 'diploma-archive[plot]'") from None
    # Text as shapes: the same picture on every machine, whatever fonts it has.
    style: dict[Any, Any] = {
        "svg.fonttype": "path",
        "svg.hashsalt": "diploma-archive",
        "hatch.linewidth": 0.8,
        "font.size": 9,
    }
    with warnings.catch_warnings(), rc_context(style):
        warnings.simplefilter("ignore")  # a title in a script that the font does not have is drawn as boxes
        picture = io.BytesIO()
        nothing: dict[str, Any] = {"Creator": None, "Date": None, "Format": None, "Type": None}
        _drawn(coverage).savefig(picture, format=kind, dpi=120, metadata=nothing if kind == "svg" else None)
    drawing = picture.getvalue()
    return drawing[drawing.index(b"<svg") :] if kind == "svg" else drawing


def _drawn(coverage: Coverage) -> Figure:
    # The figure itself, not pyplot: no window system, no state that threads would share.
    from matplotlib.figure import Figure  # noqa: PLC0415  as above
    from matplotlib.patches import Patch  # noqa: PLC0415

    months, courses = coverage.by_month(), largest(coverage.by_course(), MAX_COURSES, "smaller courses")
    by_what, periods = ("year", by_year(months)) if len(months) > MAX_MONTHS else ("month", months)
    heights = [3.0, 1.1 + 0.27 * max(len(courses), 2)]
    figure = Figure(figsize=(9.6, 0.9 + sum(heights)), layout="constrained")
    total = coverage.total
    title = f"{total.archived} of {total.issued} issued diplomas are archived ({percent_text(total)})"
    figure.suptitle(title, fontsize=13, fontweight="bold")
    # Figures of their own, so that long titles of courses leave the months their width.
    (above,), (below,) = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)
    _draw_periods(above.subplots(), periods, by_what)
    _draw_courses(below.subplots(), courses)
    key = [
        Patch(**_ARCHIVED, label="archived"),
        Patch(**_NOT_ARCHIVED, label="issued, not archived (with their number)"),
    ]
    figure.legend(handles=key, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _draw_periods(axes: Axes, rows: list[Row], by_what: str) -> None:
    axes.bar(range(len(rows)), [row.count.archived for row in rows], **_ARCHIVED)
    for place, row in enumerate(rows):
        missing = row.count.issued - row.count.archived
        if missing:  # what is whole needs no words
            axes.bar(place, missing, bottom=row.count.archived, **_NOT_ARCHIVED)
            top = (place, row.count.issued)
            axes.annotate(str(missing), top, (0, 2), textcoords="offset points", ha="center", fontsize=8)
    axes.set_title(f"By {by_what} of the course date", loc="left")
    axes.set_ylabel("diplomas")
    axes.set_xticks(range(len(rows)), [row.name for row in rows], rotation=60 if len(rows) > 10 else 0, fontsize=8)
    axes.set_xlim(-0.8, max(len(rows), 10) - 0.2)
    axes.set_ylim(0, 1.12 * max(row.count.issued for row in rows))
    _tidy(axes, "y")


def _draw_courses(axes: Axes, rows: list[Row]) -> None:
    axes.barh(range(len(rows)), [row.count.archived for row in rows], **_ARCHIVED)
    for place, row in enumerate(rows):
        if row.count.archived < row.count.issued:
            missing = row.count.issued - row.count.archived
            axes.barh(place, missing, left=row.count.archived, **_NOT_ARCHIVED)
        shown = f" {row.count.archived} of {row.count.issued} ({percent_text(row.count)})"
        axes.text(row.count.issued, place, shown, va="center", fontsize=8)
    axes.set_title("By course", loc="left")
    axes.set_xlabel("diplomas")
    # Titles come from outside: a dollar sign in one is no formula.
    axes.set_yticks(range(len(rows)), [row.name for row in rows], parse_math=False, fontsize=8)
    axes.set_ylim(max(len(rows), 2) - 0.4, -0.6)
    axes.set_xlim(0, 1.25 * max(row.count.issued for row in rows))
    _tidy(axes, "x")


def _tidy(axes: Axes, counted: str) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415  as above

    (axes.yaxis if counted == "y" else axes.xaxis).set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    axes.grid(axis="y" if counted == "y" else "x", color="#d0d0d0", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
