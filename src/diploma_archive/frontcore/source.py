"""FrontCore as the pipeline sees it: pages of participants, listings of diplomas, downloads.

Rule: list and download belong together; a listing knows how old its links are and can be read again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from diploma_archive.errors import ListingError, SourceError
from diploma_archive.frontcore.addresses import AddressGuard
from diploma_archive.frontcore.answers import ErrorAnswer, ListAnswer, NoPageError, fatal, read_page
from diploma_archive.frontcore.download import Download, read_download
from diploma_archive.frontcore.link_policy import LinkPolicy, link_dies_at
from diploma_archive.frontcore.list_sweep import Page
from diploma_archive.frontcore.paging import Paging
from diploma_archive.frontcore.redaction import quiet_http_logs, redact
from diploma_archive.frontcore.transport import SENT_AT, Transport, open_transport
from diploma_archive.model.header_date import header_date
from diploma_archive.model.revision import quarantine_segment
from diploma_archive.model.source_items import (
    BadItem,
    Diploma,
    Participant,
    SourceModel,
    odd_dates,
    read_diploma,
    read_item,
    undocumented_fields,
)
from diploma_archive.settings.checks import LOOPBACK_HOSTS

if TYPE_CHECKING:
    from diploma_archive.settings.loading import Settings

MAX_NAMES_LOGGED = 20
MAX_LISTING_PAGES = 200  # of one person's diplomas

log = logging.getLogger("diploma_archive.frontcore")


@dataclass(frozen=True)
class ParticipantPage:
    """One page of participants with a digest of each row (by id), and what could not be read."""

    participants: list[Participant]
    problems: list[BadItem]
    digests: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """Whose diplomas are asked for: those of one enrolment, or all of one person."""

    participant_id: int | None = None
    user_id: int | None = None

    def parameters(self) -> dict[str, int]:
        """Return the query parameters."""
        asked = {"participant_id": self.participant_id, "user_id": self.user_id}
        return {name: value for name, value in asked.items() if value is not None}


@dataclass(frozen=True)
class Listing:
    """The diplomas that one listing gave, and when."""

    items: list[Diploma | BadItem]
    listed_at: datetime
    links_die_at: float  # monotonic

    def find(self, wanted: Diploma) -> Diploma | None:
        """Return a diploma of another listing as it is in this one, or None where it is not in it."""
        same = (item for item in self.items if isinstance(item, Diploma) and _name(item) == _name(wanted))
        return next(same, None)


@dataclass
class FrontCore:
    """One FrontCore account, open for one run."""

    base_url: str
    link_ttl_seconds: int
    max_pdf_bytes: int
    policy: LinkPolicy
    transport: Transport
    bytes_downloaded: int = 0
    answered_at: datetime | None = None  # the `Date` of FrontCore's first answer: its clock, and not ours
    second_look: int = 0  # rows of participants that only a further sweep through their list brought
    _named_fields: set[str] = field(default_factory=set)
    _odd_dates: set[str] = field(default_factory=set)

    @property
    def requests(self) -> int:
        """Return how many requests went out so far, retries and downloads included."""
        return self.transport.limiter.sent

    async def participants(self, filters: Mapping[str, str | int]) -> AsyncIterator[ParticipantPage]:
        """Yield the participants that match the filters of `/v2/participants`, page by page, each once.

        Raises:
            SourceError: the list cannot be read to its end; fatal, since nobody could say what is missing.
        """
        paging, bad_rows = Paging(), set[int]()
        while not paging.done:
            try:
                answer = await self._participants_page({**filters, **paging.next_parameters()}, paging.page)
                page, rows, problems = _read_rows(answer, bad_rows)
                new = paging.take(page)
            except NoPageError as error:
                try:
                    paging.refused(error.status)
                except ListingError as unclear:
                    raise fatal(unclear, "the participants cannot be listed") from None
                continue
            except SourceError as error:
                raise fatal(error, "the participants cannot be listed") from None
            if new or problems:
                wanted = [row for key, (row, _) in rows.items() if key in new]
                self._name_odd_dates("participant", wanted)
                yield ParticipantPage(wanted, problems, {key: digest for key, (_, digest) in rows.items()})
        # By `since_id` is what is documented: nobody needs to hear of it on a usual night.
        log.log(logging.DEBUG if paging.way == "since_id" else logging.INFO, "participants were read by %s", paging.way)
        self.second_look += paging.second_look
        if paging.second_look:
            log.info("a second look brought %s rows that had moved meanwhile", paging.second_look)
        if paging.shortfall:
            # What was read is archived; nobody knows about the rest, so the run is not green and its cursor stays.
            yield ParticipantPage([], [BadItem(None, None, f"{paging.shortfall}.")])

    async def _participants_page(self, parameters: Mapping[str, str | int], page: int) -> ListAnswer:
        async def read(response: httpx.Response) -> ListAnswer:
            self._note_date(response)
            return await read_page(response, page)

        return await self.transport.ask_api("participants", parameters, read)

    async def diplomas(self, question: Question) -> Listing:
        """Return the diplomas of one enrolment or person, with links that live `link_ttl_seconds`.

        Raises:
            KeyRefusedError: the key is not accepted; fatal.
            SourceError: this listing cannot be had.
        """
        sent_at, listed_at = math.inf, datetime.now(UTC)
        page, claimed, last_page = 1, 0, 1

        async def read(response: httpx.Response) -> ListAnswer:
            nonlocal sent_at
            # Counted from when the (first) request went out: no link is ever taken for younger than it is.
            sent_at = min(sent_at, response.request.extensions[SENT_AT])
            self._note_date(response)
            return await read_page(response, page)

        items: list[object] = []
        while True:
            parameters = {**question.parameters(), "ttl": self.link_ttl_seconds, **({"page": page} if page > 1 else {})}
            try:
                answer = await self.transport.ask_api("diplomas", parameters, read)
            except ErrorAnswer as error:
                raise ListingError(error.what) from None
            items.extend(answer.items)
            following = answer.following
            claimed, last_page = max(claimed, following.total or 0), max(last_page, following.last_page or 0)
            if following.page is None:
                break
            if not answer.items or page >= MAX_LISTING_PAGES:
                raise ListingError("FrontCore's listing of diplomas has no end")
            page = following.page
        listed = [read_diploma(raw) for raw in items]
        distinct = len({_name(item) for item in listed if isinstance(item, Diploma)})
        distinct += sum(isinstance(item, BadItem) for item in listed)
        if claimed > distinct:
            raise ListingError(f"FrontCore says that there are {claimed} diplomas, and lists {distinct}")
        if last_page > page:
            raise ListingError(f"FrontCore says that there are {last_page} pages of diplomas, and names {page}")
        self._name_new_fields(items)
        self._name_odd_dates("diploma", listed)
        return Listing(listed, listed_at, link_dies_at(sent_at, self.link_ttl_seconds))

    def check_link(self, diploma: Diploma) -> httpx.URL:
        """Return the download link of a diploma as a URL that may be followed; send nothing.

        Raises:
            ListingError: the diploma has no link.
            LinkForbiddenError: the link points to a place that is not allowed.
        """
        link = diploma.links.download
        if link is None or not link.get_secret_value():
            raise ListingError(
                "FrontCore gives no download link for this diploma",
                fix="Print the diploma in FrontCore, then run again",
            )
        return self.policy.check(link.get_secret_value())

    async def download(self, diploma: Diploma, listing: Listing) -> Download:
        """Return the PDF of a diploma through its link.

        Raises:
            LinkRefusedError: the link is too old or was refused; a new listing gives a new one.
            LinkForbiddenError: the link points to a place that is not allowed.
            SourceError: the download cannot be had.
            ContentError: what came is no complete transfer of a PDF.
        """
        url = self.check_link(diploma)

        async def read(response: httpx.Response) -> Download:
            return await read_download(response, self.max_pdf_bytes)

        download = await self.transport.follow_link(url, listing.links_die_at, read)
        self.bytes_downloaded += download.size
        return download

    def _note_date(self, response: httpx.Response) -> None:
        self.answered_at = self.answered_at or header_date(response.headers.get("Date"))

    def _name_odd_dates(self, what: str, items: Iterable[SourceModel | BadItem]) -> None:
        """Log the names of date fields that hold no date that can be read, once a run each."""
        for item in items:
            for name in odd_dates(item) if isinstance(item, SourceModel) else ():
                if f"{what}.{name}" not in self._odd_dates:
                    self._odd_dates.add(f"{what}.{name}")
                    log.warning("FrontCore sends a %s whose %s is no date; it is taken for none", what, name)

    def _name_new_fields(self, items: list[object]) -> None:
        """Log the names of undocumented fields, once a run: they are dropped, and somebody should know."""
        found = {redact(name)[:60] for raw in items for name in undocumented_fields(raw)}
        new = sorted(found - self._named_fields)
        if new and len(self._named_fields) < MAX_NAMES_LOGGED:
            self._named_fields.update(new)
            log.warning(
                "FrontCore sends undocumented fields, which are not kept: %s", ", ".join(new[:MAX_NAMES_LOGGED])
            )


def _read_rows(
    answer: ListAnswer, bad_rows: set[int]
) -> tuple[Page, dict[int, tuple[Participant, str]], list[BadItem]]:
    """Return a page of participants: for the paging, by id with a digest of each row, and new rows without an id."""
    rows: dict[int, tuple[Participant, str]] = {}
    unreadable: set[int] = set()
    problems: list[BadItem] = []
    for raw in answer.items:
        try:
            participant = read_item(Participant, raw)
        except ListingError as error:
            # The server shows a row without a readable id again with the next page: it counts once.
            row = hash(repr(raw))
            unreadable.add(row)
            if row not in bad_rows:
                bad_rows.add(row)
                problems.append(BadItem(None, None, error.diagnostics()))
        else:
            rows.setdefault(participant.id, (participant, _digest(raw)))
    return Page(list(rows), answer.following, frozenset(unreadable)), rows, problems


def _name(diploma: Diploma) -> int | str:
    """Return what tells a diploma from others: its id, or where that is none, what came."""
    return diploma.id or quarantine_segment(diploma)


def _digest(raw: object) -> str:
    return hashlib.sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()[:16]


@asynccontextmanager
async def open_frontcore(settings: Settings) -> AsyncIterator[FrontCore]:
    """Open the account that the settings name; nothing is sent yet."""
    quiet_http_logs()
    source = settings.frontcore
    local = urlsplit(source.base_url).hostname in LOOPBACK_HOSTS
    guard = AddressGuard(allow_loopback=local)
    async with open_transport(source, settings.archive.concurrency, guard) as transport:
        yield FrontCore(
            base_url=source.base_url,
            link_ttl_seconds=source.link_ttl_seconds,
            max_pdf_bytes=settings.archive.max_pdf_bytes,
            policy=LinkPolicy(source.allowed_hosts, allow_http=local),
            transport=transport,
        )
