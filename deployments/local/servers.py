"""Starts a Prefect server of its own on this machine, and stops just that one.

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
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS = 120


def free_port() -> int:
    """Return a port on 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LocalPrefect:
    """A Prefect server in a process of its own, with a temporary home that goes with it."""

    def __init__(self, port: int = 0) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="diploma-archive-prefect-")
        self._port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.ui_url = f"http://127.0.0.1:{self._port}"

    def environment(self) -> dict[str, str]:
        """Return the variables that make a process talk to this server."""
        return {
            "PREFECT_HOME": self._home.name,
            "PREFECT_API_URL": f"{self.ui_url}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
            "DO_NOT_TRACK": "1",
        }

    def start(self) -> None:
        """Start the server; `wait` says when it is there."""
        log = (Path(self._home.name) / "server.log").open("wb")
        with log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "prefect", "server", "start"),
                    *("--host", "127.0.0.1", "--port", str(self._port), "--log-level", "WARNING"),
                ],
                env={**os.environ, **self.environment(), "PREFECT_UI_API_URL": f"{self.ui_url}/api"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Return when the server answers.

        Raises:
            RuntimeError: it ended or did not answer in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError("the local Prefect server did not start")
            with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{self.ui_url}/api/health"):  # noqa: S310
                return
            time.sleep(0.2)
        raise RuntimeError("the local Prefect server did not answer in time")

    def stop(self) -> None:
        """Stop the server and everything it started, and remove its home."""
        if self._process is not None:
            for number, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(seconds)
                    break
        self._home.cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
