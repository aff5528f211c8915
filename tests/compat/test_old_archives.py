"""Archives of earlier versions, made by `python -m tests.compat.at_commit`: this version reads them and goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ARCHIVES = sorted((HERE / "archives").glob("*.tar.gz"))


@pytest.mark.parametrize("file", ARCHIVES, ids=lambda file: file.name.removesuffix(".tar.gz"))
def test_an_older_archive_is_read_and_goes_on(file: Path) -> None:
    """Verified, archived into without a download, gone on with, exported and restored; no byte of it changes."""
    name = file.name.removesuffix(".tar.gz").partition("-")[2]
    command = [sys.executable, str(HERE / "scenarios.py"), "check", name, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
