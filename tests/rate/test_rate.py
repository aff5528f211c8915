"""Never more than the allowed requests in any sliding second, and hardly fewer than allowed (DESIGN.md section 8)."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from diploma_archive.listing.selection import Scope, Selection
from diploma_archive.sandbox import LocalS3
from diploma_archive.settings.archive import ArchiveSettings
from diploma_archive.settings.frontcore import FrontCoreSettings
from diploma_archive.settings.loading import Settings
from diploma_archive.sync.run import open_run
from tests.support.s3_proxy import S3Proxy
from tests.support.world import new_bucket

RATE = 5


@contextmanager
def sandbox_process() -> Iterator[str]:
    """Run the sandbox in a process of its own, so that it measures arrivals without our load in its way."""
    command = [sys.executable, "-m", "diploma_archive.cli", "sandbox", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--participants", "60", "--persons", "50", "--requests-per-second", str(RATE)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip().partition("=")[2]
    finally:
        process.terminate()
        process.communicate(timeout=20)


def stats(base_url: str) -> dict[str, Any]:
    """Return what the sandbox counted."""
    with urllib.request.urlopen(base_url.removesuffix("/v2") + "/sandbox/stats") as answer:
        return dict(json.load(answer))


@pytest.fixture
def slow_s3(s3: LocalS3) -> Iterator[dict[str, str]]:
    """An S3 that takes 0.3 seconds for each request, as one does that is far away."""
    with S3Proxy(s3.endpoint_url) as proxy:
        proxy.on_request = lambda _: time.sleep(0.3)
        yield proxy.environment(s3.environment())


@pytest.mark.parametrize("where", ["near", "far"])
def test_the_rate_is_kept_and_used(
    s3: LocalS3,
    slow_s3: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
) -> None:
    """At 5 requests a second, over 100 requests: never more than 5 in a sliding second, at least 95 % of 5 used.

    A slow S3 changes little: listing, downloading and writing overlap.
    """
    for name, value in (slow_s3 if where == "far" else s3.environment()).items():
        monkeypatch.setenv(name, value)
    bucket = new_bucket(s3)
    with sandbox_process() as base_url:
        source = FrontCoreSettings(api_key="sandbox-key", base_url=base_url, requests_per_second=float(RATE))
        settings = Settings(source, ArchiveSettings(bucket=bucket.name))

        async def drive() -> int:
            async with open_run(settings, Selection(Scope.FULL)) as run:
                await run.drive()
                return run.tally.counts["archived"]

        assert asyncio.run(drive()) == 60
        seen = stats(base_url)
    with capsys.disabled():
        print(  # noqa: T201  the figures are this test's second purpose
            f"\nrate, S3 {where}: {sum(seen['requests'].values())} requests, {seen['rate_over_run']:.3f} of {RATE} "
            f"per second ({seen['rate_over_run'] / RATE:.1%}), busiest sliding second: {seen['busiest_second']}"
        )
    assert sum(seen["requests"].values()) >= 60
    assert seen["requests"].get("refused", 0) == 0
    assert seen["busiest_second"] <= RATE
    assert seen["rate_over_run"] >= (0.95 if where == "near" else 0.9) * RATE
