"""The flow `archive-diplomas`: its states and messages are what an operator reads in the morning."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL

from diploma_archive.sandbox import answer_faults as faults
from flows.archive import archive_diplomas
from tests.support.verifying import delete
from tests.support.world import World


def run_flow(**parameters: object) -> State:
    """Run the flow in this process and return its final state."""
    return asyncio.run(archive_diplomas(**parameters, return_state=True))


def test_a_green_run_says_what_it_archived(world: World) -> None:
    """Completed means archived, and the message has the counts; a second run is free."""
    state = run_flow(scope="full")
    assert (state.name, state.message) == ("Completed", "6 archived, 0 unchanged, 0 failed")
    assert len(world.bucket.keys_below("certificates/")) == 6
    world.sandbox.reset_counts()
    assert run_flow(scope="full").message == "0 archived, 6 unchanged, 0 failed"
    assert world.sandbox.requests["download"] == 0


def test_the_record_names_the_flow_run(world: World) -> None:
    """From a record an operator finds the flow run that wrote it."""
    state = run_flow(participants="987654")
    (record,) = world.bucket.records(12345)
    assert record["run_id"] == str(state.state_details.flow_run_id).replace("-", "")


def test_a_rollback_is_found_by_what_prefect_has_kept(world: World) -> None:
    """The summary of each run carries the head of its report: a witness outside the bucket, at no cost."""
    run_flow(scope="full")
    before = set(world.bucket.keys_below())
    world.sandbox.reissue(12345, "2026-03-05 10:00:00", passed_note="better")
    run_flow(scope="full")
    later = sorted(set(world.bucket.keys_below()) - before)
    server = str(PREFECT_API_URL.value())
    assert world.command("verify", "--heads", "prefect", PREFECT_API_URL=server).returncode == 0
    delete(world.bucket, *later)
    assert world.command("verify", PREFECT_API_URL=server).returncode == 0
    done = world.command("verify", "--heads", "prefect", "--json", PREFECT_API_URL=server)
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, answer["counts"]) == (1, {"missing_report": 1})
    assert "Prefect has kept 2 heads of this archive, from 20" in answer["notes"][0]["detail"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (faults.HtmlLogin(), "5 archived, 0 unchanged, 1 failed"),
        (faults.SamePdf(b"%PDF-1.4\n" + b"odd" * 200 + b"%%EOF"), "5 archived, 0 unchanged, 0 failed, 1 quarantined"),
    ],
    ids=["failed", "quarantined"],
)
def test_a_run_that_did_not_archive_everything_is_failed(world: World, fault: faults.Fault, message: str) -> None:
    """Green never hides a diploma that is not archived."""
    world.sandbox.fault("download", fault, id=12345)
    state = run_flow(scope="full")
    assert (state.name, state.message) == ("Failed", message)


def test_a_conflict_is_failed_too(world: World) -> None:
    """Two diplomas under one certificate number need a person."""
    world.sandbox.diplomas[500001].random_certificate_number = "ABC123456"
    state = run_flow(scope="full")
    assert (state.name, state.message) == ("Failed", "5 archived, 0 unchanged, 0 failed, 1 conflict")


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"participants": "12, x3"}, "participants must be ids and ranges"),
        ({"participants": "9-3"}, "ends before it begins"),
        ({"users": ", ,"}, "nobody is chosen"),
    ],
    ids=["letters", "reversed", "nobody"],
)
def test_wrong_input_ends_with_a_sentence_before_any_request(
    world: World, parameters: dict[str, str], sentence: str
) -> None:
    """A person's typing error costs nothing and is named in plain words."""
    state = run_flow(**parameters)
    assert state.name == "Failed"
    assert sentence in (state.message or "")
    assert world.sandbox.requests.total() == 0


def test_wrong_settings_are_a_sentence_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing key is named as the setting that it is."""
    monkeypatch.delenv("FRONTCORE_API_KEY")
    state = run_flow(scope="full")
    assert state.name == "Failed"
    assert (state.message or "").startswith("FRONTCORE_API_KEY is missing")


def test_a_fatal_error_in_a_batch_stops_the_run_with_its_sentence(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A key that is refused in mid-run stops everything; no traceback reaches the log."""
    world.sandbox.fault("diplomas", faults.ErrorUnder200("Invalid API key"))
    with caplog.at_level(logging.DEBUG):
        state = run_flow(scope="full")
    assert state.name == "Failed"
    assert "does not accept the API key" in (state.message or "")
    assert [record.getMessage() for record in caplog.records if record.exc_info and record.exc_info[0]] == []
    assert "Traceback" not in caplog.text


def test_what_nobody_thought_of_is_never_green(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that is not ours, such as a missing temporary folder, fails the run and leaves the cursor alone."""
    monkeypatch.setattr("diploma_archive.sync.outcome_spool.SPOOL_BYTES", 1)
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    with caplog.at_level(logging.DEBUG):
        state = run_flow()
    assert state.name == "Failed"
    assert "unexpected FileNotFoundError" in (state.message or "")
    assert "Traceback" not in caplog.text
    assert world.bucket.keys_below("state/") == []


def test_cursor_and_retry_list_move_as_on_the_command_line(world: World) -> None:
    """Incremental runs move the cursor and remember what failed; a backfill does neither."""
    run_flow(participants="987654")
    assert world.bucket.cursor() is None
    world.sandbox.fault("download", faults.HtmlLogin(), id=500001)
    run_flow()
    assert (world.bucket.cursor() or {})["retry"] == [900001]
    world.sandbox.clear_faults()
    run_flow()
    assert (world.bucket.cursor() or {})["retry"] == []


def test_prefect_is_told_no_secret_and_no_name(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Parameters, states and logs hold ids and counts only: anyone with the UI can read them."""
    world.sandbox.fault("download", faults.Truncated(with_content_length=False), id=12345)
    with caplog.at_level(logging.DEBUG):
        state = run_flow(scope="full")

    async def what_prefect_knows() -> str:
        async with get_client() as client:
            flow_run_id = state.state_details.flow_run_id
            assert flow_run_id is not None
            flow_run = await client.read_flow_run(flow_run_id)
            return json.dumps(flow_run.model_dump(mode="json"))

    known = asyncio.run(what_prefect_knows()) + caplog.text
    for secret in (world.sandbox.api_key, "eyJ", "token=", "Doe", "john.doe", "CANARY", "ABC123456"):
        assert secret not in known


def test_a_dry_run_writes_nothing(world: World) -> None:
    """An operator can look first."""
    assert run_flow(scope="full", dry_run=True).message == "6 archived, 0 unchanged, 0 failed"
    assert world.bucket.keys_below() == []
