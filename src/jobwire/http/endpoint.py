"""One request on the long way: route, credential, limits, body, action, and every refusal in the dialect's words.

status.py is the short way of a poll; both give the same answer.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from starlette.responses import Response

from jobwire.dialects.render import wrap_body
from jobwire.dialects.spec import Dialect
from jobwire.dialects.taking import Parts, find_sent
from jobwire.domain.errors import RequestError
from jobwire.http.actions import ACTIONS
from jobwire.http.answer import Answer, Headers, Receive, Scope, Send, encode_header, json_answer, send_answer
from jobwire.http.batch import NDJSON, split_lines
from jobwire.http.body import (
    ClientGone,
    check_content_type,
    decode_json,
    read_bytes,
    read_json,
    read_media_type,
    spool_upload,
    wait_until_gone,
)
from jobwire.http.credentials import find_token
from jobwire.http.errors import INTERNAL, find_word, say_error
from jobwire.http.files import send_saved
from jobwire.http.limits import list_limits, refuse_limited, take_limits, tell_limit
from jobwire.http.requests import local_path, read_base_url, read_headers, read_query
from jobwire.http.routing import Match, Served, decode_segments
from jobwire.http.site import Site
from jobwire.service.call import Call, FileReply, Principal, Reply
from jobwire.service.limits import Subject

logger = logging.getLogger(__name__)

NOBODY = Principal(owner=0, owner_name="", key_id="", scopes=frozenset())


@dataclass(slots=True)
class Exchange:
    """One request on its way through a site; `path` is below the mount, `headers` go out with any answer."""

    site: Site
    path: str
    scope: Scope
    receive: Receive
    request_id: str
    headers: Headers = field(default_factory=list)


async def serve_exchange(exchange: Exchange, send: Send) -> None:
    """Answer a request; an unexpected error becomes the dialect's 500 and a log entry with the request id."""
    try:
        async with AsyncExitStack() as resources:
            answer = await _answer_call(exchange, resources)
    except ClientGone:
        return
    except RequestError as error:
        answer = _say(exchange, error)
    except Exception:
        logger.exception("request %s failed: %s %s", exchange.request_id, exchange.scope["method"], exchange.path)
        answer = say_error(exchange.site.dialect, INTERNAL, exchange.request_id)
    exchange.headers.append((b"x-request-id", exchange.request_id.encode("latin-1")))
    if isinstance(answer, Response):
        answer.raw_headers.extend(exchange.headers)
        await answer(exchange.scope, exchange.receive, send)
    else:
        answer.headers.extend(exchange.headers)
        await send_answer(answer, send, is_head=exchange.scope["method"] == "HEAD")


def _say(exchange: Exchange, error: RequestError) -> Answer:
    dialect = exchange.site.dialect
    try:
        find_word(dialect, error.code)
    except KeyError:
        logger.exception("request %s: dialect %s has no word for %r", exchange.request_id, dialect.name, error)
        error = INTERNAL
    return say_error(dialect, error, exchange.request_id)


async def _answer_call(exchange: Exchange, resources: AsyncExitStack) -> Answer | Response:
    headers = read_headers(exchange.scope["headers"])
    query = read_query(exchange.scope["query_string"])
    try:
        match = _find_route(exchange)
    except RequestError:
        await _count_lost(exchange, query)
        raise
    served = match.served
    assert served is not None
    token, principal = None, NOBODY
    if not served.route.is_open:
        token = find_token(exchange.site.dialect, exchange.scope["headers"], query)
        principal = await _admit(exchange, match, token, headers)
    call = Call(
        principal=principal,
        services=exchange.site.services,
        method=served.route.method,
        path=local_path(exchange.scope),
        params=match.params,
        query=query,
        headers=headers,
        body=None,
        upload=None,
        base_url=read_base_url(exchange.scope, headers),
        request_id=exchange.request_id,
        gone=partial(wait_until_gone, exchange.receive),
    )
    if served.route.before_body is not None:
        await served.route.before_body(call)
    body, upload = await _read_body(exchange, served, headers, resources)
    if len(match.choices) > 1 or served.route.only is not None:
        served = _choose(match, Parts(match.params, query, headers, body))
        if not served.route.is_open:
            check_rights(exchange.site.dialect, served, principal)
    call = replace(call, body=body, upload=upload, gone=_wait_in(exchange, served, token, headers))
    if served.route.action is not None:
        return await ACTIONS[served.route.action](exchange.site, served, call)
    assert served.route.endpoint is not None
    reply = await served.route.endpoint(call)
    return send_saved(call, reply) if isinstance(reply, FileReply) else _encode_reply(reply, served)


def has_route(site: Site, path: str) -> bool:
    """Whether some method of the site has that path, which is below its mount."""
    return _match_path(site, "GET", path) is not None


def _match_path(site: Site, method: str, path: str) -> Match | None:
    segments = decode_segments(path.rstrip("/") if site.dialect.ignores_trailing_slash else path)
    return None if segments is None else site.router.match(method, segments)


