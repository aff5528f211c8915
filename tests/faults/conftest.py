"""A world with a fault-injecting S3 proxy in it, whose invariants are checked after every test of this folder."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from diploma_archive.sandbox import LocalS3, Sandbox
from diploma_archive.store.s3_client import TALKATIVE_LOGGERS
from tests.support.invariants import check_all, plant_canaries
from tests.support.s3_proxy import S3Proxy
from tests.support.world import World, new_bucket


class Kept(logging.Handler):
    """Keeps every record, DEBUG included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.records.append(record)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files: empty before and after."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture
def proxy(s3: LocalS3) -> Iterator[S3Proxy]:
    """The proxy, strict as real S3 is."""
    with S3Proxy(s3.endpoint_url, strict=True) as proxy:
        yield proxy


@pytest.fixture
def world(
    sandbox: Sandbox, s3: LocalS3, proxy: S3Proxy, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """The small school, an empty, versioned bucket behind the proxy, and canaries in both."""
    environment = proxy.environment(s3.environment())
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # The test's own clients speak to S3 too; the program quiets these by itself (tests/unit/store/test_quiet_logs).
    for name in TALKATIVE_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
    world = World(sandbox, new_bucket(s3), environment)
    plant_canaries(world)
    kept = Kept()
    root = logging.getLogger()
    level = root.level
    root.addHandler(kept)
    root.setLevel(logging.DEBUG)
    try:
        yield world
    finally:
        root.removeHandler(kept)
        root.setLevel(level)
    proxy.clear()
    check_all(world, kept.records, temporary)
