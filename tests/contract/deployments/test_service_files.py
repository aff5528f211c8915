"""The files for systemd and cron say what these programs take, and run the commands that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

SYSTEMD = sorted((ROOT / "deployments" / "systemd").iterdir())
ANALYZE = shutil.which("systemd-analyze") or ""
CRONTAB = (ROOT / "deployments" / "crontab").read_text()


@pytest.mark.skipif(not ANALYZE, reason="needs systemd-analyze, which only systemd brings")
def test_systemd_takes_its_files() -> None:
    """`systemd-analyze verify` has nothing to say of timers and service."""
    names = [path for path in SYSTEMD if path.suffix == ".timer"]
    done = subprocess.run([ANALYZE, "verify", *names], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "diploma-archive" in line]
    assert (done.returncode, said) == (0, [])


@pytest.mark.parametrize("timer", [path.stem.partition("@")[2] for path in SYSTEMD if path.suffix == ".timer"])
def test_each_timer_runs_a_command_and_ends_as_it_did(timer: str, tmp_path: Path) -> None:
    """What the service starts for a timer is a command of this program, and its exit code is the service's."""
    service = (ROOT / "deployments" / "systemd" / "diploma-archive@.service").read_text()
    (script,) = re.findall(r"^ExecStart=/bin/sh -c '(.*)'$", service, re.MULTILINE)
    program = tmp_path / "diploma-archive"
    program.write_text('#!/bin/sh\necho "$@"\nexit 1\n')
    program.chmod(0o755)
    script = script.replace("%i", timer).replace("/opt/diploma-archive/.venv/bin/diploma-archive", str(program))
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (1, {"full": "sync --all"}.get(timer, timer))


@pytest.mark.parametrize("line", [line for line in CRONTAB.splitlines() if re.match(r"[0-9]", line)])
@pytest.mark.parametrize("code", [0, 1])
def test_cron_hears_of_a_night_that_was_not_green_alone(line: str, code: int, tmp_path: Path) -> None:
    """Cron mails what is printed: nothing where all is well, everything where it is not."""
    program = tmp_path / "diploma-archive"
    program.write_text(f'#!/bin/sh\necho "$@" && echo loud >&2\nexit {code}\n')
    program.chmod(0o755)
    command = re.sub(r"^(\S+\s+){5}", "", line).replace("/opt/diploma-archive/.venv/bin/diploma-archive", str(program))
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace("/etc/diploma-archive", str(tmp_path))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split()[-1:] == (["loud"] if code else [])
    assert done.stdout.split()[:1] == (["sync"] if code and "sync" in line else ["verify"] if code else [])
