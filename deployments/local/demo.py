"""`make demo`: a small school is archived on this machine, three times, and every claim is checked.

Rule: it checks, it does not narrate: the exit code is 0 only if all of it is true.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from rich.console import Console
from rich.tree import Tree

from deployments.local.servers import LocalPrefect, clean_environment
from diploma_archive.sandbox import LocalS3, Sandbox

BUCKET, PREFIX = "provider-archive", "acme/prod"
REISSUED, DELETED = 12345, 500002
ENV_FILE = Path("build/demo.env")

console = Console(width=110, highlight=False)


@dataclass
class Checks:
    """What was found true and what was not."""

    failed: int = 0

    def that(self, claim: str, is_true: bool) -> None:
        """Show a claim with its verdict."""
        self.failed += not is_true
        console.print(f"   [{'green' if is_true else 'bold red'}]{'✓' if is_true else '✗'}[/] {claim}")


class Bucket:
    """Looks into the bucket from outside, with nothing but S3."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_DEFAULT_REGION"],
        )

    def keys_below(self, below: str) -> dict[str, str]:
        """Return key -> ETag of everything below a folder of the prefix."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{PREFIX}/{below}")
        return {row["Key"]: row["ETag"] for page in pages for row in page.get("Contents", ())}

    def evidence(self) -> dict[str, str]:
        """Return what must never change: diplomas and their index."""
        return {**self.keys_below("diplomas/"), **self.keys_below("certificates/")}

    def read(self, key: str) -> dict[str, Any]:
        """Return a JSON object."""
        return dict(json.loads(self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read()))

    def records(self, diploma_id: int) -> dict[str, dict[str, Any]]:
        """Return key -> record of one diploma, the oldest first."""
        found = {key: self.read(key) for key in self.keys_below("diplomas/") if key.endswith(".json")}
        mine = [(key, record) for key, record in found.items() if record["diploma_id"] == diploma_id]
        return dict(sorted(mine, key=lambda pair: pair[1]["archived_at"]))


def main() -> int:
    """Tell and check the story; return the exit code."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--keep", action="store_true", help="leave the servers up until Ctrl-C")
    keep = parser.parse_args().keep
    clean = clean_environment()
    sandbox, s3 = Sandbox(participants=40, persons=25, seed=1), LocalS3()
    with LocalPrefect() as prefect, sandbox, s3:
        environment = {
            **prefect.environment(),
            **s3.environment(),
            "FRONTCORE_API_KEY": sandbox.api_key,
            "FRONTCORE_BASE_URL": sandbox.base_url,
            "FRONTCORE_REQUESTS_PER_SECOND": "5",
            "ARCHIVE_BUCKET": BUCKET,
            "ARCHIVE_PREFIX": PREFIX,
            "PREFECT_LOGGING_LEVEL": "ERROR",
        }
        os.environ.clear()
        os.environ.update({**clean, **environment})
        s3.create_bucket(BUCKET, versioned=True)
        console.print("[bold]The diploma archive, on this machine[/] (sandbox FrontCore, local S3, temporary Prefect)")
        prefect.wait()
        asyncio.run(prepare_prefect())
        checks = Checks()
        tell(sandbox, Bucket(environment), checks)
        if checks.failed:
            console.print(f"\n[bold red]{checks.failed} claims are not true.[/]")
        else:
            console.print("\n[bold green]All of it is true.[/]")
        if keep:
            stay(environment, prefect.ui_url)
    return 1 if checks.failed else 0


