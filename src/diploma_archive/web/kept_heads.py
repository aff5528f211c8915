"""The heads of runs that Prefect has kept, in the summaries of the runs: a witness outside the bucket."""

from __future__ import annotations

from dataclasses import dataclass

from diploma_archive.errors import SettingsError
from diploma_archive.model.run_head import RunHead, head_in_rows
from diploma_archive.web.prefect_api import AskError, PrefectServer

_PAGE = 50


@dataclass(frozen=True)
class KeptHeads:
    """The heads of one archive, and the moments (ISO 8601) of the first and the last that were kept."""

    heads: tuple[RunHead, ...]
    first: str = ""
    last: str = ""


def heads_kept_by_prefect(archive: str) -> KeptHeads:
    """Return what the Prefect server of PREFECT_API_URL has kept of an archive's heads.

    Args:
        archive: SHA-256 (hex) of its `archive.json`: an id would be the same in each bucket of an account.

    Raises:
        SettingsError: no server is named, or it does not answer.
    """
    server = PrefectServer.of_environment()
    if server is None:
        raise SettingsError("--heads prefect needs a Prefect server", fix="Set PREFECT_API_URL")
    found: list[tuple[str, RunHead]] = []
    try:
        offset = 0
        while True:
            page = server.ask(
                "artifacts/filter",
                {
                    "artifacts": {"key": {"like_": "diploma-archive-%"}, "type": {"any_": ["markdown"]}},
                    "sort": "CREATED_DESC",  # what comes meanwhile moves nothing out of sight
                    "limit": _PAGE,
                    "offset": offset,
                },
            )
            rows = [row for row in page if isinstance(row, dict)] if isinstance(page, list) else []
            for row in rows:
                head = head_in_rows(str(row.get("data")))
                if head is not None and head.archive == archive:
                    found.append((str(row.get("created")), head))
            if len(rows) < _PAGE:
                break
            offset += len(rows)
    except AskError as error:
        raise SettingsError(error.what, fix=error.fix) from None
    moments = sorted(moment for moment, _ in found)
    return KeptHeads(tuple(head for _, head in found), *((moments[0], moments[-1]) if moments else ()))
