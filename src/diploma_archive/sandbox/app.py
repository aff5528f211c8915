"""The routes; the rule: a request is counted, limited, let in by key, shown to the hook, and only then answered."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from diploma_archive.sandbox.counting import Seen
from diploma_archive.sandbox.exchange import Exchange, Fault
from diploma_archive.sandbox.faults import json_response
from diploma_archive.sandbox.listing import BadParameterError, diplomas_list, link, participants_page

if TYPE_CHECKING:
    from diploma_archive.sandbox.server import Sandbox

Params = dict[str, Any]
Endpoint = Callable[[Request], Awaitable[Response]]
_ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def build_app(sandbox: Sandbox) -> Starlette:
    """Return the application that answers for this sandbox."""
    return Starlette(
        routes=[
            Route("/v2/participants", _endpoint(sandbox, "participants", _list_answer(participants_page))),
            Route("/v2/diplomas", _endpoint(sandbox, "diplomas", _list_answer(diplomas_list))),
            Route(
                "/v2/public/course-users/{user_id}/diplomas/{diploma_id:int}/download",
                _endpoint(sandbox, "download", _download_answer),
            ),
            Route("/sandbox/stats", _stats(sandbox)),
            Route("/sandbox/reset", _reset(sandbox), methods=["POST"]),
            Route("/sandbox/diplomas/{diploma_id:int}", _change(sandbox), methods=["POST"]),
            Route("/sandbox/participants/{participant_id:int}", _touch(sandbox), methods=["POST"]),
            Route("/{rest:path}", _endpoint(sandbox, "other", _unknown_answer), methods=_ALL_METHODS),
        ]
    )


class _Faulty(Response):
    """An answer that is left to a fault."""

    def __init__(self, fault: Fault, exchange: Callable[[Scope, Receive, Send], Exchange]) -> None:
        self._fault = fault
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._fault.answer(self._exchange(scope, receive, send))


def _endpoint(sandbox: Sandbox, kind: str, answer: Callable[[Sandbox, Params], Response]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        refusal = _gate(sandbox, kind, request)
        if refusal is not None:
            return refusal
        params: Params = {**request.query_params, **request.path_params}
        if sandbox.on_request is not None:
            sandbox.on_request(kind, params)
        fault = sandbox.faults.take(kind, _ids(kind, params))
        right = partial(answer, sandbox, params)
        if fault is None:
            return right()
        link_of = lambda diploma_id: link(sandbox, sandbox.diplomas[diploma_id])  # noqa: E731 - one use
        return _Faulty(fault, partial(Exchange, kind, params, right, sandbox.pdf_of, link_of))

    return endpoint


def _gate(sandbox: Sandbox, kind: str, request: Request) -> Response | None:
    """Note the arrival; return the refusal, or None when the request may pass."""
    now = time.monotonic()
    headers = dict(request.headers)
    key = headers.get("x-api-key")
    limited = sandbox.requests_per_second is not None and (kind != "download" or sandbox.downloads_count)
    if limited and not sandbox.window.admits(now, sandbox.requests_per_second or 1.0):
        verdict = "refused"
    elif kind != "download" and key != sandbox.api_key:
        verdict = "unauthorized"
    else:
        verdict = kind
    sandbox.counts.note(Seen(now, verdict, request.url.path, key is not None, headers))
    if kind == "download" and key is not None:
        sandbox.counts.keys_on_downloads += 1
    if verdict == "refused":
        waiting = {} if sandbox.retry_after is None else {"Retry-After": sandbox.retry_after}
        return json_response({"error": "Too many requests"}, 429, waiting)
    if verdict == "unauthorized":
        return json_response({"error": "Wrong API Key"}, 401)
    return None


def _ids(kind: str, params: Params) -> frozenset[int]:
    """Return the ids that a fault may be meant for."""
    names = ("diploma_id",) if kind == "download" else ("participant_id", "user_id")
    return frozenset(int(params[name]) for name in names if str(params.get(name, "")).isdecimal())


def _list_answer(listing: Callable[[Sandbox, Params], object]) -> Callable[[Sandbox, Params], Response]:
    def answer(sandbox: Sandbox, params: Params) -> Response:
        try:
            return json_response(listing(sandbox, params))
        except BadParameterError as error:
            return json_response({"error": str(error)}, 422)

    return answer


def _download_answer(sandbox: Sandbox, params: Params) -> Response:
    diploma_id, token = params["diploma_id"], str(params.get("token", ""))
    verdict = sandbox.tokens.judge(token, params["user_id"], diploma_id)
    if verdict == "foreign":
        return json_response({"error": "Invalid token"}, 403)
    if verdict == "expired":
        return json_response({"error": "Token expired"}, sandbox.expired_status)
    if diploma_id not in sandbox.diplomas:
        return json_response({"error": "Not found"}, 404)
    if sandbox.single_use_tokens:
        sandbox.tokens.spend(token)
    return Response(sandbox.pdf_of(diploma_id), media_type="application/pdf")


def _unknown_answer(_sandbox: Sandbox, _params: Params) -> Response:
    return json_response({"error": "Not found"}, 404)


def _stats(sandbox: Sandbox) -> Endpoint:
    async def stats(_request: Request) -> Response:
        times = sandbox.counts.times()
        return json_response(
            {
                "requests": dict(sandbox.requests),
                "busiest_second": sandbox.busiest_second(),
                "rate_over_run": sandbox.rate_over_run(),
                "seconds": max(times) - min(times) if times else 0.0,
                "keys_on_downloads": sandbox.keys_on_downloads,
            }
        )

    return stats


def _reset(sandbox: Sandbox) -> Endpoint:
    async def reset(_request: Request) -> Response:
        sandbox.reset_counts()
        return json_response({"success": "ok"})

    return reset


def _touch(sandbox: Sandbox) -> Endpoint:
    async def touch(request: Request) -> Response:
        participant_id = request.path_params["participant_id"]
        body = await request.json()
        if participant_id not in sandbox.participants:
            return json_response({"error": "Not found"}, 404)
        if not isinstance(body, dict) or not isinstance(body.get("updated_at"), str):
            return json_response({"error": "the body is an object with updated_at"}, 422)
        sandbox.touch_participant(participant_id, body["updated_at"])
        return json_response(sandbox.participants[participant_id])

    return touch


def _change(sandbox: Sandbox) -> Endpoint:
    async def change(request: Request) -> Response:
        diploma_id = request.path_params["diploma_id"]
        try:
            changes = await request.json()
            if not isinstance(changes, dict) or "pdf" in changes:
                raise ValueError("the body is an object of attributes, and `pdf` is not among them")
            sandbox.change(diploma_id, changes)
        except KeyError:
            return json_response({"error": "Not found"}, 404)
        except ValueError as error:
            return json_response({"error": str(error)}, 422)
        return json_response(sandbox.diplomas[diploma_id].item())

    return change
