"""Tables and lines of text for a terminal, and the same without frames or colours where there is none.

Rule: text from the source is shown, never interpreted: no control character, escape sequence or markup reaches the
terminal. `--json` keeps such text exactly as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from diploma_archive.cli.reporting import print_result
from diploma_archive.model.plain_text import without_controls

PLAIN_WIDTH = 10_000  # no terminal, no line end: nothing is cut or wrapped for a script or a file


def shown(value: object) -> str:
    """Return a value as it may be shown: harmless and on one line, `-` for None, writable in stdout's encoding."""
    text = "-" if value is None else without_controls(str(value))
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def print_line(text: str) -> None:
    """Write a line to stdout, without what a terminal would interpret."""
    print_result(shown(text))


def note(sentence: str) -> None:
    """Write a sentence to stderr, without what a terminal would interpret."""
    sys.stderr.write(f"{without_controls(sentence).rstrip('.')}.\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table to stdout; without a terminal it is plain, one row a line."""
    is_terminal = sys.stdout.isatty()
    # `force_terminal`: whatever FORCE_COLOR says, a file or pipe gets no escape sequences.
    console = Console(width=None if is_terminal else PLAIN_WIDTH, force_terminal=is_terminal, highlight=False)
    table = Table(box=box.SIMPLE_HEAD if is_terminal else None, pad_edge=False)
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        # `Text` is taken as it is: no markup, no emoji names.
        table.add_row(*(Text(shown(value)) for value in row))
    with console.capture() as captured:
        console.print(table)
    print_result("\n".join(line.rstrip() for line in captured.get().splitlines()))
