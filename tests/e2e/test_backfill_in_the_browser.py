"""A person's way: fill in the backfill form in Prefect's UI, submit, and read what happened, in both of its UIs."""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from deployments.local.stack import BUCKET, PREFIX, ROOT, Stack, local_stack
from diploma_archive.sandbox import Sandbox
from tests.support.world import Bucket

SCREENSHOTS = ROOT / "build" / "screenshots"
# Debian's Chromium, without the services that would call out of this machine.
CHROMIUM_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
# Prefect's page takes a click before it listens, on a busy machine: then a person clicks again.
CLICKS = 3
END_SECONDS = 600  # a machine may be busy: it must end at all
expect.set_options(timeout=120_000)  # milliseconds, for what a page is to show: likewise
UIS = pytest.mark.parametrize("ui", ["v1", "v2"])


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Everything that `make ui` starts."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    log = ROOT / "build" / "worker.log"
    log.unlink(missing_ok=True)
    with local_stack(Sandbox(participants=40, persons=25, seed=1), worker_log=log) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "these tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new page."""
    opened = browser.new_page(viewport={"width": 1300, "height": 1400})
    opened.set_default_timeout(120_000)
    yield opened
    opened.close()


@pytest.fixture
def bucket(stack: Stack) -> Bucket:
    """The archive, from outside."""
    return Bucket(stack.environment, BUCKET, PREFIX)


def ask(stack: Stack, path: str, body: dict[str, Any]) -> Any:
    """Ask Prefect's API."""
    request = urllib.request.Request(
        f"{stack.prefect.ui_url}/api/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def submit(stack: Stack, page: Page, ui: str, participants: str) -> dict[str, Any]:
    """Fill in the form and submit it; return the flow run once it has ended."""
    known = {run["id"] for run in ask(stack, "flow_runs/filter", {})}
    (deployment,) = [found for found in ask(stack, "deployments/filter", {}) if found["name"] == "backfill"]
    root = stack.prefect.ui_url + ("/v2" if ui == "v2" else "")
    page.goto(f"{root}/deployments/deployment/{deployment['id']}/run")
    expect(page.get_by_text("Participant ids and ranges, separated by commas")).to_be_visible()
    page.locator("textarea").first.fill(participants)
    page.screenshot(path=SCREENSHOTS / f"{ui}-form.png")
    new: list[dict[str, Any]] = []
    for _ in range(CLICKS):
        page.get_by_role("button", name="Submit").click()
        deadline = time.monotonic() + 60
        while not new and time.monotonic() < deadline:
            time.sleep(0.5)
            new = [run for run in ask(stack, "flow_runs/filter", {}) if run["id"] not in known]
        if new:
            break
    page.screenshot(path=SCREENSHOTS / f"{ui}-submitted.png")
    assert new, f"the form made no run; see {ui}-submitted.png"
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        run = dict(ask(stack, "flow_runs/filter", {"flow_runs": {"id": {"any_": [new[0]["id"]]}}})[0])
        if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            page.goto(f"{root}/runs/flow-run/{run['id']}")
            return run
        time.sleep(0.5)
    worker = (ROOT / "build" / "worker.log").read_text()[-2_000:]
    raise AssertionError(f"the run is {run['state_name']} after {END_SECONDS} seconds; its worker said:\n{worker}")


@UIS
def test_a_backfill_from_the_form_is_archived_and_explained(stack: Stack, page: Page, bucket: Bucket, ui: str) -> None:
    """A pasted list of participants is archived, the run is green, and its summary says what happened."""
    first = {"v1": 900001, "v2": 900021}[ui]
    run = submit(stack, page, ui, f"987654,\n{first}-{first + 9}")
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    assert run["name"] == "backfill 11 participants"
    archived = {record["participant_id"] for record in bucket.records()}
    assert {987654, *range(first, first + 10)} <= archived
    expect(page.get_by_text("Completed").first).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"{ui}-run.png")
    # The tab lists it by its key; the artifact itself is a page of its own.
    page.get_by_text("Artifacts", exact=True).last.click()
    expect(page.get_by_text("diploma-archive-default").first).to_be_visible()
    found = ask(stack, "artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    (summary,) = [artifact for artifact in found if artifact["key"] == "diploma-archive-default"]
    page.goto(f"{page.url.split('/runs/')[0]}/artifacts/artifact/{summary['id']}")
    expect(page.get_by_text("requests to FrontCore").first).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"{ui}-summary.png")


def test_the_same_again_is_unchanged(stack: Stack, page: Page, bucket: Bucket) -> None:
    """A second submission of the same list downloads nothing and changes nothing."""
    submit(stack, page, "v2", "987654, 900001-900010")
    before = bucket.evidence()
    stack.sandbox.reset_counts()
    run = submit(stack, page, "v2", "987654, 900001-900010")
    assert run["state"]["message"] == "0 archived, 11 unchanged, 0 failed"
    assert stack.sandbox.requests["download"] == 0
    assert bucket.evidence() == before


@UIS
def test_nonsense_is_refused_in_plain_words(stack: Stack, page: Page, ui: str) -> None:
    """Letters among the ids end the run as Failed with one sentence, before any request to FrontCore."""
    stack.sandbox.reset_counts()
    run = submit(stack, page, ui, "987654, nine hundred")
    assert run["state_type"] == "FAILED"
    assert stack.sandbox.requests.total() == 0
    expect(page.get_by_text("participants must be ids and ranges").first).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"{ui}-nonsense.png")


def test_an_empty_form_is_refused(stack: Stack, page: Page) -> None:
    """An empty form is never taken for "everything"."""
    stack.sandbox.reset_counts()
    run = submit(stack, page, "v2", "")
    assert run["state_type"] == "FAILED"
    assert "nothing is chosen" in run["state"]["message"].lower()
    assert stack.sandbox.requests.total() == 0


def test_the_worker_told_no_secret(stack: Stack) -> None:
    """Neither key nor token nor name is in the worker's log."""
    log = Path(ROOT / "build" / "worker.log").read_text()
    assert "11 unchanged" in log
    for secret in (stack.sandbox.api_key, "eyJ", "token=", "Doe", "CANARY", "Traceback"):
        assert secret not in log
