"""Fixtures that every kind of test may use; servers are real and on 127.0.0.1."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from diploma_archive.frontcore import backoff
from diploma_archive.sandbox import LocalS3, Sandbox
from tests.support.fast_aws import keep_clients, read_models_once
from tests.support.world import World, new_bucket

read_models_once()
keep_clients()
# What a property takes is the machine's affair, and no property of the program.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("FRONTCORE_", "ARCHIVE_", "AWS_")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_waiting_between_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT_SECONDS", 0.01)


@pytest.fixture(scope="session")
def s3() -> Iterator[LocalS3]:
    """One S3 server for the whole session; each test has a bucket of its own."""
    with LocalS3() as server:
        yield server


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A small school of six diplomas, without a rate limit."""
    with Sandbox(participants=6, persons=4, seed=7, requests_per_second=None) as server:
        yield server


@pytest.fixture
def world(sandbox: Sandbox, s3: LocalS3, monkeypatch: pytest.MonkeyPatch) -> World:
    """The small school and an empty, versioned bucket."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    return World(sandbox, new_bucket(s3), s3.environment())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Prefect's clients and the browser leave sockets to the garbage collector: no finding about this program."""
    for item in items:
        if {"orchestration", "e2e", "scale"} & set(item.path.parts):
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))
