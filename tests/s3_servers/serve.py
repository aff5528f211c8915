"""Starts S3 servers until Ctrl-C: `python -m tests.s3_servers.serve [server ...]`."""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress

from tests.s3_servers.servers import SERVERS, CannotStartError, start, wait_until_stopped


def main(names: list[str]) -> None:
    """Start the servers of these names, all without any, and say how clients find them."""
    with ExitStack() as stack:
        for name in names or SERVERS:
            try:
                running = start(stack, name)
            except CannotStartError as error:
                print(f"{name}: cannot be started here: {error}", flush=True)
                continue
            print(f"{running.name} {running.version}", flush=True)
            for variable, value in running.environment.items():
                print(f"  export {variable}={value}", flush=True)
        print("Ctrl-C stops them.", flush=True)
        with suppress(KeyboardInterrupt):
            wait_until_stopped()


if __name__ == "__main__":
    main(sys.argv[1:])
