"""Which page of participants to ask for next, decided from the pages so far (DESIGN.md section 9).

Rule: no row is lost or given twice, also when rows are inserted meanwhile, and the paging always ends.
By `since_id` where the server honours it and ids ascend, else by `page`. A short page is not the end, since the
server may cap the limit; a page without new ids is.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from diploma_archive.errors import ListingError

PAGE_LIMIT = 250  # the most that FrontCore gives (FRONTCORE.md)
MAX_REPEATED_PAGES = 10  # as many pages in a row may hold known rows alone, where the server names a next one


@dataclass
class Paging:
    """The state of one walk through a list.

    `next_parameters()` says what to ask, `take(ids, next_page)` what came; `done` ends it.
    """

    done: bool = False
    _by_page: bool = False
    _page: int = 1
    _pages_taken: int = 0
    _unreadable_pages: int = 0  # since the last readable id: `since_id` cannot step over them, `page` can
    _catch_up_to_page: int = 0
    _repeated_pages: int = 0
    _last_id: int = 0
    # Ids given so far: 8 bytes each while they ascend; a set only where the server forces paging by number.
    _given: array[int] = field(default_factory=lambda: array("q"))
    _seen: set[int] = field(default_factory=set)

    def next_parameters(self) -> dict[str, int]:
        """Return the query parameters of the next request."""
        if self._by_page:
            return {"limit": PAGE_LIMIT, "page": self._page}
        # From the first request on: a server that honours it then sorts the first page by id too.
        after = {"limit": PAGE_LIMIT, "since_id": self._last_id}
        return {**after, "page": 1 + self._unreadable_pages} if self._unreadable_pages else after

    def take(self, ids: list[int], next_page: int | None = None, *, has_new_unreadable: bool = False) -> set[int]:
        """Return which of the ids that came are new, and move on.

        Args:
            ids: the ids of the page, in its order.
            next_page: the page that the server names as the next one, where it names one.
            has_new_unreadable: the page has rows without a readable id that were not seen before; it is not the end.

        Raises:
            ListingError: the server goes on naming a next page and repeats what it gave: nobody knows what is missing.
        """
        if self._by_page:
            return self._take_page(ids, next_page, has_new_unreadable)
        if not self._ascends(ids):
            return self._go_by_page(ids)
        if not ids:
            self.done = not has_new_unreadable
            self._unreadable_pages += 1
        else:
            self._unreadable_pages = 0
            self._given.extend(ids)
            self._last_id = ids[-1]
            self._pages_taken += 1
        return set(ids)

    def _take_page(self, ids: list[int], next_page: int | None, has_new_unreadable: bool) -> set[int]:
        new = set(ids) - self._seen
        self._seen |= new
        nothing_new = not new and not has_new_unreadable and (not ids or self._page > self._catch_up_to_page)
        # Rows inserted meanwhile push known ones onto this page: where the server names a next page, there is more.
        promised = bool(ids) and next_page is not None
        self._repeated_pages = self._repeated_pages + 1 if nothing_new and promised else 0
        if (self._repeated_pages and (next_page or 0) <= self._page) or self._repeated_pages > MAX_REPEATED_PAGES:
            raise ListingError("FrontCore names a next page and gives the same rows again")
        self.done = nothing_new and not promised
        self._page = next_page if next_page and next_page > self._page else self._page + 1
        return new

    def _go_by_page(self, ids: list[int]) -> set[int]:
        """The server ignores `since_id` or does not sort by id: go by page number from here on.

        The plain first request was page 1, so page 2 is next. Where `since_id` was honoured for a while, nobody knows
        which pages that was: page 1 is next, and pages without new ids are no end until as many were seen as before.
        """
        self._by_page = True
        self._seen = set(self._given)
        self._given = array("q")
        new = set(ids) - self._seen
        self._seen |= new
        if self._pages_taken > 1:
            self._page, self._catch_up_to_page = 1, self._pages_taken
        else:
            self._page = 2
        return new

    def _ascends(self, ids: list[int]) -> bool:
        return all(earlier < later for earlier, later in zip([self._last_id, *ids], ids, strict=False))
