"""`make ui`: the whole product on this machine, to be used in a browser; Ctrl-C stops what it started and nothing else.

Sandbox FrontCore, S3, a Prefect server with its UI, setup, deployments, and a worker.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from deployments.local.servers import ChildProcess, LocalPrefect, clean_environment
from diploma_archive.sandbox import LocalS3, Sandbox

ROOT = Path(__file__).resolve().parents[2]
BUCKET, PREFIX = "provider-archive", "acme/prod"
ENV_FILE = Path("build/ui.env")

console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Start everything, say where it is, and wait for Ctrl-C; return the exit code."""
    parser = argparse.ArgumentParser(prog="make ui")
    parser.add_argument("--port", type=int, default=4200, help="port of Prefect's UI; another one if it is taken")
    parser.add_argument("--participants", type=int, default=40)
    parser.add_argument("--persons", type=int, default=25)
    arguments = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as servers:
        prefect = servers.enter_context(LocalPrefect(arguments.port))
        sandbox = servers.enter_context(Sandbox(participants=arguments.participants, persons=arguments.persons, seed=1))
        s3 = servers.enter_context(LocalS3())
        s3.create_bucket(BUCKET)
        environment = {
            **prefect.environment(),
            **s3.environment(),
            "FRONTCORE_API_KEY": sandbox.api_key,
            "FRONTCORE_BASE_URL": sandbox.base_url,
            "FRONTCORE_REQUESTS_PER_SECOND": "5",
            "ARCHIVE_BUCKET": BUCKET,
            "ARCHIVE_PREFIX": PREFIX,
        }
        console.print("Starting Prefect ...")
        prefect.wait()
        whole = {**clean_environment(), **environment}
        run_once("setup", [sys.executable, "-m", "deployments.setup"], whole)
        deploy = ["deploy", "--all", "--prefect-file", "deployments/prefect.yaml"]
        run_once("deploy", [sys.executable, "-m", "prefect", "--no-prompt", *deploy], whole)
        worker = servers.enter_context(
            ChildProcess(
                [sys.executable, "-m", "prefect", "worker", "start", "--pool", "diploma-archive", "--name", "local"],
                whole,
                cwd=ROOT,
            )
        )
        ENV_FILE.parent.mkdir(exist_ok=True)
        ENV_FILE.write_text("".join(f"export {name}='{value}'\n" for name, value in environment.items()))
        servers.callback(ENV_FILE.unlink, missing_ok=True)
        announce(prefect.ui_url, sandbox, s3)
        while not stop.wait(1.0):
            if not worker.is_alive():
                console.print("The worker ended by itself; stopping.")
                return 1
        console.print("Stopping ...")
    return 0


def run_once(what: str, command: list[str], environment: dict[str, str]) -> None:
    """Run a command of the set-up, and show its output only if it fails."""
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        console.print(done.stdout + done.stderr, markup=False)
        raise SystemExit(f"{what} failed")


def announce(ui_url: str, sandbox: Sandbox, s3: LocalS3) -> None:
    """Say where everything is, and what to try first."""
    console.print(
        f"""
[bold]Everything is up.[/]
   Prefect's UI      {ui_url}
   sandbox FrontCore {sandbox.base_url}   ({len(sandbox.diplomas)} diplomas)
   S3                {s3.endpoint_url}   (bucket {BUCKET}, folder {PREFIX})

Try this: open {ui_url}/deployments, choose backfill, Run, Custom run, and paste into participants:
   987654, 900001-900010
Submit, open the run, and look at its Artifacts.

In another terminal, in this folder, the same settings:   . {ENV_FILE}
Ctrl-C stops all of it."""
    )


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
