"""The coverage figure, and the plot of it."""

from __future__ import annotations

import re

import pytest

from diploma_archive.reconcile.coverage import (
    NO_MONTH,
    Count,
    Coverage,
    by_year,
    largest,
    month_of,
    percent_text,
    plain,
)
from diploma_archive.reconcile.coverage_plot import coverage_plot


def coverage(*counts: tuple[int | None, str | None, str, int, int]) -> Coverage:
    """Return a coverage of (course id, title, month, issued, archived)."""
    result = Coverage()
    for course_id, title, month, issued, archived in counts:
        for number in range(issued):
            result.add(course_id, title, month, archived=number < archived)
    return result


@pytest.mark.parametrize(
    ("issued", "archived", "percent"),
    [(0, 0, None), (6, 6, 100.0), (6, 5, 83.33), (100_000, 99_999, 99.99), (3, 1, 33.33), (7, 0, 0.0)],
)
def test_only_a_whole_archive_reads_100(issued: int, archived: int, percent: float | None) -> None:
    """A percentage is rounded down: one diploma of 100,000 that is missing shows."""
    assert Count(issued, archived).percent == percent


def test_the_figures_add_up() -> None:
    """Courses and months are two views of the same diplomas."""
    figures = coverage((1, "A", "2026-01", 3, 2), (2, None, "2025-12", 4, 4), (None, None, NO_MONTH, 1, 0))
    assert [(row.name, row.count.issued, row.count.archived) for row in figures.by_course()] == [
        ("course 2", 4, 4),
        ("A (1)", 3, 2),
        ("no course", 1, 0),
    ]
    assert [row.name for row in figures.by_month()] == ["2025-12", "2026-01", NO_MONTH]
    assert [row.name for row in by_year(figures.by_month())] == ["2025", "2026", NO_MONTH]
    document = figures.to_document()
    assert (document["issued"], document["archived"], document["coverage"]) == (8, 6, 75.0)


def test_small_rows_are_added_up_not_dropped() -> None:
    """However many courses there are, none is left out of the picture."""
    rows = coverage(*((number, None, "2026-01", 1, 1) for number in range(1, 50))).by_course()
    shown = largest(rows, 20, "smaller courses")
    assert len(shown) == 20
    assert shown[-1].name == "30 smaller courses"
    assert sum(row.count.issued for row in shown) == 49


@pytest.mark.parametrize(
    ("starts_at", "month"),
    [
        ("2024-02-15 09:00:00", "2024-02"),
        ("2024-02-15", "2024-02"),
        ("2024-02-29T23:30:00+00:00", "2024-03"),
        (None, NO_MONTH),
        ("", NO_MONTH),
        ("0000-00-00 00:00:00", NO_MONTH),
        ("soon", NO_MONTH),
    ],
)
def test_the_month_is_norways(starts_at: str | None, month: str) -> None:
    """A course date counts to the month that Norway's calendar shows; what cannot be read has no month."""
    assert month_of(starts_at) == month


def test_titles_are_one_short_line() -> None:
    """What a title holds breaks no table and no terminal."""
    assert plain("a\n\x1b[31mb\u202e" + "c" * 100).startswith("a [31mb c")
    assert len(plain("x" * 100)) == 60


def test_percentages_are_readable() -> None:
    """No trailing zeros, and a dash for nothing."""
    assert [percent_text(Count(*figures)) for figures in ((2, 2), (8, 1), (0, 0))] == ["100 %", "12.5 %", "-"]


@pytest.mark.parametrize("title", ["$x^{$", r"\frac{", "日本語 🎓", "a" * 300, "%s {} <b>&amp;</b>"], ids=repr)
def test_any_title_can_be_drawn(title: str) -> None:
    """A title is text, never a formula or markup."""
    drawing = coverage_plot(coverage((1, title, "2026-01", 3, 2))).decode()
    assert drawing.startswith("<svg")
    assert "<b>" not in drawing


def test_the_plot_is_a_drawing_and_nothing_else() -> None:
    """It loads nothing, says nothing of when and by what it was made, and is the same each time."""
    figures = coverage((1, "A", "2026-01", 3, 2), (2, "B", "2026-02", 2, 2))
    drawing = coverage_plot(figures).decode()
    assert set(re.findall(r'https?://[^"<> ]+', drawing)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "metadata" not in drawing
    assert drawing == coverage_plot(figures).decode()
    assert coverage_plot(figures, "png").startswith(b"\x89PNG")
