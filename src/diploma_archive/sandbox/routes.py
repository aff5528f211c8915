"""The routes; the rule: a request is counted, limited, let in by key, shown to the hook, and only then answered."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from diploma_archive.sandbox.account import Account
from diploma_archive.sandbox.answer_faults import json_response
from diploma_archive.sandbox.fault_script import Exchange, Fault
from diploma_archive.sandbox.list_answers import BadParameterError, diplomas_list, link, participants_page
from diploma_archive.sandbox.request_counts import Seen

Params = dict[str, Any]
Endpoint = Callable[[Request], Awaitable[Response]]
_ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def build_app(account: Account) -> Starlette:
    """Return the application that answers for this account."""
    return Starlette(
        routes=[
            Route("/v2/participants", _endpoint(account, "participants", _list_answer(participants_page))),
            Route("/v2/diplomas", _endpoint(account, "diplomas", _list_answer(diplomas_list))),
            Route(
                "/v2/public/course-users/{user_id}/diplomas/{diploma_id:int}/download",
                _endpoint(account, "download", _download_answer),
            ),
            Route("/sandbox/stats", _stats(account)),
            Route("/sandbox/reset", _reset(account), methods=["POST"]),
            Route("/sandbox/diplomas/{diploma_id:int}", _change(account), methods=["POST"]),
            Route("/sandbox/participants/{participant_id:int}", _touch(account), methods=["POST"]),
            Route("/{rest:path}", _endpoint(account, "other", _unknown_answer), methods=_ALL_METHODS),
        ]
    )


class _Faulty(Response):
    """An answer that is left to a fault."""

    def __init__(self, fault: Fault, exchange: Callable[[Scope, Receive, Send], Exchange]) -> None:
        self._fault = fault
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._fault.answer(self._exchange(scope, receive, send))


def _endpoint(account: Account, kind: str, answer: Callable[[Account, Params], Response]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        refusal = _gate(account, kind, request)
        if refusal is not None:
            return refusal
        params: Params = {**request.query_params, **request.path_params}
        if account.on_request is not None:
            account.on_request(kind, params)
        fault = account.faults.take(kind, _ids(kind, params))
        right = partial(answer, account, params)
        if fault is None:
            return right()
        link_of = lambda diploma_id: link(account, account.diplomas[diploma_id])  # noqa: E731 - one use
        return _Faulty(fault, partial(Exchange, kind, params, right, account.pdf_of, link_of))

    return endpoint


def _gate(account: Account, kind: str, request: Request) -> Response | None:
    """Note the arrival; return the refusal, or None when the request may pass."""
    now = time.monotonic()
    headers = dict(request.headers)
    key = headers.get("x-api-key")
    limited = account.requests_per_second is not None and (kind != "download" or account.downloads_count)
    if limited and not account.window.admits(now, account.requests_per_second or 1.0):
        verdict = "refused"
    elif kind != "download" and key != account.api_key:
        verdict = "unauthorized"
    else:
        verdict = kind
    account.counts.note(Seen(now, verdict, request.url.path, key is not None, headers))
    if kind == "download" and key is not None:
        account.counts.keys_on_downloads += 1
    if verdict == "refused":
        waiting = {} if account.retry_after is None else {"Retry-After": account.retry_after}
        return json_response({"error": "Too many requests"}, 429, waiting)
    if verdict == "unauthorized":
        return json_response({"error": "Wrong API Key"}, 401)
    return None


def _ids(kind: str, params: Params) -> frozenset[int]:
    """Return the ids that a fault may be meant for."""
    names = ("diploma_id",) if kind == "download" else ("participant_id", "user_id")
    return frozenset(int(params[name]) for name in names if str(params.get(name, "")).isdecimal())


def _list_answer(listing: Callable[[Account, Params], object]) -> Callable[[Account, Params], Response]:
    def answer(account: Account, params: Params) -> Response:
        try:
            return json_response(listing(account, params))
        except BadParameterError as error:
            return json_response({"error": str(error)}, 422)

    return answer


def _download_answer(account: Account, params: Params) -> Response:
    diploma_id, token = params["diploma_id"], str(params.get("token", ""))
    verdict = account.tokens.judge(token, params["user_id"], diploma_id)
    if verdict == "foreign":
        return json_response({"error": "Invalid token"}, 403)
    if verdict == "expired":
        return json_response({"error": "Token expired"}, account.expired_status)
    if diploma_id not in account.diplomas:
        return json_response({"error": "Not found"}, 404)
    if account.single_use_tokens:
        account.tokens.spend(token)
    return Response(account.pdf_of(diploma_id), media_type="application/pdf")


def _unknown_answer(_account: Account, _params: Params) -> Response:
    return json_response({"error": "Not found"}, 404)


def _stats(account: Account) -> Endpoint:
    async def stats(_request: Request) -> Response:
        times = account.counts.times()
        return json_response(
            {
                "requests": dict(account.requests),
                "busiest_second": account.busiest_second(),
                "rate_over_run": account.rate_over_run(),
                "seconds": max(times) - min(times) if times else 0.0,
                "keys_on_downloads": account.keys_on_downloads,
            }
        )

    return stats


def _reset(account: Account) -> Endpoint:
    async def reset(_request: Request) -> Response:
        account.reset_counts()
        return json_response({"success": "ok"})

    return reset


def _touch(account: Account) -> Endpoint:
    async def touch(request: Request) -> Response:
        participant_id = request.path_params["participant_id"]
        body = await request.json()
        if participant_id not in account.participants:
            return json_response({"error": "Not found"}, 404)
        if not isinstance(body, dict) or not isinstance(body.get("updated_at"), str):
            return json_response({"error": "the body is an object with updated_at"}, 422)
        account.touch_participant(participant_id, body["updated_at"])
        return json_response(account.participants[participant_id])

    return touch


def _change(account: Account) -> Endpoint:
    async def change(request: Request) -> Response:
        diploma_id = request.path_params["diploma_id"]
        try:
            changes = await request.json()
            if not isinstance(changes, dict) or "pdf" in changes:
                raise ValueError("the body is an object of attributes, and `pdf` is not among them")
            account.change(diploma_id, changes)
        except KeyError:
            return json_response({"error": "Not found"}, 404)
        except ValueError as error:
            return json_response({"error": str(error)}, 422)
        return json_response(account.diplomas[diploma_id].item())

    return change
