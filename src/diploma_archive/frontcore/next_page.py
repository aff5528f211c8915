"""What a paged answer says of what comes next, and of how many there are (FRONTCORE.md): pure.

Rule: the documented spelling is `pagination.next_page`; others are read where they are plain. What cannot be understood
fails the listing: a part of a list is never taken for the whole.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from diploma_archive.errors import ListingError

MAX_PAGE = 10**9
_NEXT = frozenset({"next", "nextpage", "nextpageno", "nextpagenumber", "nextpageurl", "nextpagelink", "nexturl"})
_NEXT |= {"nextlink", "nexthref", "nextcursor", "nexttoken", "nextpagetoken", "nextoffset"}
_HAS_MORE = frozenset({"hasmore", "hasnext", "hasnextpage", "hasmorepages", "morepages", "more"})
_TOTAL = frozenset({"total", "totalcount", "totalitems", "totalresults", "totalrows", "totalrecords"})
_LAST_PAGE = frozenset({"lastpage", "totalpages", "pagecount", "pages", "lastpagenumber"})
_PLAIN_NUMBER = re.compile(r"[+]?0*([0-9]{1,10})(\.0*)?", re.ASCII)
_DEPTH = 4  # of objects within objects: `meta.pagination.links.next` is the deepest that frameworks write


@dataclass(frozen=True)
class Following:
    """What one answer says of the pages after it.

    `page` is the number of the next one, None where no field names one; `is_end` says that a field is there which says
    so. `total` and `last_page` are None where the answer does not say them.
    """

    page: int | None = None
    is_end: bool = False
    total: int | None = None
    last_page: int | None = None


NOTHING_SAID = Following()


def read_following(answer: Any, page: int, *, links: Mapping[str, str] | None = None, url: str = "") -> Following:
    """Return what an answer says of the pages after it.

    Args:
        answer: the JSON, a bare array or an object with `items`.
        page: the number of this page, from 1.
        links: the targets of the `Link` header (RFC 8288) by their `rel`.
        url: what was asked: a next page at another host is not understood.

    Raises:
        ListingError: a field for the next page cannot be understood, or two of them contradict each other.
    """
    fields = list(_fields(answer)) if isinstance(answer, Mapping) else []
    said = [value for name, value in fields if name in _NEXT]
    if links and "next" in links:
        said.append(links["next"])
    more = [value for name, value in fields if name in _HAS_MORE]
    named = {number for number in (_page_number(value, page, url) for value in said) if number is not None}
    if len(named) > 1:
        raise ListingError(f"FrontCore names several pages as the one after page {page}")
    if not named and not all(map(_says_nothing, more)):
        raise _not_understood(page)
    items = answer.get("items") if isinstance(answer, Mapping) else None
    size = len(items) if isinstance(items, list) else None
    totals = [number for name, value in fields if name in _TOTAL and (number := _plain(value)) is not None]
    counts = [number for name, value in fields if name == "count" and (number := _plain(value)) is not None]
    totals += [number for number in counts if number != size]
    last_pages = [number for name, value in fields if name in _LAST_PAGE and (number := _plain(value)) is not None]
    return Following(
        page=next(iter(named), None),
        is_end=bool(said + more) and not named,
        total=max(totals, default=None),
        last_page=max(last_pages, default=None),
    )


def _fields(answer: Mapping[str, Any], depth: int = 1) -> Iterator[tuple[str, Any]]:
    """Yield name (small letters alone) and value of what surrounds the items."""
    for name, value in answer.items():
        plain = re.sub(r"[^a-z]", "", str(name).lower())
        if isinstance(value, Mapping) and plain not in _NEXT and depth < _DEPTH:
            yield from _fields(value, depth + 1)
        else:
            yield plain, value


def _page_number(value: Any, page: int, url: str) -> int | None:
    """Return the number of the next page, or None where the field says that there is none."""
    if _says_nothing(value):
        return None
    number = _plain(value)
    if number is None and isinstance(value, str):
        number = _number_in_url(value.strip(), url)
    if number is None or not page < number <= MAX_PAGE:
        raise _not_understood(page)
    return number


def _says_nothing(value: Any) -> bool:
    is_blank = isinstance(value, str) and not value.strip()
    return value is None or value is False or is_blank or _plain(value) == 0


def _not_understood(page: int) -> ListingError:
    return ListingError(f"FrontCore's answer does not say in a known way which page comes after page {page}")


def _number_in_url(value: str, asked: str) -> int | None:
    try:
        target, ours = urlsplit(urljoin(asked, value)), urlsplit(asked)
        pages = {_plain(number) for name, number in parse_qsl(target.query) if name in ("page", "page[number]")}
    except ValueError:
        return None
    if asked and (target.scheme, target.netloc) != (ours.scheme, ours.netloc):
        return None
    return pages.pop() if len(pages) == 1 else None


def _plain(value: Any) -> int | None:
    """Return a whole number that is plainly one: an integer, or text or a float that looks like it."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value.is_integer() and abs(value) <= MAX_PAGE else None
    if isinstance(value, str):
        found = _PLAIN_NUMBER.fullmatch(value.strip())
        return int(found[1]) if found else None
    return value if isinstance(value, int) else None
