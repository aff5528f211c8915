"""FrontCore as the pipeline sees it: pages of participants, listings of diplomas, downloads.

Rule: list and download belong together; a listing knows how old its links are and can be read again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from diploma_archive.errors import ListingError, SourceError
from diploma_archive.frontcore.addresses import AddressGuard
from diploma_archive.frontcore.answers import ErrorAnswer, fatal, read_json, read_list
from diploma_archive.frontcore.download import Download, read_download
from diploma_archive.frontcore.link_policy import LinkPolicy
from diploma_archive.frontcore.paging import Paging
from diploma_archive.frontcore.redaction import quiet_http_logs, redact
from diploma_archive.frontcore.transport import SENT_AT, Transport, open_transport
from diploma_archive.model.source_items import (
    BadItem,
    Diploma,
    Participant,
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

    def find(self, diploma_id: int) -> Diploma | None:
        """Return a diploma of this listing by its id, or None where it is not in it."""
        return next((item for item in self.items if isinstance(item, Diploma) and item.id == diploma_id), None)


@dataclass
class FrontCore:
    """One FrontCore account, open for one run."""

    base_url: str
    link_ttl_seconds: int
    max_pdf_bytes: int
    policy: LinkPolicy
    guard: AddressGuard
    transport: Transport
    bytes_downloaded: int = 0
    _named_fields: set[str] = field(default_factory=set)

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
                answer = read_list(
                    await self.transport.ask_api("participants", {**filters, **paging.next_parameters()}, read_json)
                )
            except SourceError as error:
                raise fatal(error, "the participants cannot be listed") from None
            rows: dict[int, Participant] = {}
            digests: dict[int, str] = {}
            problems: list[BadItem] = []
            for raw in answer.items:
                try:
                    participant = read_item(Participant, raw)
                except ListingError as error:
                    # The server shows a row without a readable id again with the next page: it counts once.
                    row = hash(repr(raw))
                    if row not in bad_rows:
                        bad_rows.add(row)
                        problems.append(BadItem(None, None, error.diagnostics()))
                else:
                    rows.setdefault(participant.id, participant)
                    digests.setdefault(participant.id, _digest(raw))
            try:
                new = paging.take(list(rows), answer.next_page, has_new_unreadable=bool(problems))
            except ListingError as error:
                raise fatal(error, "the participants cannot be listed") from None
            if new or problems:
                yield ParticipantPage([row for key, row in rows.items() if key in new], problems, digests)

    async def diplomas(self, question: Question) -> Listing:
        """Return the diplomas of one enrolment or person, with links that live `link_ttl_seconds`.

        Raises:
            KeyRefusedError: the key is not accepted; fatal.
            SourceError: this listing cannot be had.
        """
        sent_at, listed_at = math.inf, datetime.now(UTC)

        async def read(response: httpx.Response) -> object:
            nonlocal sent_at
            # Counted from when the (first) request went out: no link is ever taken for younger than it is.
            sent_at = min(sent_at, response.request.extensions[SENT_AT])
            return await read_json(response)

        items: list[object] = []
        page = 1
        while True:
            parameters = {**question.parameters(), "ttl": self.link_ttl_seconds, **({"page": page} if page > 1 else {})}
            try:
                answer = read_list(await self.transport.ask_api("diplomas", parameters, read))
            except ErrorAnswer as error:
                raise ListingError(error.what) from None
            items.extend(answer.items)
            if not answer.next_page:
                break
            if answer.next_page <= page or not answer.items or page >= MAX_LISTING_PAGES:
                raise ListingError("FrontCore's listing of diplomas has no end")
            page = answer.next_page
        self._name_new_fields(items)
        return Listing([read_diploma(raw) for raw in items], listed_at, sent_at + self.link_ttl_seconds)

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
        await self.guard.check_host(url.host, url.port or (443 if url.scheme == "https" else 80))

        async def read(response: httpx.Response) -> Download:
            return await read_download(response, self.max_pdf_bytes)

        download = await self.transport.follow_link(url, listing.links_die_at, read)
        self.bytes_downloaded += download.size
        return download

    def _name_new_fields(self, items: list[object]) -> None:
        """Log the names of undocumented fields, once a run: they are dropped, and somebody should know."""
        found = {redact(name)[:60] for raw in items for name in undocumented_fields(raw)}
        new = sorted(found - self._named_fields)
        if new and len(self._named_fields) < MAX_NAMES_LOGGED:
            self._named_fields.update(new)
            log.warning(
                "FrontCore sends undocumented fields, which are not kept: %s", ", ".join(new[:MAX_NAMES_LOGGED])
            )


def _digest(raw: object) -> str:
    return hashlib.sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()[:16]


@asynccontextmanager
async def open_frontcore(settings: Settings) -> AsyncIterator[FrontCore]:
    """Open the account that the settings name; nothing is sent yet."""
    quiet_http_logs()
    source = settings.frontcore
    local = urlsplit(source.base_url).hostname in LOOPBACK_HOSTS
    guard = AddressGuard(allow_loopback=local)
    async with open_transport(
        base_url=source.base_url,
        api_key=source.api_key.get_secret_value(),
        requests_per_second=source.requests_per_second,
        concurrency=settings.archive.concurrency,
        guard=guard,
    ) as transport:
        yield FrontCore(
            base_url=source.base_url,
            link_ttl_seconds=source.link_ttl_seconds,
            max_pdf_bytes=settings.archive.max_pdf_bytes,
            policy=LinkPolicy(source.allowed_hosts, allow_http=local),
            guard=guard,
            transport=transport,
        )