def tell(sandbox: Sandbox, bucket: Bucket, checks: Checks) -> None:
    """Run the flow three times and check what each run did."""
    console.print(f"\n[bold]1. Everything for the first time[/]: {len(sandbox.diplomas)} diplomas")
    name, message = run_flow(scope="full")
    show_run(sandbox, name, message)
    checks.that("all archived, and the run is green", message == "40 archived, 0 unchanged, 0 failed")
    checks.that("each diploma has one PDF, one record, one index entry", shapes(bucket) == (40, 40, 40))
    first = bucket.evidence()

    sandbox.reset_counts()
    console.print("\n[bold]2. Everything again[/]: it is free")
    name, message = run_flow(scope="full")
    show_run(sandbox, name, message)
    checks.that("everything unchanged", (name, message) == ("Completed", "0 archived, 40 unchanged, 0 failed"))
    checks.that("no download", sandbox.requests["download"] == 0)
    checks.that("nothing written beside the run report", bucket.evidence() == first)

    sandbox.reset_counts()
    console.print("\n[bold]3. Overnight[/]: one diploma was re-issued, one was deleted in FrontCore")
    corrected = {**sandbox.diplomas[REISSUED].course, "title": "Safety Training Course (refresher)"}
    sandbox.reissue(REISSUED, "2026-02-28 09:30:00", course=corrected)
    sandbox.diplomas[DELETED].deleted_at = "2026-02-28 10:00:00"
    for diploma_id in (REISSUED, DELETED):
        sandbox.touch_participant(sandbox.diplomas[diploma_id].participant_id, "2026-02-28T10:00:00+01:00")
    name, message = run_flow(scope="incremental")
    show_run(sandbox, name, message)
    reissued, deleted = bucket.records(REISSUED), bucket.records(DELETED)
    checks.that("only the change was archived", message == "1 archived, 0 unchanged, 0 failed, 1 withdrawn")
    checks.that("one download", sandbox.requests["download"] == 1)
    checks.that(
        "the re-issued diploma has a second revision that names the first",
        [record["supersedes"] for record in reissued.values()] == [None, next(iter(reissued.values()))["revision"]],
    )
    checks.that(
        "the deleted one is marked withdrawn, and its PDF is kept",
        [record["status"] for record in deleted.values()] == ["issued", "withdrawn"]
        and f"{PREFIX}/{next(iter(deleted.values()))['file']['key']}" in bucket.keys_below("diplomas/"),
    )
    checks.that("everything archived before is as it was", first.items() <= bucket.evidence().items())
    show_tree(bucket)
    key, record = list(reissued.items())[-1]
    console.print(f"\n[bold]Its newest record[/] {key}")
    shown = {name: value for name, value in record.items() if name not in ("user", "course", "coursedate")}
    console.print_json(json.dumps(shown))


async def prepare_prefect() -> None:
    """Make the blocks and the limit that the flow needs, as an operator does with `python -m deployments.setup`."""
    # Prefect reads its settings when it is first imported: only now do they name the local server.
    from deployments.setup import set_up  # noqa: PLC0415

    async for _ in set_up():
        pass


def run_flow(scope: str) -> tuple[str, str]:
    """Run the flow on the local Prefect and return the name and message of its final state."""
    from flows.archive import archive_diplomas  # noqa: PLC0415  as above

    state = asyncio.run(archive_diplomas(scope=scope, return_state=True))
    return state.name, state.message


def shapes(bucket: Bucket) -> tuple[int, int, int]:
    """Return how many PDFs, records and index entries there are."""
    diplomas = list(bucket.keys_below("diplomas/"))
    pdfs = sum(key.endswith(".pdf") for key in diplomas)
    return pdfs, len(diplomas) - pdfs, len(bucket.keys_below("certificates/"))


def show_run(sandbox: Sandbox, name: str, message: str) -> None:
    """Show the final state and what it cost at FrontCore."""
    asked = sandbox.requests
    console.print(f"   Prefect says [bold]{name}[/]: {message}")
    console.print(
        f"   requests to FrontCore: {asked['participants']} pages of participants, {asked['diplomas']} listings, "
        f"{asked['download']} downloads; busiest second: {sandbox.busiest_second()} of 5 allowed"
    )


def show_tree(bucket: Bucket) -> None:
    """Show where one diploma lies in the bucket."""
    console.print("\n[bold]One diploma in the bucket[/]")
    tree = Tree(f"{BUCKET}/{PREFIX}")
    branches = {"": tree}
    for key in filter(lambda key: "ABC123456" in key, bucket.keys_below("")):
        *folders, leaf = key.removeprefix(f"{PREFIX}/").split("/")
        path = ""
        for folder in folders:
            parent, path = branches[path], f"{path}/{folder}"
            branches.setdefault(path, parent.add(f"{folder}/") if path not in branches else branches[path])
        branches[path].add(leaf)
    console.print(tree)


def stay(environment: dict[str, str], ui_url: str) -> None:
    """Leave the servers up and say how to look at them, until Ctrl-C."""
    ENV_FILE.parent.mkdir(exist_ok=True)
    kept = {name: value for name, value in environment.items() if name != "PREFECT_LOGGING_LEVEL"}
    ENV_FILE.write_text("".join(f"export {name}='{value}'\n" for name, value in kept.items()))
    console.print(
        f"\nThe servers stay up until Ctrl-C. Prefect's UI: {ui_url}\n"
        f"In another terminal, in this folder:\n"
        f"   . {ENV_FILE}\n"
        f"   .venv/bin/diploma-archive sync --all\n"
        f"   .venv/bin/diploma-archive verify\n"
        f"   .venv/bin/diploma-archive show ABC123456\n"
    )
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    done.wait()
    ENV_FILE.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
