"""The flow `reconcile-archive`, its deployment, and what `doctor` sees of a Prefect server."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import State
from prefect.server.schemas.schedules import CronSchedule
from prefect.settings import PREFECT_API_URL

from diploma_archive.sandbox import answer_faults as faults
from flows.reconcile import reconcile_archive
from tests.orchestration.conftest import make_limit
from tests.support.paths import ROOT
from tests.support.world import World

EXAMPLE, EXAMPLE_PARTICIPANT = 12345, 987654


def run_flow(**parameters: object) -> State:
    """Run the flow in this process and return its final state."""
    return asyncio.run(reconcile_archive(**parameters, return_state=True))


def artifact() -> str:
    """Return the newest summary of the account."""

    async def read() -> Any:
        async with get_client() as client:
            key = ArtifactFilter(key=ArtifactFilterKey(any_=["diploma-reconcile-default"]))
            found = await client.read_artifacts(artifact_filter=key)
            return max(found, key=lambda one: one.created).data

    return str(asyncio.run(read()))


@pytest.fixture
def archived(world: World) -> World:
    """The small school, all of it archived."""
    world.run()
    world.sandbox.reset_counts()
    return world


def test_a_whole_archive_is_completed_with_the_coverage(archived: World) -> None:
    """Green means that the archive holds what FrontCore has; the message and the artifact have the figure."""
    before = archived.bucket.versions()
    state = run_flow()
    assert (state.name, state.message) == ("Completed", "6 of 6 issued diplomas are archived (100 %)")
    text = artifact()
    assert "## Coverage by course" in text
    assert "| 100 % | `████████████████████` |" in text
    assert archived.sandbox.requests["download"] == 0
    assert archived.bucket.versions() == before


def test_what_is_missing_fails_the_run_and_can_be_pasted(archived: World) -> None:
    """Red, and the artifact has the list for the backfill; a full bar is never drawn for less than all."""
    archived.sandbox.add_diploma(EXAMPLE_PARTICIPANT)
    state = run_flow()
    assert (state.name, state.message) == ("Failed", "6 of 7 issued diplomas are archived (85.71 %): 1 missing")
    text = artifact()
    assert f"```\n{EXAMPLE_PARTICIPANT}\n```" in text
    assert "░" in text


def test_gone_is_red_and_a_left_participant_is_not(archived: World) -> None:
    """A diploma that vanished needs a person; one whose enrolment was removed is what the archive is there for."""
    diploma = archived.sandbox.diplomas.pop(EXAMPLE)
    assert run_flow().name == "Failed"
    del archived.sandbox.participants[EXAMPLE_PARTICIPANT]
    state = run_flow()
    assert (state.name, state.message) == (
        "Completed",
        "5 of 5 issued diplomas are archived (100 %): 1 only in archive",
    )
    assert f"| only in archive | {EXAMPLE} | {diploma.participant_id} |" in artifact()


def test_the_scope_may_be_what_a_person_chose(archived: World) -> None:
    """Participants, persons and the nightly run's share of everything, as in archive-diplomas."""
    assert run_flow(participants=str(EXAMPLE_PARTICIPANT)).name == "Completed"
    assert archived.sandbox.requests.total() == 1
    assert run_flow(scope="incremental").name == "Completed"


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [({"participants": "9-3"}, "ends before it begins"), ({"users": ", ,"}, "nobody"), ({"share": 501}, "share")],
    ids=["reversed", "nobody", "share"],
)
def test_wrong_input_ends_with_a_sentence_before_any_request(
    archived: World, parameters: dict[str, Any], sentence: str
) -> None:
    """A typing error costs nothing."""
    state = run_flow(**parameters)
    assert state.name == "Failed"
    assert sentence in (state.message or "")
    assert archived.sandbox.requests.total() == 0


