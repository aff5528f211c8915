"""The libraries below us never log what holds secrets, whatever level an operator sets."""

from __future__ import annotations

import logging

import pytest

from diploma_archive.frontcore.redaction import QUIET_LOGGERS, quiet_http_logs
from diploma_archive.store.s3_client import TALKATIVE_LOGGERS, build_clients


def test_boto_never_logs_at_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore logs keys, headers and signatures at DEBUG: it never gets that far."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    for name in TALKATIVE_LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    for client in build_clients(1, "a-bucket"):
        client.close()
    assert {logging.getLogger(name).level for name in TALKATIVE_LOGGERS} == {logging.INFO}


def test_httpx_never_logs_a_url() -> None:
    """httpx logs every URL at INFO, and a link is a secret: it warns at most."""
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    quiet_http_logs()
    assert {logging.getLogger(name).level for name in QUIET_LOGGERS} == {logging.WARNING}
