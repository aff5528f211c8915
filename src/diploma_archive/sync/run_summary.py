"""The summary of a run as Markdown, for whoever looks in the morning.

Rule: ids, counts and reasons only; no name, birth date, certificate number, link or key: anyone with the UI reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diploma_archive.listing.selection import write_ids
from diploma_archive.model.cursor import Cursor
from diploma_archive.model.markdown import MAX_ROWS, artifact_key, table_cell
from diploma_archive.model.run_head import RunHead


@dataclass(frozen=True)
class Summary:
    """What a run did: its counts (`Run.counts`), and what a person must look at."""

    account: str
    title: str
    result: str  # how it ended, one sentence
    counts: Mapping[str, Any]
    failures: Sequence[Mapping[str, Any]]
    participants_to_try_again: frozenset[int] = frozenset()
    persons_to_try_again: frozenset[int] = frozenset()
    cursor_before: Cursor | None = None
    cursor_after: Cursor | None = None
    dry_run: bool = False
    head: RunHead | None = None

    @property
    def key(self) -> str:
        """Return the artifact's key, the same for every run of an account: `diploma-archive-acme`."""
        return artifact_key("diploma-archive", self.account)

    def markdown(self) -> str:
        """Return the summary."""
        seconds = float(self.counts["seconds"])
        # From the first request to the last: n requests have n-1 intervals between them.
        rate = max(self.counts["requests"] - 1, 0) / seconds if seconds else 0.0
        lines = [f"# {self.title}", "", self.result, ""]
        if self.dry_run:
            lines += [
                "**Dry run**: nothing was downloaded or written; these are the outcomes a real run would have.",
                "",
            ]
        lines += ["| | |", "|---|---:|"]
        lines += [f"| {name} | {value} |" for name, value in self.counts.items() if name in _COUNTED]
        lines += [
            f"| requests to FrontCore | {self.counts['requests']} ({rate:.2f}/s) |",
            f"| downloaded | {_size(self.counts['bytes'])} |",
            f"| duration | {_duration(seconds)} |",
        ]
        if self.cursor_before is not None:
            lines.append(f"| cursor before | {_moment(self.cursor_before)} |")
            lines.append(f"| cursor after | {_moment(self.cursor_after or self.cursor_before)} |")
        lines += [f"| run id | `{self.counts['run_id']}` |", *(self.head.to_rows() if self.head else []), ""]
        return "\n".join([*lines, *self._to_look_at()])

    def _to_look_at(self) -> list[str]:
        if not self.failures:
            return []
        lines = ["## To look at", "", "| diploma | participant | reason |", "|---:|---:|---|"]
        for failure in self.failures[:MAX_ROWS]:
            reason = table_cell(str(failure["error"]))
            lines.append(f"| {failure['diploma_id'] or ''} | {failure['participant_id'] or ''} | {reason} |")
        if len(self.failures) > MAX_ROWS:
            lines.append(f"\n{len(self.failures) - MAX_ROWS} more; the run report in the bucket names them all.")
        for what, ids in (("participants", self.participants_to_try_again), ("persons", self.persons_to_try_again)):
            if ids:
                lines += ["", f"## Run just these again ({what})", "", f"Paste into the backfill's field {what}:", ""]
                lines += ["```", write_ids(ids), "```"]
        return lines


_COUNTED = (
    *("listed", "archived", "unchanged", "withdrawn", "conflict", "quarantined", "failed"),
    *("unlisted", "suppressed"),
)


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _moment(cursor: Cursor) -> str:
    newest = cursor.newest.isoformat(sep=" ") if cursor.newest else "none yet"
    return f"{newest}, {len(cursor.retry)} to try again" if cursor.retry else newest
