"""What the two lists hold; the rule: FRONTCORE.md to the letter, and what it leaves open is a switch of the account."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from diploma_archive.sandbox.account import Account
from diploma_archive.sandbox.school_data import MISSING, SandboxDiploma, user_of

Item = dict[str, Any]
Params = Mapping[str, Any]

_OSLO = ZoneInfo("Europe/Oslo")
_DEFAULT_LIMIT = 75
_DEFAULT_TTL_SECONDS = 900


class BadParameterError(ValueError):
    """A parameter that FrontCore could not read."""


def participants_page(account: Account, params: Params) -> object:
    """Return the JSON of one page of participants; raises BadParameterError."""
    limit = min(_number(params, "limit") or _DEFAULT_LIMIT, account.page_cap)
    page = max(1, _number(params, "page") or 1)
    skipped = (page - 1) * limit if account.honours_page else 0
    # One more than the page, to know whether there is a next one.
    found = list(islice(_matching(account, params), skipped, skipped + limit + 1))
    items = [_shown(item, account.with_user_ids) for item in found[:limit]]
    if account.list_shape == "bare":
        return items
    return {"items": items, "pagination": {"next_page": page + 1 if len(found) > limit else None}}


def diplomas_list(account: Account, params: Params) -> object:
    """Return the JSON of a person's or an enrolment's diplomas, with new links; raises BadParameterError."""
    user_id, participant_id = _number(params, "user_id"), _number(params, "participant_id")
    if user_id is None and participant_id is None:
        raise BadParameterError("user_id or participant_id is required")
    ttl = _number(params, "ttl")
    ttl_seconds = _DEFAULT_TTL_SECONDS if ttl is None else ttl
    diplomas = account.diplomas_of(participant_id, user_id)
    shown = [diploma for diploma in diplomas if account.lists_deleted or diploma.deleted_at is None]
    return {"success": "ok", "items": [_with_links(account, diploma, ttl_seconds) for diploma in shown]}


def link(account: Account, diploma: SandboxDiploma, ttl_seconds: float = _DEFAULT_TTL_SECONDS) -> str:
    """Return a new download link."""
    user = str(user_of(diploma))
    token = account.tokens.issue(user, diploma.id, ttl_seconds)
    return f"{account.base_url}/public/course-users/{user}/diplomas/{diploma.id}/download?token={token}"


def _with_links(account: Account, diploma: SandboxDiploma, ttl_seconds: float) -> Item:
    stream = f"{account.base_url}/course-users/{user_of(diploma)}/diplomas/{diploma.id}/download?stream=true"
    item = diploma.item()
    item["links"] = {"download": link(account, diploma, ttl_seconds), "stream": stream}
    item.update(account.overrides.get(diploma.id, {}))
    return {name: value for name, value in item.items() if value is not MISSING}


def _matching(account: Account, params: Params) -> Iterator[Item]:
    ids = account.participant_ids()
    since_id = _number(params, "since_id") if account.honours_since_id else None
    first = 0 if since_id is None else bisect_right(ids, since_id)
    positions = range(len(ids) - 1, first - 1, -1) if account.descending else range(first, len(ids))
    wanted = _filters(params)
    for position in positions:
        # A test may have deleted it since the ids were sorted.
        item = account.participants.get(ids[position])
        if item is not None and all(matches(item) for matches in wanted):
            yield item


def _filters(params: Params) -> list[Callable[[Item], bool]]:
    wanted: list[Callable[[Item], bool]] = []
    for name, part in (("course_id", "course"), ("coursedate_id", "coursedate"), ("user_id", "user")):
        number = _number(params, name)
        if number is not None:
            wanted.append(lambda item, part=part, number=number: (item.get(part) or {}).get("id") == number)  # type: ignore[misc]
    customer_id = _number(params, "customer_id")
    if customer_id is not None:
        wanted.append(lambda item: (item.get("customer") or {}).get("id") == customer_id)
    for name in ("created_at", "updated_at"):
        earliest, latest = (_bound(params, f"{name}_{end}") for end in ("min", "max"))
        if earliest is not None:
            wanted.append(lambda item, name=name, earliest=earliest: _moment(item[name]) >= earliest)  # type: ignore[misc]
        if latest is not None:
            wanted.append(lambda item, name=name, latest=latest: _moment(item[name]) <= latest)  # type: ignore[misc]
    return wanted


def _shown(item: Item, with_user_ids: str | None) -> Item:
    """Return the item with the person's id where the sandbox is told to have it."""
    if with_user_ids == "user.id" or "user" not in item:
        return item
    shown = {name: value for name, value in item.items() if name != "user"}
    if with_user_ids == "user_id":
        shown["user_id"] = item["user"]["id"]
    return shown


def _number(params: Params, name: str) -> int | None:
    value = params.get(name)
    if value is None or value == "":
        return None
    try:
        number = int(value)
    except ValueError as error:
        raise BadParameterError(f"{name} is not a number") from error
    if number < 0:
        raise BadParameterError(f"{name} is negative")
    return number


def _bound(params: Params, name: str) -> float | None:
    value = params.get(name)
    if value is None or value == "":
        return None
    # The documented formats only; a date alone is its midnight, so a `max` of today leaves today out.
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d"):
        try:
            return datetime.strptime(value, form).replace(tzinfo=_OSLO).timestamp()
        except ValueError:
            continue
    raise BadParameterError(f"{name} is neither yyyy-mm-dd nor yyyy-mm-dd hh:mm:ss")


@lru_cache(maxsize=200_000)
def _moment(stamp: str) -> float:
    """Return the POSIX time of a participant's stamp; one without a zone is Oslo's."""
    moment = datetime.fromisoformat(stamp)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=_OSLO)).timestamp()
