"""How a chosen backfill is split into shards: who gets which ids, and which part of the account's rate.

Rule: each chosen id is in exactly one shard, and the shares add up to the account's rate, never to more.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from diploma_archive.errors import SettingsError
from diploma_archive.listing.selection import Ids, Selection
from diploma_archive.model.markdown import table_cell
from diploma_archive.model.outcome import SUPPRESSED, UNLISTED, Outcome
from diploma_archive.sync.green_run import Tally

_COUNTED = (*(outcome.value for outcome in Outcome), UNLISTED, SUPPRESSED)
_WITHOUT_DIPLOMA = "chosen without a diploma"
_COUNT = re.compile(rf"(\d+) ({'|'.join((*_COUNTED, _WITHOUT_DIPLOMA))})", re.ASCII)


@dataclass(frozen=True)
class Shard:
    """One part of a backfill: its ids, and the requests per second that it may use."""

    number: int  # from 1
    of: int
    share: int
    participants: Ids
    persons: Ids

    def __len__(self) -> int:
        """Return how many listings the shard makes."""
        return len(self.participants) + len(self.persons)

    @property
    def label(self) -> str:
        """Return what people call it: `shard 2 of 3`."""
        return f"shard {self.number} of {self.of}"


def split(selection: Selection, shards: object, slots: int) -> tuple[Shard, ...]:
    """Return the shards of a selection that names ids: contiguous, and as long as their shares are.

    A shard with twice the share gets twice the ids, so that all of them end at about the same time. There are never
    more shards than slots (requests per second of the account) or ids.

    Raises:
        SettingsError: the number of shards is no whole number from 1.
    """
    if type(shards) is not int or shards < 1:
        raise SettingsError("shards must be a whole number from 1", fix="Leave it at 3")
    total = len(selection.participants) + len(selection.users)
    shares = share_out(slots, min(shards, slots, total))
    # One id for each shard, and the rest by share: none is empty, however few there are.
    spare = total - len(shares)
    ends = [number + spare * taken // slots for number, taken in enumerate(accumulate(shares), start=1)]
    everybody = len(selection.participants)
    return tuple(
        Shard(
            number,
            len(shares),
            share,
            part(selection.participants, start, end),
            part(selection.users, start - everybody, end - everybody),
        )
        for number, (share, start, end) in enumerate(zip(shares, [0, *ends], ends, strict=False), start=1)
    )


def share_out(slots: int, shards: int) -> tuple[int, ...]:
    """Return whole shares that add up to the slots and differ by one at most, the larger ones first."""
    least, larger = divmod(slots, shards)
    return tuple(least + (number < larger) for number in range(shards))


def part(ids: Ids, start: int, end: int) -> Ids:
    """Return the ids from one position up to, but not including, another; positions outside count as the ends."""
    return Ids(tuple(_cut(ids, start, end)))


def text_of(ids: Ids) -> str:
    """Return ids as `read_ids` takes them: `900-950, 987654`."""
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ids.ranges)


def counts_in(sentence: str | None) -> Counter[str] | None:
    """Return the counts in the sentence of a run that came to its end (`Tally.sentence`), or None for other text.

    So a run in which diplomas failed is told from one that a fatal error stopped: both end Failed.
    """
    found = [_COUNT.fullmatch(piece) for piece in (sentence or "").split(", ")]
    counts: Counter[str] = Counter()
    for match in found:
        if match is None:
            return None
        counts[match[2]] += int(match[1])
    return counts


def added_up(sentences: Iterable[str | None]) -> str:
    """Return the counts of several runs as one sentence; text without counts adds nothing."""
    total: Counter[str] = Counter()
    for sentence in sentences:
        total.update(counts_in(sentence) or {})
    without_diploma = total.pop(_WITHOUT_DIPLOMA, 0)
    return Tally(counts=total, without_diploma=without_diploma).sentence()


@dataclass(frozen=True)
class ShardEnd:
    """How one shard ended. The message is the run's own: counts, or one plain sentence without personal data."""

    shard: Shard
    run_name: str
    run_id: str
    state: str  # as Prefect names it: Completed, Failed, Crashed, Cancelled
    message: str | None = None
    attempts: int = 1

    @property
    def is_fatal(self) -> bool:
        """Return whether a fatal error stopped it, which would stop its neighbours too."""
        return self.state == "Failed" and counts_in(self.message) is None


def sentence_of(ends: Sequence[ShardEnd]) -> str:
    """Return how it went, in one sentence: `3 of 3 shards completed: 40 archived, 2 unchanged, 0 failed`."""
    good = sum(end.state == "Completed" for end in ends)
    counts = added_up(end.message for end in ends)
    fatal = next((f". {end.shard.label}: {end.message}" for end in ends if end.is_fatal), "")
    return f"{good} of {len(ends)} shards completed: {counts}{fatal}"


def markdown_of(title: str, result: str, ends: Sequence[ShardEnd], *, dry_run: bool) -> str:
    """Return the summary as Markdown: one line for each shard; no name, number, link or key of anybody."""
    lines = [f"# {title}", "", result, ""]
    if dry_run:
        lines += ["**Dry run**: nothing was downloaded or written.", ""]
    lines += ["| shard | run | listings | requests/s | state | result |", "|---|---|---:|---:|---|---|"]
    for end in ends:
        again = f" (run {end.attempts} of it)" if end.attempts > 1 else ""
        message = table_cell(end.message or "")
        lines.append(
            f"| {end.shard.number} of {end.shard.of} | {end.run_name} `{end.run_id}` | {len(end.shard)} "
            f"| {end.shard.share} | {end.state}{again} | {message} |"
        )
    lines += ["", "What failed, by id and reason, stands in the summary of each shard's own run."]
    if any(end.state != "Completed" for end in ends):
        lines.append("Start the same backfill again: what is archived is not downloaded again.")
    return "\n".join(lines) + "\n"


def _cut(ids: Ids, start: int, end: int) -> Iterator[tuple[int, int]]:
    position = 0
    for first, last in ids.ranges:
        length = last - first + 1
        lower, upper = max(start - position, 0), min(end - position, length)
        if lower < upper:
            yield first + lower, first + upper - 1
        position += length
