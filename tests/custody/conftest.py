"""What the tests of the custody commands share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from diploma_archive.sandbox import LocalS3
from tests.support.s3_proxy import S3Proxy
from tests.support.verifying import archive_small_school
from tests.support.world import World


@pytest.fixture
def archived(world: World) -> World:
    """The small school, archived in two runs, so that one report names the other."""
    return archive_small_school(world)


@pytest.fixture
def proxy(s3: LocalS3) -> Iterator[S3Proxy]:
    """A proxy as strict as a real S3: it counts requests and makes them fail; nothing goes through it by itself."""
    with S3Proxy(s3.endpoint_url, strict=True) as proxy:
        yield proxy
