"""Between program and bucket something loses, cuts, empties, delays and refuses a few answers in a hundred.

Nothing of that is believed: what runs write meanwhile is right, and a clean run afterwards heals all.
"""

from __future__ import annotations

import random

import pytest

from diploma_archive.sandbox import LocalS3
from tests.support.s3_proxy import Answer, CutAnswer, Delay, HalfAnswer, Page, Reset, Rewrite, S3Proxy, S3Request
from tests.support.world import World

SHARE = 0.06  # of all answers
NO_HEADERS = frozenset({"etag", "x-amz-checksum-sha256", "x-amz-checksum-type", "last-modified"})
DISTURBANCES = [
    Rewrite(lambda *_: b""),
    Rewrite(lambda *_: b"", NO_HEADERS),
    Rewrite(lambda body, _: body[: len(body) // 2]),
    Rewrite(lambda *_: b"<!doctype html><title>Welcome</title><p>Please sign in", NO_HEADERS),
    HalfAnswer(),
    CutAnswer(),
    Reset(),
    Page(200),
    Page(200, ""),
    Page(502),
    Delay(0.05),
    Answer(503, "SlowDown"),
    Answer(500, "InternalError"),
]


def disturb(proxy: S3Proxy, seed: int) -> None:
    """Plan a disturbance for a few requests in a hundred, by chance."""
    chance = random.Random(seed)  # noqa: S311  for nothing secret

    def arrived(_: S3Request) -> None:
        if chance.random() < SHARE:
            proxy.fault(chance.choice(DISTURBANCES))

    proxy.on_request = arrived


@pytest.mark.parametrize("seed", range(6))
def test_a_disturbed_line_leaves_nothing_that_a_clean_run_does_not_heal(
    world: World, proxy: S3Proxy, s3: LocalS3, seed: int
) -> None:
    """Three disturbed runs and a rebuild; then one clean run is green, and `verify --full` finds nothing."""
    disturb(proxy, seed)
    ends = {world.command("sync", "--all").returncode for _ in range(3)}
    ends.add(world.command("rebuild-index").returncode)
    assert ends <= {0, 1, 3}
    proxy.on_request = None
    proxy.clear()
    clean = {"AWS_ENDPOINT_URL_S3": s3.endpoint_url}
    done = world.command("sync", "--all", "--json", **clean)
    assert done.returncode == 0, done.stdout + done.stderr
    done = world.command("verify", "--full", "--chain", **clean)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("seed", range(100, 102))
def test_what_is_said_of_the_archive_on_a_disturbed_line_is_true(
    world: World, proxy: S3Proxy, s3: LocalS3, seed: int
) -> None:
    """`verify --full` and `reconcile` on a good archive find nothing, or say that S3 failed: never damage."""
    clean = {"AWS_ENDPOINT_URL_S3": s3.endpoint_url}
    for _ in range(2):
        assert world.command("sync", "--all", **clean).returncode == 0
    disturb(proxy, seed)
    for _ in range(3):
        done = world.command("verify", "--full", "--chain", "--json")
        assert done.returncode in (0, 1, 3), done.stderr
        if done.returncode == 1:
            assert set(done.stdout.split('"counts": {')[1].split("}")[0].split('"')[1::2]) <= {"could_not_check"}
        done = world.command("reconcile", "--json")
        assert done.returncode in (0, 1, 3), done.stderr
        if done.returncode == 1:
            assert '"missing": 0' in done.stdout
