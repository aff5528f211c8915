"""A container as OpenShift runs it: any user id, no home, a root that is read-only, one folder that can be written."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.erasing import ERASER, SUPPRESSION_KEY
from tests.support.paths import ROOT
from tests.support.world import World

SCRATCH = "/mnt"  # becomes a file system in memory, the only one that can be written
USER = 12345
CAN_UNSHARE = bool(
    hasattr(os, "getuid")
    and os.getuid() == 0
    and shutil.which("unshare")
    and shutil.which("setpriv")
    and subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"mount --make-rprivate / && mount -t tmpfs tmpfs {SCRATCH}"],  # noqa: S607
        check=False,
        capture_output=True,
    ).returncode
    == 0
)
COMMANDS = [
    ["doctor"],
    ["sync", "--all"],
    ["verify", "--full"],
    ["rebuild-index"],
    ["reconcile"],
    ["find", "--user", "289252"],
    ["show", "--diploma", "12345", "--out", f"{SCRATCH}/diploma.pdf"],
    ["export", "--to", f"{SCRATCH}/bag", "--all"],
    ["restore", "--from", f"{SCRATCH}/bag"],
    ["subject", "--user", "289252", "--to", f"{SCRATCH}/request"],
    ["retention", "report", "--years", "90"],
    ["erase", "--user", "289252"],
]


def prepare(*needed: Path) -> list[str]:
    """Return what makes the root read-only in a mount namespace, with these folders readable for everybody."""
    lines = ["mount --make-rprivate /", f"mount -t tmpfs -o mode=1777 tmpfs {SCRATCH}"]
    for number, folder in enumerate(needed):
        shut = [one for one in reversed(folder.parents) if not one.stat().st_mode & 0o001]
        if shut:  # such as /root, where pyenv keeps a Python
            aside = f"{SCRATCH}/.{number}"
            lines += [
                f"mkdir {aside} && mount --bind {shlex.quote(str(folder))} {aside}",
                f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(shut[0]))}",
                f"mkdir -p {shlex.quote(str(folder))} && mount --bind {aside} {shlex.quote(str(folder))}",
                f"mount -o remount,bind,ro {shlex.quote(str(folder))}",
            ]
    return [*lines, "mount -o remount,bind,ro /"]


@pytest.mark.skipif(not CAN_UNSHARE, reason="needs root and the right to make a mount namespace")
def test_every_command_works_there(world: World) -> None:
    """Each does its job or says in one sentence what it cannot do; none fails because of the machine."""
    environment = world.environment(ARCHIVE_SUPPRESSION_KEY=SUPPRESSION_KEY, TMPDIR=SCRATCH, **ERASER)
    environment.pop("HOME", None)
    python = f"{shlex.quote(sys.executable)} -m diploma_archive.cli"
    runs = [
        f"echo '== {shlex.join(command)}'; {python} {shlex.join(command)} </dev/null; echo '== exit' $?"
        for command in COMMANDS
    ]
    inner = f"touch {ROOT}/x /var/tmp/x 2>/dev/null && exit 9; cd /; " + "; ".join(runs)
    drop = f"exec setpriv --reuid={USER} --regid=0 --clear-groups sh -c {shlex.quote(inner)}"
    script = " && ".join([*prepare(Path(sys.base_prefix), ROOT), drop])
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],  # noqa: S607
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    codes = [int(line.split()[-1]) for line in done.stdout.splitlines() if line.startswith("== exit")]
    outcomes = dict(zip(map(" ".join, COMMANDS), codes, strict=True))
    assert set(codes) == {0}, (outcomes, said)
    assert "unexpected" not in said
    assert "Traceback" not in said
    assert len(world.bucket.records()) == 6