def test_it_never_runs_without_its_share_of_the_rate(archived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the limit that shares out the rate nothing is sent."""
    monkeypatch.setenv("FRONTCORE_ACCOUNT", "no-limit-for-this-one")
    state = run_flow(account="no-limit-for-this-one")
    assert state.name == "Failed"
    assert "no concurrency limit" in (state.message or "")
    assert archived.sandbox.requests.total() == 0


def test_it_paces_itself_at_its_share(archived: World) -> None:
    """A share of the slots is that share of the rate."""
    asyncio.run(make_limit("frontcore-default", 100))
    try:
        state = run_flow(share=1)  # 1 of 100 slots at 500 a second
    finally:
        asyncio.run(make_limit("frontcore-default", 500))
    assert state.name == "Completed"
    assert archived.sandbox.busiest_second() <= 5


def test_fatal_errors_are_sentences_and_nobody_is_named(archived: World, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a traceback nor a name, number or key reaches Prefect, also where things fail."""
    archived.sandbox.reissue(EXAMPLE, updated_at="2026-01-02 10:00:00")
    archived.sandbox.overrides[min(archived.sandbox.diplomas)] = {}
    run_flow()
    text = artifact()
    archived.sandbox.fault("diplomas", faults.ErrorUnder200("Invalid API key"))
    state = run_flow()
    assert (state.name, "does not accept the API key" in (state.message or "")) == ("Failed", True)
    for secret in (archived.sandbox.api_key, "eyJ", "token=", "Doe", "john.doe", "ABC123456"):
        assert secret not in text + caplog.text + (state.message or "")
    assert "Traceback" not in caplog.text


def test_a_title_cannot_break_the_summary(archived: World) -> None:
    """Course titles come from outside: in the artifact they are text in one cell."""
    archived.sandbox.diplomas[EXAMPLE].course["title"] = "a|b `c` <img src=x> [x](http://y)\n# d"
    archived.run()
    run_flow()
    (row,) = [line for line in artifact().splitlines() if "44724" in line and "100 %" in line]
    assert row.startswith(r"| a\|b \`c\` \<img src=x\> \[x\](http://y) \# d (44724) | 1 | 1 |")


def test_it_is_due_on_the_first_sunday_of_each_month() -> None:
    """Day of the month and weekday must both fit; cron alone would take either."""
    deployments = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["deployments"]
    (deployment,) = [one for one in deployments if one["name"] == "reconcile"]
    (schedule,) = deployment["schedules"]
    dates = asyncio.run(CronSchedule(**schedule).get_dates(14, datetime(2026, 1, 1, tzinfo=UTC)))
    assert all(date.day <= 7 and date.weekday() == 6 for date in dates)
    assert len({(date.year, date.month) for date in dates}) == 14


class TestDoctorAsksPrefect:
    """`doctor` asks the server of PREFECT_API_URL over plain HTTP."""

    def checks(self, world: World, **environment: str) -> dict[str, tuple[str, str]]:
        """Return result and what was seen, by name."""
        settings = {"FRONTCORE_REQUESTS_PER_SECOND": "5", **environment}
        done = world.command("doctor", "--json", "--no-write", **settings)
        assert "Traceback" not in done.stderr
        checks = json.loads(done.stdout.splitlines()[-1])["checks"]
        return {check["name"]: (check["result"], check["seen"]) for check in checks if "Prefect" in check["name"]}

    def test_a_server_that_is_set_up_is_ok(self, world: World) -> None:
        """The limit is there with as many slots as the rate asks for; without blocks it says what the flows take."""
        asyncio.run(make_limit("frontcore-doctor", 5))
        found = self.checks(world, PREFECT_API_URL=str(PREFECT_API_URL.value()), FRONTCORE_ACCOUNT="doctor")
        assert found["Prefect"] == ("ok", "reached")
        assert found["Prefect limit"] == ("ok", "frontcore-doctor has 5 slots")
        assert found["Prefect block frontcore-account"][0] == "warning"

    def test_a_limit_that_is_missing_or_wrong_is_a_problem(self, world: World) -> None:
        """No flow runs without it, and one with other slots shares out another rate."""
        url = str(PREFECT_API_URL.value())
        found = self.checks(world, PREFECT_API_URL=url, FRONTCORE_ACCOUNT="nobody-made-a-limit")
        assert found["Prefect limit"][0] == "problem"
        asyncio.run(make_limit("frontcore-wrong-slots", 9))
        found = self.checks(world, PREFECT_API_URL=url, FRONTCORE_ACCOUNT="wrong-slots")
        assert found["Prefect limit"] == ("problem", "frontcore-wrong-slots has 9 slots, and the rate asks for 5")

    def test_blocks_are_compared_with_the_environment(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """After set-up all is ok; a block that says something else than the environment is named, its secret never."""
        from deployments.setup import set_up

        environment = {"FRONTCORE_ACCOUNT": "with-blocks", "FRONTCORE_REQUESTS_PER_SECOND": "5"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

        async def run() -> list[Any]:
            return [line async for line in set_up()]

        asyncio.run(run())
        url = str(PREFECT_API_URL.value())
        found = self.checks(world, PREFECT_API_URL=url, **environment)
        assert {result for result, _ in found.values()} == {"ok"}
        found = self.checks(world, PREFECT_API_URL=url, **{**environment, "ARCHIVE_PREFIX": "elsewhere"})
        result, seen = found["Prefect block archive-bucket"]
        assert (result, "prefix" in seen) == ("warning", True)

    def test_what_answers_there_may_be_anything(self, world: World) -> None:
        """A server that is no Prefect is a problem, and no traceback."""
        assert self.checks(world, PREFECT_API_URL=world.sandbox.base_url)["Prefect"][0] == "problem"
