"""docs/commands.md shows what the commands print."""

from __future__ import annotations

import difflib
import subprocess
import sys

import pytest

from tests.support.command_docs import FILE, plain
from tests.support.paths import ROOT

REMAKE = "from tests.support.command_docs import FILE, remade; import sys; sys.stdout.write(remade(FILE.read_text()))"


@pytest.mark.long
def test_the_documentation_shows_what_the_commands_print() -> None:
    """Every output in the file is today's but for ids, dates and sizes; `make docs` makes it so."""
    done = subprocess.run([sys.executable, "-c", REMAKE], cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = (plain(text).split("\n") for text in (FILE.read_text(encoding="utf-8"), done.stdout))
    assert list(difflib.unified_diff(before, after, "docs/commands.md", "today", lineterm="", n=1)) == []