def _find_route(exchange: Exchange) -> Match:
    match = _match_path(exchange.site, exchange.scope["method"], exchange.path)
    if match is None:
        described = f"{exchange.site.prefix}/docs"
        raise RequestError("no_route", f"There is nothing at this path; {described} has the paths that there are.")
    if match.served is None:
        exchange.headers.append(encode_header("Allow", ", ".join(match.allow)))
        raise RequestError("method_not_allowed", f"This path answers {', '.join(match.allow)} only.")
    return match


async def _count_lost(exchange: Exchange, query: Mapping[str, str]) -> None:
    """A call to nowhere counts like any other where the dialect limits calls, and is told what is left."""
    site = exchange.site
    try:
        token = find_token(site.dialect, exchange.scope["headers"], query)
        principal = site.services.owners.known(token) or await site.services.owners.authenticate(token)
    except RequestError:
        return
    await _count(exchange, list_limits(principal, None, site.lost_limits))


async def _count(exchange: Exchange, wanted: Sequence[Subject]) -> None:
    """Take one call from the limits and tell the caller; RequestError rate_limited when none is left."""
    services = exchange.site.services
    if services.limits.must_ask(wanted):
        await services.limits.ask(wanted)
    state = take_limits(services.limits, wanted)
    exchange.headers += tell_limit(state, exchange.site.dialect.limit_headers, now=services.clock())
    if state is not None and state.retry_after_s is not None:
        raise refuse_limited(state)


async def _admit(exchange: Exchange, match: Match, token: str, headers: Mapping[str, str]) -> Principal:
    """Who calls, counted against the limits of the path, with the rights of its one route."""
    dialect, services = exchange.site.dialect, exchange.site.services
    principal = services.owners.known(token) or await services.owners.authenticate(token)
    first = match.choices[0]
    await _count(exchange, list_limits(principal, first.route, first.limits))
    principal = await _open(exchange, principal, headers)
    if len(match.choices) == 1:
        check_rights(dialect, first, principal)
    return principal


async def _open(exchange: Exchange, principal: Principal, headers: Mapping[str, str]) -> Principal:
    """The caller as the dialect takes it."""
    dialect = exchange.site.dialect
    if "admit" in dialect.hooks and (dialect.identity_header is None or dialect.identity_header in headers):
        principal = await dialect.hooks["admit"](principal, headers, exchange.site.services)
    return principal


def _wait_in(
    exchange: Exchange, served: Served, token: str | None, headers: Mapping[str, str]
) -> Callable[[], Awaitable[None]]:
    """What a call waits in: raises when its caller has hung up, or may not make it any more."""
    gone = partial(wait_until_gone, exchange.receive)
    if token is None:
        return gone

    async def check(principal: Principal) -> None:
        check_rights(exchange.site.dialect, served, await _open(exchange, principal, headers))

    return partial(exchange.site.services.owners.standing.keep, token, check, gone=gone)


def _choose(match: Match, parts: Parts) -> Served:
    """The first of the routes that takes a call with this content."""
    for served in match.choices:
        if served.route.only is None or find_sent(served.route.only, parts) is not None:
            return served
    raise RequestError("no_route", "Nothing at this path is for such a call; check what it says it wants.")


def check_rights(dialect: Dialect, served: Served, principal: Principal) -> None:
    """RequestError system_disabled or forbidden unless the caller may use this route."""
    if dialect.name in principal.disabled_systems:
        raise RequestError("system_disabled", f"This account may not use {dialect.title or dialect.name}.")
    scope = served.route.scope
    if scope is not None and scope not in principal.scopes:
        who = "This key" if dialect.identity_header is None else "This key, or who it acts for,"
        raise RequestError("forbidden", f"{who} lacks the scope {scope}; use one that has it.")


async def _read_body(
    exchange: Exchange, served: Served, headers: Mapping[str, str], resources: AsyncExitStack
) -> tuple[Any, Path | None]:
    match served.route.body:
        case "none":
            return None, None
        case "json":
            check_content_type(headers.get("content-type"), exchange.site.dialect.content_types)
            return await read_json(exchange.receive, headers, served.body_bytes_max), None
        case "json_or_none":
            body = await read_bytes(exchange.receive, headers, served.body_bytes_max)
            if not body:
                return None, None
            check_content_type(headers.get("content-type"), exchange.site.dialect.content_types)
            return decode_json(body), None
        case "batch":
            return await _read_batch(exchange, served, headers), None
        case "upload":
            scratch = exchange.site.services.scratch
            upload = spool_upload(exchange.receive, headers, served.body_bytes_max, scratch=scratch)
            return None, await resources.enter_async_context(upload)


async def _read_batch(exchange: Exchange, served: Served, headers: Mapping[str, str]) -> Any:
    accepted = exchange.site.dialect.content_types
    check_content_type(headers.get("content-type"), None if accepted is None else (*accepted, *NDJSON))
    body = await read_bytes(exchange.receive, headers, served.body_bytes_max)
    if read_media_type(headers.get("content-type")) in NDJSON:
        return await asyncio.to_thread(split_lines, body)
    return await asyncio.to_thread(decode_json, body)


def _encode_reply(reply: Reply, served: Served) -> Answer:
    headers = [encode_header(name, value) for name, value in reply.headers.items()]
    if reply.body is None and reply.status in (204, 304):
        return Answer(reply.status, headers, b"")
    return json_answer(reply.status, wrap_body(reply.body, served.envelope), headers)
