"""What a run did, as one JSON object under `runs/` (DESIGN.md section 5).

Rule: counts, and outcomes by diploma id and certificate; no personal data. It goes from file to file, not to memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from diploma_archive.archive.archive import Archive
from diploma_archive.archive.stored_cursor import NextCursor
from diploma_archive.model.json_document import FORMAT, TOOL, utc_text
from diploma_archive.model.keys import run_report_key
from diploma_archive.model.payload import Payload
from diploma_archive.model.run_head import RunHead
from diploma_archive.sync.outcome_spool import Spool


async def put_run_report(
    archive: Archive,
    spool: Spool,
    *,
    run_id: str,
    status: str,
    scope: str,
    force: bool,
    started_at: datetime,
    counts: Mapping[str, Any],
    cursor: NextCursor | None,
) -> RunHead:
    """Store the report of a run, and return its head.

    Args:
        spool: the findings of the run.
        status: `finished`, `stopped` (by a fatal error) or `interrupted`.
        counts: the counts of the run, without its failures: those are among the outcomes.
        cursor: the one that the run writes after its report.

    Raises:
        StoreError: it cannot be stored.
    """
    head = {
        "format": FORMAT,
        "run_id": run_id,
        "status": status,
        "scope": scope,
        "force": force,
        "started_at": utc_text(started_at),
        "finished_at": utc_text(datetime.now(UTC)),
        "tool": TOOL,
        **await archive.links(cursor),
        **counts,
    }
    with spool.finished(head) as report:
        payload = Payload(report.file, report.sha256, report.md5, report.size)
        key = run_report_key(started_at, run_id)
        await archive.put_run_report(key, payload)
        return RunHead(key, payload.sha256, archive.identity_sha256)
