"""Which page of participants to ask for next, decided from the pages so far (DESIGN.md section 9): no I/O.

Rule: no row is lost or given twice, also when rows come and go meanwhile; the walk always ends, and where nobody can
say that it is whole, `shortfall` says so. By `since_id` where the server honours it and ids ascend, else by `page`,
swept again until a sweep brings nothing. A short page is not the end, since the server may cap the limit; a page
without rows that are new to the sweep is.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import Enum

from diploma_archive.errors import ListingError
from diploma_archive.frontcore.list_sweep import Page, Sweep

PAGE_LIMIT = 250  # the most that FrontCore gives (FRONTCORE.md)
MAX_PAGES = 40_000  # of one walk, 10 million participants: a server that never ends is an error
MAX_REPEATED_PAGES = 10  # as many pages in a row may hold known rows alone, where the server names a next one
MAX_SWEEPS = 5  # by page number: rows that move all the time are never seen for sure
PLAIN_REFUSALS = frozenset({200, 204, 416})  # no body, or no such range: every other one counts only if said twice


class _Probe(Enum):
    """What the next request is about, after a page was refused."""

    AGAIN = "the same page once more"
    LAST_ROW = "the last row alone"
    AFTER_LAST_ROW = "what comes after the last row"


@dataclass
class Paging:
    """The state of one walk through a list.

    `next_parameters()` says what to ask, `take(page)` or `refused(status)` what came; `done` ends it.
    """

    done: bool = False
    shortfall: str = ""  # why what was given may not be all of it; empty where it is
    second_look: int = 0  # rows that only a further sweep brought
    sweeps: int = 1
    _by_page: bool = False
    _number: int = 1  # of the page, by page number
    _requests: int = 0
    _unreadable: set[int] = field(default_factory=set)
    _unreadable_pages: int = 0  # since the last readable id: `since_id` cannot step over them, `page` can
    _last_id: int = 0
    _id_before: int = 0
    _probe: _Probe | None = None
    _refusal: int = 0
    _proven_refusal: int = -1  # a refusal that was shown to mean the end in an earlier sweep
    _sweep: Sweep = field(default_factory=Sweep)
    _highest_of_first_sweep: int = 0
    _new_in_sweep: int = 0
    # Ids given so far: 8 bytes each while they ascend; a set only where the server forces paging by number.
    _given: array[int] = field(default_factory=lambda: array("q"))
    _seen: set[int] = field(default_factory=set)

    @property
    def way(self) -> str:
        """Return how the list is walked through, for the log."""
        return "page" if self._by_page else "since_id"

    @property
    def page(self) -> int:
        """Return the number of the page that is asked for next, as errors and `next_page` fields count it."""
        return self._number if self._by_page else 1 + self._unreadable_pages

    @property
    def _rows(self) -> int:
        return len(self._seen if self._by_page else self._given) + len(self._unreadable)

    def next_parameters(self) -> dict[str, int]:
        """Return the query parameters of the next request."""
        self._requests += 1
        if self._probe in (_Probe.LAST_ROW, _Probe.AFTER_LAST_ROW):
            after = self._probe is _Probe.AFTER_LAST_ROW
            if self._by_page:
                return {"limit": 1, "page": len(self._sweep.seen) + len(self._sweep.unreadable) + after}
            return {"limit": PAGE_LIMIT, "since_id": self._last_id if after else self._id_before}
        if self._by_page:
            return {"limit": PAGE_LIMIT, "page": self._number}
        # From the first request on: a server that honours it then sorts the first page by id too.
        parameters = {"limit": PAGE_LIMIT, "since_id": self._last_id}
        return {**parameters, "page": 1 + self._unreadable_pages} if self._unreadable_pages else parameters

    def take(self, page: Page) -> set[int]:
        """Return which of the ids that came are new, and move on.

        Raises:
            ListingError: the server goes on naming a next page and repeats what it gave, or pages have no end.
        """
        if self._requests > MAX_PAGES:
            raise ListingError(f"FrontCore's list has no end ({MAX_PAGES} pages were read)")
        if self._probe in (_Probe.LAST_ROW, _Probe.AFTER_LAST_ROW):
            return self._take_probe(page)
        self._probe = None
        return self._take_page(page) if self._by_page else self._take_ascending(page)

    def refused(self, status: int) -> None:
        """Note that the page was refused with a status, or came without a body (status 204 or 200).

        Raises:
            ListingError: nothing says that the page before was the last one.
        """
        if not self._sweep.pages:
            raise self._no_end(status)
        if self._probe is None:
            self._refusal = status
            if status not in PLAIN_REFUSALS and status != self._proven_refusal:
                self._probe = _Probe.AGAIN
            else:
                self._judge_refusal()
            return
        if self._probe is _Probe.LAST_ROW and self._by_page:
            self._end_sweep(moved=True)  # rows have gone, so that nothing is at its place any more
            return
        if status != self._refusal or self._probe is _Probe.LAST_ROW:
            raise self._no_end(status)
        if self._probe is _Probe.AGAIN:
            self._judge_refusal()
        else:
            self._proven_refusal = status
            self._end_sweep()

    def _judge_refusal(self) -> None:
        """A refusal is the end only where something else says so too."""
        sweep = self._sweep
        says_so = (
            self._refusal == self._proven_refusal
            or sweep.last_size < sweep.largest
            or self._rows in self._claimed(sweep)[-1:]
            or sweep.says_end
        )
        if says_so:
            self._proven_refusal = self._refusal
            self._end_sweep()
        else:
            self._probe = _Probe.LAST_ROW

    def _take_probe(self, page: Page) -> set[int]:
        probe, self._probe = self._probe, None
        if not self._by_page:
            rest = page.ids[1:] if page.ids[:1] == [self._last_id] else page.ids
            if probe is _Probe.LAST_ROW and page.ids == [self._last_id]:
                self._probe = _Probe.AFTER_LAST_ROW
                return set()
            if rest:  # the refusal was not the end, or new rows have come: from here on as before
                return self._take_ascending(Page(rest, page.following, page.unreadable))
            self._end_sweep()
            return set()
        if probe is _Probe.LAST_ROW and len(page.ids) == 1 and page.ids[0] in self._sweep.seen:
            self._probe = _Probe.AFTER_LAST_ROW
            return set()
        if probe is _Probe.AFTER_LAST_ROW and not page.ids and not page.unreadable:
            self._end_sweep()
            return set()
        unknown = set(page.ids) - self._seen if probe is _Probe.AFTER_LAST_ROW else set()
        if unknown and (self.sweeps > 1 or min(unknown) < max(self._seen)):
            raise self._no_end(self._refusal)  # a row that no page gives, and no enrolment of this very moment
        self._end_sweep(moved=True)
        return set()

    def _take_ascending(self, page: Page) -> set[int]:
        if not self._ascends(page.ids):
            return self._go_by_page(page)
        new_unreadable = self._note(page)
        if not page.ids:
            if page.following.page is not None and not new_unreadable:
                raise ListingError(f"FrontCore names a page after page {self.page}, which has no row")
            self._unreadable_pages += 1
            if not new_unreadable:
                self._end_sweep()
            return set()
        self._unreadable_pages = 0
        self._given.extend(page.ids)
        self._id_before = page.ids[-2] if len(page.ids) > 1 else self._last_id
        self._last_id = page.ids[-1]
        return set(page.ids)

    def _take_page(self, page: Page) -> set[int]:
        sweep, next_page = self._sweep, page.following.page
        new_unreadable = self._note(page)
        new, new_to_sweep = set(page.ids) - self._seen, set(page.ids) - sweep.seen
        self._seen |= new
        sweep.seen |= new_to_sweep
        self._new_in_sweep += sum(identifier <= self._highest_of_first_sweep for identifier in new)
        nothing_new = not new_to_sweep and not new_unreadable
        # Rows inserted meanwhile push known ones onto this page: where the server names a next page, there is more.
        promised = next_page is not None
        sweep.repeated = sweep.repeated + 1 if nothing_new and promised else 0
        if sweep.repeated > MAX_REPEATED_PAGES or (promised and not page.ids and not new_unreadable):
            raise ListingError(f"FrontCore names a page after page {self.page}, and gives no new row")
        self._number = next_page or self._number + 1
        if nothing_new and not promised:
            self._end_sweep()
        return new

    def _note(self, page: Page) -> bool:
        """Keep what a page says of the list; return whether it has unreadable rows that are new to the sweep."""
        sweep, following = self._sweep, page.following
        sweep.says_end = following.is_end
        if following.total is not None:
            sweep.totals.append((following.total, self._rows))
        sweep.last_page = max(sweep.last_page, following.last_page or 0)
        size = len(page.ids) + len(page.unreadable)
        if size:
            sweep.first_is_all = not sweep.pages and (following.is_end or following.total == size)
            sweep.pages += 1
            sweep.largest, sweep.last_size = max(sweep.largest, size), size
        new_unreadable = page.unreadable - sweep.unreadable
        sweep.unreadable |= new_unreadable
        self._unreadable |= new_unreadable
        return bool(new_unreadable)

    def _go_by_page(self, page: Page) -> set[int]:
        """The server ignores `since_id` or does not sort by id: go by page number from here on.

        The plain first request was page 1, so page 2 is next. Where `since_id` was honoured for a while, nobody knows
        which pages that was: page 1 is next.
        """
        self._by_page, self._seen, self._given = True, set(self._given), array("q")
        sweep = self._sweep
        sweep.seen = set(self._seen)
        sweep.totals = [(total, 0) for total, _ in sweep.totals]
        if not sweep.pages:
            return self._take_page(page)
        new = set(page.ids) - self._seen
        self._seen |= new
        if sweep.pages > 1:
            self._sweep = Sweep()
        else:
            sweep.seen |= new
            self._number = 2
        return new

    def _end_sweep(self, *, moved: bool = False) -> None:
        """End the walk, or begin another sweep: where this one brought rows, or rows `moved` while it was made."""
        self._probe = None
        sweep = self._sweep
        if not self._by_page:
            self._finish()
            return
        is_one_page = sweep.first_is_all and sweep.pages <= 1 and not moved
        if self.sweeps == 1:
            self._highest_of_first_sweep = max(self._seen, default=0)
        else:
            self.second_look += self._new_in_sweep
        settled = self.sweeps > 1 and not self._new_in_sweep and not moved
        if settled or is_one_page or not self._rows:
            self._finish()
        elif self.sweeps == MAX_SWEEPS:
            self.shortfall = f"FrontCore's list went on changing while it was read {MAX_SWEEPS} times"
            self.done = True
        else:
            self.sweeps, self._new_in_sweep = self.sweeps + 1, 0
            self._number, self._sweep = 1, Sweep()

    def _finish(self) -> None:
        self.done = True
        sweep = self._sweep
        if not self._is_whole(sweep):
            self.shortfall = f"FrontCore says that there are {max(self._claimed(sweep))}, and lists {self._rows}"
        elif self._by_page and sweep.last_page > self._number:
            self.shortfall = f"FrontCore says that there are {sweep.last_page} pages, and gives {sweep.pages}"

    def _is_whole(self, sweep: Sweep) -> bool:
        return max(self._claimed(sweep), default=0) <= self._rows

    def _claimed(self, sweep: Sweep) -> list[int]:
        """Return how many rows there are, as the answers of a sweep say.

        By `since_id` a total that shrinks with it is about the rows from that answer on.
        """
        first = sweep.totals[0][0] if sweep.totals else 0
        shrinks = not self._by_page
        return [total + (before if shrinks and total < first else 0) for total, before in sweep.totals]

    def _ascends(self, ids: list[int]) -> bool:
        return all(earlier < later for earlier, later in zip([self._last_id, *ids], ids, strict=False))

    def _no_end(self, status: int) -> ListingError:
        if not self._sweep.pages:
            return refusal(status)
        where = f"page {self._number}" if self._by_page else f"the page after {self._rows} rows"
        return ListingError(
            f"FrontCore refuses {where} (status {status}), and nothing says that the one before was the last"
        )


def refusal(status: int) -> ListingError:
    """Return the error for an answer that is no list because of its status, or because it has no body."""
    if status == 404:
        return ListingError("FrontCore does not know this address (status 404)", fix="Check FRONTCORE_BASE_URL")
    if status in (200, 204):
        return ListingError(f"FrontCore answered without a list (status {status}, no body)")
    return ListingError(f"FrontCore refuses the request (status {status})")
