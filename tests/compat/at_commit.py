"""Runs the scenarios with another version of this program: `python -m tests.compat.at_commit COMMIT write NAME FILE`.

A worktree of the commit and an environment from its own lock are made below `build/at/`, once for each commit.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

SCENARIOS = ROOT / "tests" / "compat" / "scenarios.py"


def python_of(commit: str) -> Path:
    """Return the Python of a commit's own environment; it is made where there is none yet."""
    sha = _output("git", "rev-parse", "--short=12", f"{commit}^{{commit}}")
    tree = ROOT / "build" / "at" / sha
    python = tree / ".venv" / "bin" / "python"
    done = tree / ".venv" / ".complete"
    if not done.exists():
        if not tree.exists():
            _run("git", "worktree", "add", "--detach", str(tree), sha)
        _run(sys.executable, "-m", "venv", str(tree / ".venv"))
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run(*pip, "--require-hashes", "--requirement", str(tree / "requirements.lock"))
        _run(*pip, "--no-deps", "--no-build-isolation", "--editable", str(tree))
        done.touch()
    return python


def _run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    commit, *arguments = sys.argv[1:]
    sys.exit(subprocess.run([python_of(commit), SCENARIOS, *arguments], check=False).returncode)
