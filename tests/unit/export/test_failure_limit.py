"""A command over many objects ends when S3 fails at all of them, and goes on when it fails at some."""

from __future__ import annotations

import pytest

from diploma_archive.errors import Kind, StoreError
from diploma_archive.export.failure_limit import FAILURES_IN_A_ROW, FailureLimit

DOWN = StoreError("S3 did not answer in time", kind=Kind.RETRIABLE)


def test_failures_in_a_row_end_the_command():
    """300,000 objects are not tried one by one while S3 is down."""
    endurance = FailureLimit()
    for _ in range(FAILURES_IN_A_ROW - 1):
        endurance.failed(DOWN)
    with pytest.raises(StoreError, match="times in a row") as caught:
        endurance.failed(DOWN)
    assert caught.value.kind is Kind.FATAL


def test_failures_here_and_there_do_not():
    """An archive with many damaged or refused objects, or a server that stumbles now and then, is read to its end."""
    endurance = FailureLimit()
    for _ in range(10 * FAILURES_IN_A_ROW):
        endurance.failed(StoreError("the record is damaged", kind=Kind.ITEM))
        endurance.failed(DOWN)
        endurance.succeeded()
