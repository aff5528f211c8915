"""Starts servers of our own on this machine, and stops just those.

Rule: nothing of the user's own Prefect (home folder, profile, database) is read or changed.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS = 120
STOP_SECONDS = 15
OUR_VARIABLES = ("FRONTCORE_", "ARCHIVE_", "AWS_", "PREFECT_")


def clean_environment() -> dict[str, str]:
    """Return the environment of this process without the variables that would lead out of this machine."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OUR_VARIABLES)}


def free_port(wanted: int = 0) -> int:
    """Return a port on 127.0.0.1 that nobody listens on: the wanted one if it is free."""
    for port in (wanted, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise RuntimeError("no free port on 127.0.0.1")


class ChildProcess:
    """A process in a group of its own, so that what it starts is stopped with it.

    Args:
        log: where its output goes; None: nowhere.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        cwd: Path | None = None,
        log: Path | None = None,
    ) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._cwd = cwd
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return its process id."""
        if self._process is None:
            raise RuntimeError("the process was not started")
        return self._process.pid

    def is_alive(self) -> bool:
        """Return whether it still runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it."""
        with Path(self._log or os.devnull).open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Stop it and everything in its group: politely, then for good."""
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
                break
        with suppress(ProcessLookupError):  # what it started may have outlived it
            os.killpg(self._process.pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class LocalPrefect:
    """A Prefect server in a process of its own, with a temporary home that goes with it."""

    def __init__(self, port: int = 0) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="diploma-archive-prefect-")
        self._port = free_port(port)
        self.ui_url = f"http://127.0.0.1:{self._port}"
        self.log = Path(self._home.name) / "server.log"
        self.database = Path(self._home.name) / "prefect.db"
        arguments = ["--host", "127.0.0.1", "--port", str(self._port), "--log-level", "WARNING"]
        self.process = ChildProcess(
            [sys.executable, "-m", "prefect", "server", "start", *arguments],
            {**clean_environment(), **self.environment(), "PREFECT_UI_API_URL": f"{self.ui_url}/api"},
            log=self.log,
        )

    def environment(self) -> dict[str, str]:
        """Return the variables that make a process talk to this server."""
        return {
            "PREFECT_HOME": self._home.name,
            "PREFECT_API_URL": f"{self.ui_url}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            # In memory, the default, leases are lost with a restart of the server, and their slots stay taken for ever.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            # 100,000 ids pasted into the backfill form are more than Prefect's own 524,288 bytes.
            "PREFECT_SERVER_API_MAX_PARAMETER_SIZE": "2000000",
            "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
            "DO_NOT_TRACK": "1",
        }

    def wait(self) -> None:
        """Return when the server answers.

        Raises:
            RuntimeError: it ended or did not answer in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.process.is_alive():
                raise RuntimeError("the local Prefect server did not start")
            with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{self.ui_url}/api/health"):  # noqa: S310  our own server
                return
            time.sleep(0.2)
        raise RuntimeError("the local Prefect server did not answer in time")

    def restart(self) -> None:
        """Stop the server and start it again, with the same address and database."""
        self.process.stop()
        self.process.start()
        self.wait()

    def __enter__(self) -> Self:
        self.process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.stop()
        self._home.cleanup()
