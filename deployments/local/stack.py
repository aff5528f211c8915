"""The whole product on this machine: sandbox FrontCore, S3, Prefect server, setup, deployments and a worker.

Rule: everything listens on 127.0.0.1, and everything that was started is stopped.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployments.local.servers import ChildProcess, LocalPrefect, clean_environment
from diploma_archive.sandbox import LocalS3, Sandbox

ROOT = Path(__file__).resolve().parents[2]
BUCKET, PREFIX = "provider-archive", "acme/prod"
WORK_POOL = "diploma-archive"


@dataclass(frozen=True)
class Stack:
    """Everything that is up, and the environment that leads there."""

    prefect: LocalPrefect
    sandbox: Sandbox
    s3: LocalS3
    worker: ChildProcess
    environment: dict[str, str]


@contextmanager
def local_stack(sandbox: Sandbox, *, port: int = 0, worker_log: Path | None = None) -> Iterator[Stack]:
    """Start everything around a sandbox that is not started yet.

    Raises:
        RuntimeError: a server did not start, or set-up or deployment failed; the text has their output.
    """
    with ExitStack() as servers:
        prefect = servers.enter_context(LocalPrefect(port))
        servers.enter_context(sandbox)
        s3 = servers.enter_context(LocalS3())
        s3.create_bucket(BUCKET, versioned=True)
        environment = {
            **prefect.environment(),
            **s3.environment(),
            "FRONTCORE_API_KEY": sandbox.api_key,
            "FRONTCORE_BASE_URL": sandbox.base_url,
            "FRONTCORE_REQUESTS_PER_SECOND": "5",
            "ARCHIVE_BUCKET": BUCKET,
            "ARCHIVE_PREFIX": PREFIX,
        }
        prefect.wait()
        whole = {**clean_environment(), **environment}
        _run("deployments.setup", whole)
        _run("prefect", whole, "--no-prompt", "deploy", "--all", "--prefect-file", "deployments/prefect.yaml")
        worker = servers.enter_context(start_worker(whole, log=worker_log))
        yield Stack(prefect, sandbox, s3, worker, environment)


def start_worker(environment: dict[str, str], *, name: str = "local", log: Path | None = None) -> ChildProcess:
    """Return a worker of our work pool, not started yet."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", WORK_POOL, "--name", name]
    return ChildProcess(command, environment, cwd=ROOT, log=log)


def _run(module: str, environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{module} failed:\n{done.stdout}{done.stderr}")
