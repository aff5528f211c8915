"""The flow `verify-archive`: green means unaltered; the artifact names the keys and nobody."""

from __future__ import annotations

import asyncio

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import State

from flows.verify import verify_archive
from tests.support.verifying import archive_small_school, delete, flip, parts_of
from tests.support.world import World


def run_flow(**parameters: object) -> State:
    """Run the flow in this process and return its final state."""
    return asyncio.run(verify_archive(**parameters, return_state=True))


def summary() -> str:
    """Return the newest summary artifact."""

    async def read() -> str:
        async with get_client() as client:
            key = ArtifactFilterKey(any_=["diploma-archive-verify-default"])
            found = await client.read_artifacts(artifact_filter=ArtifactFilter(key=key))
            return str(max(found, key=lambda artifact: str(artifact.created)).data)

    return asyncio.run(read())


@pytest.mark.parametrize("mode", ["sample", "quick", "full"])
def test_a_sound_archive_is_green(world: World, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Completed means that nothing was found; no key for FrontCore is needed."""
    archive_small_school(world)
    world.sandbox.reset_counts()
    monkeypatch.delenv("FRONTCORE_API_KEY")
    state = run_flow(mode=mode)
    assert (state.name, (state.message or "").endswith("nothing found")) == ("Completed", True)
    assert world.sandbox.requests.total() == 0


def test_what_is_found_fails_the_run_and_stands_in_the_summary(world: World) -> None:
    """Red names each class with its count; the artifact has the keys and what to do, and no person."""
    archive_small_school(world)
    one, other = parts_of(world.bucket, 12345), parts_of(world.bucket, 500001)
    flip(world.bucket, one.file)
    delete(world.bucket, other.record, other.file, other.index)
    state = run_flow(mode="quick")
    assert (state.name, state.message) == (
        "Failed",
        "19 objects checked, found: 1 altered_file, 1 missing_diploma",
    )
    text = summary()
    for expected in (one.file, other.record, "What to do", "head runs/"):
        assert expected in text
    for person in ("Doe", "john.doe", world.sandbox.api_key):
        assert person not in text


def test_another_account_than_the_archives_is_refused(world: World) -> None:
    """A mistyped account never gets a green light from somebody else's archive."""
    archive_small_school(world)
    state = run_flow(account="acme")
    assert state.name == "Failed"
    assert "another FrontCore account" in (state.message or "")


def test_a_wrong_bucket_is_a_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be reached fails with one plain sentence."""
    monkeypatch.setenv("ARCHIVE_PREFIX", "nothing/here")
    state = run_flow()
    assert (state.name, state.message) == (
        "Failed",
        "there is no archive in this bucket below this prefix. Check ARCHIVE_BUCKET and ARCHIVE_PREFIX; "
        "the first diploma-archive sync begins an archive.",
    )
