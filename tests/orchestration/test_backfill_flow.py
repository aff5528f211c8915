"""The flow `backfill-diplomas`, its summary, its event, its share of the rate and its blocks."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import State
from prefect.concurrency.asyncio import concurrency
from pydantic import SecretStr

from diploma_archive.listing.selection import Scope
from diploma_archive.sandbox import answer_faults as faults
from flows.backfill import backfill_diplomas
from tasks.blocks import ArchiveBucket, FrontCoreAccount
from tests.support.world import World


def run_flow(**parameters: Any) -> State:
    """Run the flow in this process and return its final state."""
    return asyncio.run(backfill_diplomas(**parameters, return_state=True))


def run_id(state: State) -> UUID:
    """Return the flow run's id."""
    found = state.state_details.flow_run_id
    assert found is not None
    return found


def summary_of(state: State) -> str:
    """Return the summary artifact of a flow run."""

    async def read() -> str:
        async with get_client() as client:
            mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id(state)]))
            found = await client.read_artifacts(artifact_filter=mine)
            (summary,) = [artifact for artifact in found if artifact.type == "markdown"]
            assert summary.key == "diploma-archive-default"
            return str(summary.data)

    return asyncio.run(read())


def name_of(state: State) -> str:
    """Return the name of a flow run."""

    async def read() -> str:
        async with get_client() as client:
            return (await client.read_flow_run(run_id(state))).name

    return asyncio.run(read())


def test_participants_in_any_writing_are_archived(world: World) -> None:
    """Ids, ranges, commas, blanks and line breaks are one choice; the run is named by its size."""
    state = run_flow(participants="987654,\n900001 - 900002;900003")
    assert (state.name, state.message) == ("Completed", "4 archived, 0 unchanged, 0 failed")
    assert name_of(state) == "backfill 4 participants"
    assert world.bucket.cursor() is None


def test_a_dry_run_tells_what_the_real_run_does(world: World) -> None:
    """Dry run and real run share their code: same counts, and nothing written before."""
    world.sandbox.diplomas[500001].deleted_at = "2026-01-01 00:00:00"
    dry = run_flow(participants="900001-900005, 987654", dry_run=True)
    assert world.bucket.keys_below() == []
    assert "Dry run" in summary_of(dry)
    assert dry.message == run_flow(participants="900001-900005, 987654").message


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({}, "nothing is chosen"),
        ({"participants": "  \n"}, "nothing is chosen"),
        ({"participants": "987654, nine"}, "participants must be ids and ranges"),
        ({"persons": "1-"}, "persons must be ids and ranges"),
        ({"from_date": "2026-02-30"}, "the from date is no date that exists"),
        ({"to_date": 20260101}, "the to date is no date that exists"),
        ({"from_date": "2026-03-02", "to_date": "2026-03-01"}, "the from date must lie before the to date"),
        ({"from_date": "2026-03-01", "to_date": "2026-03-01"}, "the from date must lie before the to date"),
        ({"course_id": "SAFE"}, "the course id must be a whole number"),
        ({"participants": "5", "course_id": "5"}, "cannot be combined"),
        ({"from_date": "2026-03-01", "date_field": "deleted"}, "the date field must be"),
        ({"participants": "5", "share": 501}, "the share must be"),
        ({"participants": "5", "share": -1}, "the share must be"),
    ],
    ids=str,
)
def test_wrong_input_is_one_plain_sentence(world: World, parameters: dict[str, Any], sentence: str) -> None:
    """What a person typed is refused in plain words before any request, also past the form's own checks."""
    state = run_flow(**parameters)
    assert state.name == "Failed"
    assert sentence in (state.message or "")
    assert "\n" not in (state.message or "")
    assert world.sandbox.requests.total() == 0


def test_a_date_range_is_half_open(world: World) -> None:
    """The first day counts and the last does not, to the second, on created and on updated."""
    world.sandbox.with_user_ids = None
    moments = {
        900001: "2026-03-01T00:00:00+01:00",
        900002: "2026-03-31T23:59:59+02:00",
        900003: "2026-04-01T00:00:00+02:00",
        900004: "2026-02-28T23:59:59+01:00",
    }
    for participant_id, moment in moments.items():
        world.sandbox.participants[participant_id]["updated_at"] = moment
        world.sandbox.participants[participant_id]["created_at"] = moment
    for field in ("updated", "created"):
        run_flow(from_date="2026-03-01", to_date="2026-04-01", date_field=field)
        assert {record["participant_id"] for record in world.bucket.records()} == {900001, 900002}


def test_a_course_is_archived(world: World) -> None:
    """A course id finds its participants."""
    state = run_flow(course_id="44724")
    assert state.name == "Completed"
    assert 12345 in {record["diploma_id"] for record in world.bucket.records()}
    assert name_of(state) == "backfill course 44724"


