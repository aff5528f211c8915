"""Starting and stopping."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import httpx
import pytest

from diploma_archive.sandbox import Sandbox
from diploma_archive.sandbox import answer_faults as faults

PROGRAM = """
from diploma_archive.sandbox import Sandbox, run_forever
run_forever(Sandbox(participants=1, persons=1), lambda url: print(url, flush=True))
print("stopped", flush=True)
"""


def test_it_listens_here_and_only_while_running():
    """start returns when connections are accepted, stop closes the port, and a new start keeps the address."""
    sandbox = Sandbox(participants=1, persons=1)
    sandbox.stop()
    sandbox.start()
    url = sandbox.base_url
    assert url.startswith("http://127.0.0.1:")
    assert httpx.get(f"{url}/participants").status_code == 401
    with pytest.raises(RuntimeError, match="runs already"):
        sandbox.start()
    sandbox.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/participants")
    with sandbox:
        assert sandbox.base_url == url
        assert httpx.get(f"{url}/participants").status_code == 401


def test_a_taken_port_is_an_error():
    """Two cannot listen on one port."""
    with Sandbox(participants=1, persons=1) as sandbox:
        port = int(sandbox.base_url.split(":")[2].split("/")[0])
        with pytest.raises(OSError, match="in use"):
            Sandbox(participants=1, persons=1, port=port).start()


def test_a_rate_must_be_positive():
    """Zero requests per second is refused; None is no limit."""
    with pytest.raises(ValueError, match="requests_per_second"):
        Sandbox(requests_per_second=0)


@pytest.mark.parametrize("fault", [faults.Endless(), faults.Drip(1), faults.Stall(60)], ids=lambda f: type(f).__name__)
def test_it_stops_though_clients_hang_on(sandbox, api, fault):
    """Soon, whoever is connected."""
    sandbox.fault("participants", fault)
    if isinstance(fault, faults.Stall):
        with pytest.raises(httpx.ReadTimeout):
            api.get("/participants", timeout=0.2)
        sandbox.stop()
        return
    with api.stream("GET", "/participants") as response:
        next(response.iter_raw())
        started = time.monotonic()
        sandbox.stop()
        assert time.monotonic() - started < 30


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_forever_ends_at_a_signal(number):
    """A process of its own announces its address once it listens and stops cleanly when asked."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/participants").status_code == 401
        os.kill(process.pid, number)
        assert process.stdout.read() == "stopped\n"
        assert process.wait(5) == 0
