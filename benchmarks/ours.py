"""`diploma-archive sync --all`, as the command line runs it, without the progress bar."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from diploma_archive.listing.selection import Scope, Selection
from diploma_archive.settings.loading import Settings, load_settings
from diploma_archive.sync.run import open_run


async def archive_all(settings: Settings) -> dict[str, Any]:
    """Run a pass (scope in BENCH_SCOPE, dry with BENCH_DRY_RUN) and return its counts."""
    selection = Selection(Scope(os.environ.get("BENCH_SCOPE", "full")))
    async with open_run(settings, selection, dry_run="BENCH_DRY_RUN" in os.environ) as run:
        await run.drive()
        return run.counts()


def main() -> dict[str, Any]:
    """Run it."""
    counts = asyncio.run(archive_all(load_settings()))
    del counts["seconds"]  # ours are measured as everybody's
    return {"diplomas": counts["listed"], **counts}
