"""A running sandbox without a rate limit, and clients with the key and without."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from diploma_archive.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(participants=40, persons=25, seed=1, requests_per_second=None) as running:
        yield running


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.base_url, headers={"X-API-Key": "sandbox-key"}, timeout=5) as client:
        yield client


@pytest.fixture
def public() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=5) as client:
        yield client
