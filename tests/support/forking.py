"""Runs `diploma-archive` as a process of its own that need not import everything again.

A process that has imported the command line, and nothing else, forks for each call: the child gets its own arguments,
environment, folder and output, and ends as any Python does. What a start of Python itself reads from the environment
(`PYTHON*`) is past by then, so such a call must start a Python.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3

TIMEOUT_SECONDS = 600  # for a command that hangs, on a machine that is busy with something else


class Forker:
    """The process that forks; started when it is first needed, and ended with this Python."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._busy = threading.Lock()

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], cwd: Path | None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line as `subprocess.run` with captured text would."""
        if _for_python(environment) != _for_python(os.environ) or not self._busy.acquire(blocking=False):
            return run_python(arguments, environment, cwd)
        try:
            return self._run(arguments, environment, cwd)
        finally:
            self._busy.release()

    def _run(
        self, arguments: Sequence[str], environment: Mapping[str, str], cwd: Path | None
    ) -> subprocess.CompletedProcess[str]:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            outputs = [Path(folder, name) for name in ("stdout", "stderr")]
            order = {"arguments": list(arguments), "environment": dict(environment), "cwd": str(cwd or Path.cwd())}
            process.stdin.write(json.dumps({**order, "outputs": list(map(str, outputs))}) + "\n")
            process.stdin.flush()
            code = int(process.stdout.readline())
            stdout, stderr = (path.read_text() for path in outputs)
        return subprocess.CompletedProcess(list(arguments), code, stdout, stderr)

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forking"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,  # a Ctrl-C at the terminal is for pytest
            )
            atexit.register(self._stop, self._process)
        return self._process

    @staticmethod
    def _stop(process: subprocess.Popen[str]) -> None:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(10)


def _for_python(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


def run_python(
    arguments: Sequence[str], environment: Mapping[str, str], cwd: Path | None
) -> subprocess.CompletedProcess[str]:
    """Run the command line from the start of a Python on."""
    return subprocess.run(
        [sys.executable, "-m", "diploma_archive.cli", *arguments],
        env=dict(environment),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def main() -> None:
    """Fork for each order on stdin, and answer with its exit code; return in the child, with everything set."""
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become(order)
            return
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)  # noqa: T201  the answer
    os._exit(0)


def become(order: Mapping[str, Any]) -> None:
    """Turn this process into the one that was ordered."""
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["cwd"])
    nowhere = os.open(os.devnull, os.O_RDONLY)
    outputs = [os.open(path, os.O_WRONLY | os.O_CREAT, 0o600) for path in order["outputs"]]
    for number, opened in enumerate([nowhere, *outputs]):
        os.dup2(opened, number)
        os.close(opened)
    tempfile.tempdir = None  # the folder that was found before is perhaps not this environment's
    sys.argv = ["diploma-archive", *order["arguments"]]


def end(command: Callable[[], object]) -> None:
    """Run the command and end as Python does, but without taking down each object, which takes longer than the rest."""
    code: object = 0
    try:
        command()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001  Python would show it too
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    from diploma_archive import cli  # before the first fork, so that no child must do it
    from diploma_archive.network.authorities import trusted
    from tests.support.fast_aws import read_models_once

    trusted()
    read_models_once()
    boto3.client("s3", region_name="us-east-1").close()
    gc.freeze()
    main()
    signal.alarm(TIMEOUT_SECONDS)  # only a child comes this far
    end(cli.main)
