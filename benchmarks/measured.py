"""Runs one competitor in a process of its own and prints what it took, as JSON on the last line of stdout.

    python -m benchmarks.measured floor|sequential|naive|copyurl|sync|flow

Measured from the first line of work to the last, imports and the start of Python left out: seconds, CPU of the process
and of what it started, its peak memory, and the requests that botocore sent.
"""

from __future__ import annotations

import http.client
import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.httpsession

COMPETITORS = {
    "floor": "benchmarks.peers.floor",
    "sequential": "benchmarks.peers.sequential",
    "naive": "benchmarks.peers.naive_prefect",
    "copyurl": "benchmarks.peers.copyurl",
    "sync": "benchmarks.ours",
    "flow": "benchmarks.our_flow",
}


class CountedRequests:
    """Counts what goes to S3, retries included: what botocore sends, and what the short way does."""

    def __init__(self) -> None:
        self.count = 0

    def begin(self) -> None:
        """Count from now on."""
        send = botocore.httpsession.URLLib3Session.send

        def counting(session: Any, request: Any) -> Any:
            self.count += 1
            return send(session, request)

        botocore.httpsession.URLLib3Session.send = counting  # type: ignore[method-assign]
        request = http.client.HTTPConnection.request

        def counting_express(connection: Any, *arguments: Any, **options: Any) -> Any:
            self.count += type(connection) in (http.client.HTTPConnection, http.client.HTTPSConnection)
            return request(connection, *arguments, **options)

        http.client.HTTPConnection.request = counting_express  # type: ignore[method-assign]


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the children that it waited for."""
    mine, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + children.ru_utime + children.ru_stime


def peak_megabytes() -> float:
    """Return the peak memory of this process; Linux's own `ru_maxrss` would also count the parent before exec."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000_000  # macOS counts bytes


def main() -> None:
    """Run the competitor that the command line names."""
    work: Callable[[], dict[str, Any]] = importlib.import_module(COMPETITORS[sys.argv[1]]).main
    requests = CountedRequests()
    requests.begin()
    started, cpu_before = time.perf_counter(), cpu_seconds()
    done = work()
    figures = {
        "seconds": time.perf_counter() - started,
        "cpu_ms": (cpu_seconds() - cpu_before) * 1000,
        "child_ms": 1000
        * (
            resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            + resource.getrusage(resource.RUSAGE_CHILDREN).ru_stime
        ),
        "peak_mb": peak_megabytes(),
        "s3_requests": requests.count,
        **done,
    }
    sys.stdout.write("\n" + json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
