"""One FrontCore account as a process of its own: `python -m tests.support.frontcore_process ORDER.json`.

Rule: nothing else happens in this process while requests are counted, so that an arrival is noted when it arrives.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments.local.servers import ChildProcess, clean_environment
from deployments.local.stack import ROOT
from diploma_archive.frontcore import backoff
from diploma_archive.listing.selection import choose, write_ids
from diploma_archive.sandbox import Sandbox
from diploma_archive.settings.archive import ArchiveSettings
from diploma_archive.settings.frontcore import FrontCoreSettings
from diploma_archive.settings.loading import Settings
from diploma_archive.sync.run import open_run

RATE = 5.0
EACH = 20  # of so many participants in a row ...
NEW = (0, 5, 10)  # ... these have a diploma that is not archived yet,
ARCHIVED = (3, 13)  # ... these one that is archived already, and the others have none
SAY_SECONDS = 0.5


@dataclass(frozen=True)
class Account:
    """An account's process, seen from the test.

    Args:
        name: of the account, and the prefix of its archive.
        folder: where order, ready note, counts and report lie.
    """

    name: str
    participants: int
    folder: Path
    process: ChildProcess = field(init=False)

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "tests.support.frontcore_process", str(self.folder / "order.json")]
        environment = {**clean_environment(), "PYTHONPATH": str(ROOT)}
        object.__setattr__(
            self, "process", ChildProcess(command, environment, cwd=ROOT, log=self.folder / "account.log")
        )

    def start(self, bucket: str, s3: dict[str, str]) -> None:
        """Start it; `ready` tells when it can be asked."""
        self.folder.mkdir(parents=True)
        order = {"name": self.name, "participants": self.participants, "bucket": bucket, "s3": s3}
        (self.folder / "order.json").write_text(json.dumps(order))
        self.process.start()

    def is_ready(self) -> bool:
        """Return whether it answers."""
        assert self.process.is_alive(), (self.folder / "account.log").read_text()
        return (self.folder / "ready.json").exists()

    def ready(self) -> dict[str, Any]:
        """Return `base_url`, `api_key`, `chosen` (all participants as the form takes them), `new` and `archived`."""
        return dict(json.loads((self.folder / "ready.json").read_text()))

    def counts(self) -> Counter[str]:
        """Return the requests so far, by kind."""
        return Counter(json.loads((self.folder / "counts.json").read_text()))

    def report(self) -> list[tuple[float, str]]:
        """Stop it and return moment (monotonic) and kind of every request."""
        self.process.stop()
        return [(at, kind) for at, kind in json.loads((self.folder / "report.json").read_text())]


def main(order_file: Path) -> None:
    """Be the account until SIGTERM."""
    order, folder = json.loads(order_file.read_text()), order_file.parent
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sandbox = Sandbox(participants=order["participants"], persons=order["participants"], seed=1)
    new, archived = _thin_out(sandbox)
    sandbox.requests_per_second = None
    with sandbox:
        os.environ.update(order["s3"])
        asyncio.run(_archive(sandbox, order, archived))
        _go_first()
        sandbox.requests_per_second = RATE
        sandbox.reset_counts()
        ready = {
            "base_url": sandbox.base_url,
            "api_key": sandbox.api_key,
            "chosen": write_ids(sandbox.participants),
            "new": new,
            "archived": archived,
        }
        _write(folder / "ready.json", ready)
        while not stop.wait(SAY_SECONDS):
            _write(folder / "counts.json", dict(sandbox.requests))
        _write(folder / "report.json", [(seen.at, seen.kind) for seen in sandbox.seen])


def _thin_out(sandbox: Sandbox) -> tuple[list[int], list[int]]:
    """Leave diplomas to some participants only, drawn beforehand; return those that are new and those to archive."""
    new: list[int] = []
    archived: list[int] = []
    for position, diploma in enumerate(sorted(sandbox.diplomas.values(), key=lambda one: one.participant_id)):
        place = position % EACH
        if place in NEW or place in ARCHIVED:
            diploma.pdf = sandbox.pdf_of(diploma.id)
            (new if place in NEW else archived).append(diploma.id)
        else:
            del sandbox.diplomas[diploma.id]
    return new, archived


async def _archive(sandbox: Sandbox, order: dict[str, Any], diplomas: list[int]) -> None:
    """Archive these diplomas beforehand, without a limit of the rate."""
    backoff.FIRST_WAIT_SECONDS = 0.01
    settings = Settings(
        FrontCoreSettings(
            api_key=sandbox.api_key, account=order["name"], base_url=sandbox.base_url, requests_per_second=500
        ),
        ArchiveSettings(bucket=order["bucket"], prefix=order["name"]),
    )
    participants = write_ids(sandbox.diplomas[one].participant_id for one in diplomas)
    async with open_run(settings, choose([participants], [])) as run:
        tally = await run.drive()
    assert tally.counts["archived"] == len(diplomas), tally.sentence()


def _go_first() -> None:
    """Let this process run as soon as a request arrives, also when everything else keeps both cores busy.

    It stands for another machine: an arrival that it notes late would count into the wrong second. Where that is not
    allowed (it needs root) it goes on as it is.
    """
    with suppress(OSError):
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(1))


def _write(file: Path, value: object) -> None:
    """Replace a file at once, so that nobody reads half of it."""
    half = file.with_suffix(".half")
    half.write_text(json.dumps(value))
    half.replace(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