def test_what_failed_can_be_pasted_back(world: World) -> None:
    """The summary names what failed by id and reason, then gives the participants in the form that the form takes."""
    world.sandbox.fault("download", faults.HtmlLogin(), id=12345)
    world.sandbox.fault("diplomas", faults.MissingItems(), id=900002)
    state = run_flow(participants="900001-900003, 987654")
    assert state.name == "Failed"
    text = summary_of(state)
    assert "| 12345 | 987654 | the download is a web page and no PDF" in text
    pasted = text.partition("Paste into the backfill's field participants:")[2].split("```")[1].strip()
    assert pasted == "900002, 987654"
    world.sandbox.clear_faults()
    assert run_flow(participants=pasted).message == "2 archived, 0 unchanged, 0 failed"
    for secret in ("Doe", "eyJ", "ABC123456", world.sandbox.api_key, "CANARY"):
        assert secret not in text


def test_a_run_keeps_its_progress_and_tells_that_it_ended(world: World) -> None:
    """An operator sees how far a run is, and automations hear of its end, with counts and without names."""
    state = run_flow(participants="900001-900003, 987654")

    async def read() -> tuple[Any, list[dict[str, Any]]]:
        async with get_client() as client:
            mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id(state)]))
            found = await client.read_artifacts(artifact_filter=mine)
            (progress,) = [artifact for artifact in found if artifact.type == "progress"]
            wanted = {"filter": {"event": {"name": ["diploma-archive.run.finished"]}}}
            for _ in range(60):  # events are sent in the background
                answer = await client._client.post("/events/filter", json=wanted)
                events = answer.json()["events"]
                mine_too = [event for event in events if event["payload"]["run_id"] == run_id(state).hex]
                if mine_too:
                    return progress, mine_too
                await asyncio.sleep(0.5)
            return progress, []

    progress, events = asyncio.run(read())
    assert progress.data == 100.0
    (event,) = events
    assert event["resource"]["prefect.resource.id"] == "diploma-archive.account.default"
    assert (event["payload"]["archived"], event["payload"]["state"]) == (4, "Completed")
    assert "failures" not in event["payload"]


def test_a_missing_limit_stops_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run never goes unlimited: without the account's limit it names the command that makes it."""
    monkeypatch.setenv("FRONTCORE_ACCOUNT", "without-limit")
    state = run_flow(participants="987654")
    assert state.name == "Failed"
    assert "python -m deployments.setup" in (state.message or "")
    assert world.sandbox.requests.total() == 0


def test_a_run_waits_for_the_share_that_another_holds(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Two runs of one account never have more than its rate: the second waits, and says for what."""

    async def both() -> tuple[State, float, float]:
        async with concurrency("frontcore-default", occupy=400, strict=True):
            waiting = asyncio.create_task(backfill_diplomas(participants="987654", share=200, return_state=True))
            await asyncio.sleep(4)
            asked_while_held = world.sandbox.requests.total()
            assert not waiting.done()
        return await waiting, asked_while_held, time.monotonic()

    state, asked_while_held, _ = asyncio.run(both())
    assert asked_while_held == 0
    assert state.name == "Completed"
    assert "waiting for 200 requests per second of frontcore-default" in caplog.text


def test_a_second_account_is_a_second_pair_of_blocks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One deployment serves many accounts: the blocks' name chooses key, bucket and limit, not the environment."""
    from tests.orchestration.conftest import make_limit

    environment = dict(world.s3_environment)
    source = FrontCoreAccount(
        api_key=SecretStr(world.sandbox.api_key), base_url=world.sandbox.base_url, requests_per_second=100
    )
    where = ArchiveBucket(
        bucket=world.bucket.name,
        prefix="second",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        region=environment["AWS_DEFAULT_REGION"],
        access_key_id=SecretStr(environment["AWS_ACCESS_KEY_ID"]),
        secret_access_key=SecretStr(environment["AWS_SECRET_ACCESS_KEY"]),
    )

    async def save() -> None:
        await source.asave("second", overwrite=True)
        await where.asave("second", overwrite=True)
        await make_limit("frontcore-second", 100)

    asyncio.run(save())
    for name in ("FRONTCORE_API_KEY", "ARCHIVE_BUCKET", *environment):
        monkeypatch.delenv(name)
    assert run_flow(account="second", participants="987654").message == "1 archived, 0 unchanged, 0 failed"
    world.bucket.prefix = "second"
    assert world.bucket.document("archive.json")["account"] == "second"


def test_an_account_that_nobody_described_is_refused(world: World) -> None:
    """A mistyped account never falls back to another account's key."""
    state = run_flow(account="acne", participants="987654")
    assert state.name == "Failed"
    assert "no block FrontCore account named acne" in (state.message or "")
    assert world.sandbox.requests.total() == 0


def test_100_000_pasted_ids_are_taken(world: World) -> None:
    """A long list is one text box: it is read, and the run begins (a dry run of those that exist)."""
    state = run_flow(participants="\n".join(str(number) for number in range(1, 100_001)), dry_run=True, share=501)
    assert "the share must be" in (state.message or "")
    assert name_of(state) == "backfill 100000 participants"


def test_a_backfill_never_moves_the_cursor(world: World) -> None:
    """Filters or ids, the nightly cursor stays where it was."""
    world.run(Scope.INCREMENTAL)
    before = world.bucket.cursor()
    world.sandbox.touch_participant(900001, "2027-05-01T10:00:00+02:00")
    run_flow(from_date="2020-01-01")
    run_flow(participants="900001")
    assert world.bucket.cursor() == before
