"""`make ui`: the whole product on this machine, to be used in a browser.

Rule: Ctrl-C stops what it started, and nothing else.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

from rich.console import Console

from deployments.local.stack import BUCKET, PREFIX, ROOT, Stack, local_stack
from diploma_archive.sandbox import Sandbox

ENV_FILE = ROOT / "build" / "ui.env"

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
    sandbox = Sandbox(participants=arguments.participants, persons=arguments.persons, seed=1)
    console.print("Starting sandbox, S3, Prefect and a worker (half a minute) ...")
    with local_stack(sandbox, port=arguments.port) as stack:
        ENV_FILE.parent.mkdir(exist_ok=True)
        ENV_FILE.write_text("".join(f"export {name}='{value}'\n" for name, value in stack.environment.items()))
        try:
            announce(stack)
            while not stop.wait(1.0):
                if not stack.worker.is_alive():
                    console.print("The worker ended by itself; stopping.")
                    return 1
            console.print("Stopping ...")
        finally:
            ENV_FILE.unlink(missing_ok=True)
    return 0


def announce(stack: Stack) -> None:
    """Say where everything is, and what to try first."""
    ui_url = stack.prefect.ui_url
    console.print(
        f"""
[bold]Everything is up.[/]
   Prefect's UI      {ui_url}
   sandbox FrontCore {stack.sandbox.base_url}   ({len(stack.sandbox.diplomas)} diplomas)
   S3                {stack.s3.endpoint_url}   (bucket {BUCKET}, folder {PREFIX})

Try this: open {ui_url}/deployments, choose backfill, then Run, Custom run, and paste into participants:
   987654, 900001-900010
Submit, choose "View run" in the message that appears (it starts within some 15 seconds), and look at its Artifacts:
diploma-archive-default is the summary. Then try letters instead of numbers: the run fails and says why.

In another terminal, in this folder, the same settings:   . {ENV_FILE.relative_to(ROOT)}
Ctrl-C stops all of it."""
    )


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
