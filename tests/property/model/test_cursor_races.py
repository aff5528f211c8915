"""Runs that overlap in any way, and cursors that are torn: no row of the source is skipped by the next run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from diploma_archive.model.cursor import Cursor, CursorObject, heads, merge, prunable, succeed

ROWS = 5
START = datetime(2026, 1, 1)  # noqa: DTZ001  cursors are naive
STEP = timedelta(hours=30)  # longer than the overlap, which would forgive much


@dataclass
class Source:
    """Rows that change, each change with its date, and what some run has archived of them."""

    now: int = 0
    changed: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(ROWS), 0))
    archived: set[tuple[int, int]] = field(default_factory=set)

    def change(self, row: int) -> None:
        """A row changes now."""
        self.now += 1
        self.changed[row] = self.now


@dataclass
class Simulated:
    """A run: it begins with the cursors that are there, reads half of the rows and then the others, and writes."""

    began_with: list[CursorObject]
    started: int
    full: bool
    newest: datetime | None = None
    failed: set[int] = field(default_factory=set)
    seen: dict[int, str] = field(default_factory=dict)

    def read(self, source: Source, rows: range, failing: set[int]) -> None:
        """List what the filter shows, and whom the cursor wants to be tried again."""
        cursor = merge(one.cursor for one in self.began_with)
        read_from = None if self.full else cursor.read_from()
        for row in rows:
            date = START + STEP * source.changed[row]
            retried = row in cursor.retry
            if read_from is not None and str(date) < read_from and not retried:
                continue
            known = cursor.seen.get(row) == str(source.changed[row]) and not retried and not self.full
            if not known and row in failing:
                self.failed.add(row)
                continue
            if not known:
                source.archived.add((row, source.changed[row]))
            self.seen[row] = str(source.changed[row])
            self.newest = max(self.newest or date, date)

    def cursor(self) -> Cursor:
        """Return what the run came to, never beyond its start."""
        newest = self.newest and min(self.newest, START + STEP * self.started)
        before = merge(one.cursor for one in self.began_with)
        return before.advanced(newest, self.failed, seen=self.seen, full=self.full)


@dataclass(frozen=True)
class Planned:
    """What shall happen to a run: whether it reads everything, who fails in it, and whether what it writes is torn."""

    full: bool
    failing: frozenset[int]
    torn: bool


PLANNED = st.builds(Planned, st.booleans(), st.frozensets(st.integers(0, ROWS - 1), max_size=3), st.booleans())
STEPS_OF_A_RUN = 4  # begin, read half, read the rest, write


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[Planned], list[int | str]]:
    """Return runs, and one order of all their steps, of changes at the source and of removals."""
    runs = draw(st.lists(PLANNED, min_size=1, max_size=4))
    steps: list[int | str] = [number for number in range(len(runs)) for _ in range(STEPS_OF_A_RUN)]
    steps += draw(st.lists(st.sampled_from([*map(str, range(ROWS)), "prune"]), max_size=12))
    return runs, draw(st.permutations(steps))


@settings(max_examples=400)
@given(schedules())
def test_no_row_is_skipped(schedule: tuple[list[Planned], list[int | str]]) -> None:
    """Whatever the order of up to four runs at once, what was torn, and what was removed."""
    planned, steps = schedule
    source, stored, torn = Source(), list[CursorObject](), set[str]()
    runs: dict[int, Simulated] = {}
    done: Counter[int] = Counter()

    def whole() -> list[CursorObject]:
        return [one for one in stored if one.key not in torn]

    for step in steps:
        if step == "prune":
            gone = prunable(whole(), torn)
            stored, torn = [one for one in stored if one.key not in gone], torn - set(gone)
        elif isinstance(step, str):
            source.change(int(step))
        else:
            done[step] += 1
            if done[step] == 1:
                runs[step] = Simulated(heads(whole()), source.now, planned[step].full)
            elif done[step] < STEPS_OF_A_RUN:
                rows = range(ROWS // 2) if done[step] == 2 else range(ROWS // 2, ROWS)
                runs[step].read(source, rows, set(planned[step].failing))
            else:
                key = f"{max((int(one.key) for one in stored), default=0) + 1:04}"
                cursor, follows = succeed(runs[step].cursor(), runs[step].began_with, heads(whole()))
                stored.append(CursorObject(key, cursor, follows | torn))
                torn |= {key} if planned[step].torn else set()
    last = Simulated(heads(whole()), source.now, full=False)
    last.read(source, range(ROWS), set())
    assert set(source.changed.items()) <= source.archived
