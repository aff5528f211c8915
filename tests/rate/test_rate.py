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
from pathlib import Path
from typing import Any

import pytest
import trustme

from diploma_archive.frontcore.rate_limiter import RateLimiter
from diploma_archive.listing.selection import Scope, Selection
from diploma_archive.sandbox import LocalS3, Sandbox
from diploma_archive.settings.archive import ArchiveSettings
from diploma_archive.settings.frontcore import FrontCoreSettings
from diploma_archive.settings.loading import Settings
from diploma_archive.sync.run import open_run
from tests.support.network import ConnectProxy, TlsFront
from tests.support.s3_proxy import S3Proxy
from tests.support.sending_times import SendingTimes, note_in
from tests.support.world import Bucket, World, new_bucket

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
    tmp_path: Path,
    where: str,
) -> None:
    """At 5 requests a second, over 100 requests: never more than 5 are sent in a sliding second.

    How much of it is used is printed: a slow S3 changes little, since listing, downloading and writing overlap.
    """
    sending = SendingTimes(tmp_path / "times")
    monkeypatch.setattr(RateLimiter, "slot", RateLimiter.slot)  # put back afterwards
    note_in(str(sending.file))
    for name, value in (slow_s3 if where == "far" else s3.environment()).items():
        monkeypatch.setenv(name, value)
    bucket = new_bucket(s3)
    with sandbox_process() as base_url, capsys.disabled():
        check(f"S3 {where}", bucket, sending, base_url, base_url)


def test_the_rate_is_kept_and_used_through_a_proxy(
    s3: LocalS3, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Likewise where each request leaves inside a tunnel: CONNECT takes no slot, and costs none of the rate."""
    sending = SendingTimes(tmp_path / "times")
    monkeypatch.setattr(RateLimiter, "slot", RateLimiter.slot)  # put back afterwards
    note_in(str(sending.file))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    for name, value in {**s3.environment(), "SSL_CERT_FILE": str(tmp_path / "authority.pem")}.items():
        monkeypatch.setenv(name, value)
    host = "frontcore.test"
    monkeypatch.setattr(Sandbox, "base_url", property(lambda _: f"https://{host}/v2"))
    with (
        Sandbox(participants=60, persons=50, requests_per_second=float(RATE)) as sandbox,
        TlsFront(authority, host, sandbox.port) as front,
        ConnectProxy({f"{host}:443": front.port}) as proxy,
        capsys.disabled(),
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url())
        check("by a proxy", new_bucket(s3), sending, f"https://{host}/v2", f"http://127.0.0.1:{sandbox.port}/v2")


def check(where: str, bucket: Bucket, sending: SendingTimes, base_url: str, stats_url: str) -> None:
    """Run, print how much of the rate was used, and look at when each request was sent."""
    source = FrontCoreSettings(api_key="sandbox-key", base_url=base_url, requests_per_second=float(RATE))
    settings = Settings(source, ArchiveSettings(bucket=bucket.name))

    async def drive() -> int:
        async with open_run(settings, Selection(Scope.FULL)) as run:
            await run.drive()
            return run.tally.counts["archived"]

    assert asyncio.run(drive()) == 60
    seen = stats(stats_url)
    print(  # noqa: T201  the figures are this test's second purpose
        f"\nrate, {where}: {sum(seen['requests'].values())} requests, {seen['rate_over_run']:.3f} of {RATE} "
        f"per second ({seen['rate_over_run'] / RATE:.1%}), sent in the busiest sliding second: "
        f"{sending.busiest_second}, arrived: {seen['busiest_second']}"
    )
    assert sum(seen["requests"].values()) >= 60
    assert sending.busiest_second == RATE


def test_a_network_that_jitters_costs_a_refusal_and_no_diploma(s3: LocalS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """At exactly 5 a second, requests that were held up on the way arrive with those behind them.

    FrontCore refuses one of them: the run obeys, slows down, and archives everything.
    """
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    held_up = iter([False] * 15 + [True] + [False] * 1000)

    def arrived(kind: str, _: object) -> None:
        if kind == "download" and next(held_up):
            time.sleep(1.5)  # nothing is taken in meanwhile: what is sent arrives together

    with Sandbox(participants=30, persons=30, requests_per_second=RATE) as sandbox:
        sandbox.on_request = arrived
        world = World(sandbox, new_bucket(s3), s3.environment(), {"requests_per_second": float(RATE)})
        run = world.run()
        refused = sandbox.requests["refused"]
    assert (run.tally.counts["archived"], run.tally.is_green) == (30, True)
    assert 1 <= refused <= 5
