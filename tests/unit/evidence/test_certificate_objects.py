"""Which certificate an object of the bucket belongs to."""

from __future__ import annotations

import pytest

from diploma_archive.evidence.certificate_objects import segment_of


@pytest.mark.parametrize(
    ("key", "segment"),
    [
        ("diplomas/s-1/c-2/x.pdf", "c-2"),
        ("certificates/c-2/1.json", "c-2"),
        ("quarantine/c-2/1.bin", "c-2"),
        ("diplomas/s-1/c-2", None),
        ("diplomas/s-1/c-2/x/y", None),
        ("certificates/c-2", None),
        ("runs/2026/01/01/x.json", None),
        ("archive.json", None),
        ("", None),
    ],
)
def test_the_segment_of_a_key(key: str, segment: str | None) -> None:
    """What lies deeper or higher than it should belongs to no certificate."""
    assert segment_of(key) == segment
