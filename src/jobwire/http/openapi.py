"""The OpenAPI 3.1 description of a dialect, generated from its tables. schemas.py has the bodies, links.py the links.

It is what the readable page (docs_page.py) is made from, so that both tell the same.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from jobwire.dialects.notes import NO_NOTES, Notes, Parameter, join_notes
from jobwire.dialects.phrases import tell_phrase
from jobwire.dialects.spec import Dialect, Route, Wait
from jobwire.domain.job import IDEMPOTENCY_MS
from jobwire.domain.phases import Phase
from jobwire.http.action_notes import ACTION_NOTES, PHASE_SCHEMA
from jobwire.http.credentials import describe_carrier, name_carrier, show_carrier
from jobwire.http.errors import find_word
from jobwire.http.limits import name_limit_headers
from jobwire.http.links import describe_links
from jobwire.http.page_words import describe_page, name_parameters
from jobwire.http.request_bodies import KEY_SCHEMA, describe_body, describe_taken, tell_wait
from jobwire.http.routing import Served
from jobwire.http.samples import (
    SAMPLE_REQUEST_ID,
    sample_jobs,
    sample_name,
    sample_refusal,
)
from jobwire.http.schemas import (
    describe_error,
    describe_job,
    describe_reference,
    describe_submission,
    describe_types,
    ref,
    wrap_schema,
)
from jobwire.http.site import Site
from jobwire.http.webhook_docs import describe_webhook_data, describe_webhooks, has_webhooks

Described = dict[str, Any]

JOB_ACTIONS = frozenset({"submit", "status", "cancel", "rerun"})
_ALWAYS = ("invalid_request", "internal", "unavailable")
_KEY_REFUSALS = ("credentials_missing", "unauthorized", "forbidden", "owner_suspended", "system_disabled")
_BODY_REFUSALS = ("malformed_json", "payload_too_large", "unsupported_media_type")
_REQUEST_ID = {
    "description": "Names this exchange in the operator's logs; your own, if it has 8 to 64 of A-Z a-z 0-9 . _ : -",
    "schema": {"type": "string"},
}
_ABOUT = (
    "Send a key with every call ({carriers}). A key sees its own account's jobs; somebody else's job {others}.",
    "Submit, then read the job until it has ended{politeness}. A job that failed is a successful call; only a call "
    "that was refused has a 4xx or 5xx status, and then nothing was changed.",
    "Every GET answers HEAD too. A method that a path does not have is refused with 405, and Allow names those it "
    "has; so is OPTIONS. A query field that is not known is ignored where nothing else is said. Every answer has "
    "X-Request-Id, which names the exchange in the operator's logs; yours is taken if it has 8 to 64 of the "
    "characters A-Z a-z 0-9 . _ : and -.",
)


def describe_site(site: Site) -> Described:
    """The whole document of one dialect."""
    dialect = site.dialect
    types = [one.route.request for one in site.served if one.route.request is not None]
    types += [one.route.response for one in site.served if one.route.response is not None]
    refs, schemas = describe_types(types)
    describe_submission(dialect, site.services.registry, schemas)
    for one in site.served:
        if one.route.takes:
            schemas |= describe_taken(dialect, site.services.registry, one.route)[1]
    schemas |= {"Job": describe_job(dialect, dialect.job), "Error": describe_error(dialect)}
    webhooks = describe_webhooks() if has_webhooks(dialect) else {}
    if webhooks:
        schemas["WebhookData"] = describe_webhook_data()
    ids = name_operations(site.served)
    paths: dict[str, Described] = {}
    for served in site.served:
        # Calls that only their content tells apart are one operation here, the first of them.
        if id(served.route) in ids:
            methods = paths.setdefault(dialect.mount + served.route.path, {})
            methods[served.route.method.lower()] = _describe_route(site, served, refs, ids)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": dialect.title or dialect.name,
            "version": version("jobwire"),
            "description": _tell_about(dialect),
        },
        "servers": [{"url": site.prefix or "/"}],
        "security": [{name_carrier(carrier): []} for carrier in dialect.credentials],
        "paths": paths,
        **({"webhooks": webhooks} if webhooks else {}),
        "components": {
            "schemas": schemas,
            "parameters": {"RequestId": {"name": "X-Request-Id", "in": "header", "required": False, **_REQUEST_ID}},
            "headers": {"RequestId": {**_REQUEST_ID, "required": True, "example": SAMPLE_REQUEST_ID}},
            "securitySchemes": {name_carrier(carrier): describe_carrier(carrier) for carrier in dialect.credentials},
        },
    }


def _tell_about(dialect: Dialect) -> str:
    polite = "" if dialect.retry_after_s is None else "; Retry-After says when to ask again"
    if dialect.is_conditional:
        polite += ", and with If-None-Match an unchanged job costs no body"
    carriers = " or ".join(show_carrier(carrier) for carrier in dialect.credentials)
    others = "is refused with 403" if dialect.tells_others else "answers like one that is not there"
    return "\n\n".join(_ABOUT).format(carriers=carriers, others=others, politeness=polite)


def name_operations(served: Sequence[Served]) -> Mapping[int, str]:
    """The operationId of each route by its id(): the action where one route alone has it, else method and path.

    Of routes that share both there is the first.
    """
    first = {(one.route.method, one.route.path): one for one in reversed(served)}
    actions = [one.route.action for one in first.values()]
    return {
        id(one.route): one.route.action
        if one.route.action is not None and actions.count(one.route.action) == 1
        else "_".join((one.route.method.lower(), *re.findall(r"[A-Za-z0-9]+", one.route.path)))
        for one in first.values()
    }


def notes_of(route: Route) -> Notes:
    """What a route tells beyond its table entry."""
    own = ACTION_NOTES.get(route.action or "", NO_NOTES)
    if route.action == "list":
        own = replace(own, parameters=tuple(name_parameters(route.page, own.parameters)))
    return join_notes(own, route.notes)


def _describe_route(site: Site, served: Served, refs: Mapping[int, Any], ids: Mapping[int, str]) -> Described:
    route = served.route
    notes = notes_of(route)
    described: Described = {"operationId": ids[id(route)], "summary": route.summary}
    if text := _tell(notes, route):
        described["description"] = text
    described["parameters"] = _describe_parameters(site.dialect, served, notes)
    if route.body != "none":
        content = describe_body(site, route, notes, refs=refs)
        described["requestBody"] = {
            "required": route.body != "json_or_none" and not notes.is_body_optional,
            "content": content,
        }
    described["responses"] = _describe_responses(site, served, notes, refs=refs, ids=ids)
    if route.is_open:
        described["security"] = []
    return described


def _tell(notes: Notes, route: Route) -> str:
    scope = f"The key needs the scope {route.scope}." if route.scope else ""
    return " ".join(filter(None, (notes.text, scope)))


def _describe_parameters(dialect: Dialect, served: Served, notes: Notes) -> list[Described]:
    route, reference = served.route, served.reference
    names_job = route.action is not None and takes_job(served)
    named = {
        "schema": describe_reference(reference, dialect.ids),
        "description": "The job.",
        "example": sample_name(reference, dialect.ids),
    }
    described: list[Described] = []
    for name in re.findall(r"\{(\w+)\}", route.path):
        is_job = names_job and reference.place == "path" and name == reference.name
        described.append({"name": name, "in": "path", "required": True, **(named if is_job else _PATH_TEXT)})
    if names_job and reference.place == "query":
        described.append({"name": reference.name, "in": "query", "required": True, **named})
    described += [_describe_parameter(dialect, parameter) for parameter in notes.parameters]
    if route.action == "status" and dialect.is_conditional:
        described.append(_describe_parameter(dialect, _IF_NONE_MATCH))
    if route.wait is not None:
        described += [_describe_parameter(dialect, parameter) for parameter in _list_waits(route.wait)]
    if notes.is_repeatable and dialect.idempotency_header is not None:
        parameter = Parameter(dialect.idempotency_header, KEY_SCHEMA, _IDEMPOTENCY, place="header")
        described.append(_describe_parameter(dialect, parameter))
    return [*described, {"$ref": "#/components/parameters/RequestId"}]


_PATH_TEXT: Mapping[str, Any] = {"schema": {"type": "string"}}
_IF_NONE_MATCH = Parameter(
    "If-None-Match",
    {"type": "string"},
    "The ETag you have: 304 without a body while the job is as you know it.",
    place="header",
)
_IDEMPOTENCY = (
    f"Sent again with the same key and body within {IDEMPOTENCY_MS // 3_600_000} hours, the submission gives the "
    "first one's job and makes no second."
)


def _list_waits(wait: Wait) -> Iterator[Parameter]:
    if wait.place == "query":
        yield Parameter(wait.name, {"type": "string", "format": "wait"}, tell_wait(wait))
    if wait.prefers:
        yield Parameter("Prefer", {"type": "string"}, "wait=N: the same, as RFC 7240 says it.", place="header")


def takes_job(served: Served) -> bool:
    """Whether a call of this built-in action names a job."""
    if served.reference.place == "path":
        return f"{{{served.reference.name}}}" in served.route.path
    return served.route.action in ("status", "cancel", "rerun", "remove", "result")


def _describe_parameter(dialect: Dialect, parameter: Parameter) -> Described:
    schema = dict(parameter.schema)
    if schema == PHASE_SCHEMA:
        schema = {"type": "string", "enum": list(dict.fromkeys(dialect.phases.values()))}
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.is_required,
        "schema": schema,
        **({"description": parameter.text} if parameter.text else {}),
    }


def _describe_responses(
    site: Site, served: Served, notes: Notes, *, refs: Mapping[int, Any], ids: Mapping[int, str]
) -> Described:
    route, dialect = served.route, site.dialect
    # What a system's own resource may answer beside that is its own business.
    status = "2XX" if route.endpoint is not None and route.status == HTTPStatus.OK else str(route.status)
    headers = _describe_headers(site, served, notes)
    responses: Described = {status: _describe_success(site, served, notes, refs=refs)}
    responses[status]["headers"] = headers
    if links := describe_links(site, served, ids):
        responses[status]["links"] = links
    if route.action == "status" and dialect.is_conditional:
        kept = {
            name: header
            for name, header in headers.items()
            if name in ("X-Request-Id", "ETag", "Retry-After", "Vary")
        }
        responses["304"] = {"description": "The job is as you know it.", "headers": kept}
    if route.action == "submit" and route.wait is not None:
        responses["200"] = {
            **_describe_success(site, served, notes, refs=refs, phases=(Phase.COMPLETED,)),
            "headers": headers,
            "description": "The finished job, where the call waited for it.",
        }
    if route.action == "events":
        responses["204"] = {"description": "The end was seen already.", "headers": headers}
    for code_status, codes in _group_codes(dialect, served, notes).items():
        responses[str(code_status)] = _describe_refusal(dialect, served, code_status, codes=codes)
    for code_status, text in notes.also:
        responses[str(code_status)] = {**responses[status], "description": text}
    if route.endpoint is not None:
        responses["4XX"] = _describe_refusal(dialect, served, None)
    return responses


def _describe_success(
    site: Site, served: Served, notes: Notes, *, refs: Mapping[int, Any], phases: tuple[Phase, ...] | None = None
) -> Described:
    route = served.route
    if route.status == HTTPStatus.NO_CONTENT:
        return {"description": "Done."}
    if notes.media_type is not None:
        content: Described = {} if notes.answer is None else {"schema": notes.answer}
        return {"description": "The content.", "content": {notes.media_type: content}}
    content = {"schema": wrap_schema(served.envelope, _answer_schema(site, served, notes, refs=refs))}
    if phases is None:
        phases = _SAMPLED.get(route.action or "", ())
    if route.action in JOB_ACTIONS and "show_output" not in site.dialect.hooks:
        content["examples"] = _sample_answers(site, served, phases)
    word = "The job as it is then." if route.action in JOB_ACTIONS else "Done."
    return {"description": word, "content": {"application/json": content}}


def _answer_schema(site: Site, served: Served, notes: Notes, *, refs: Mapping[int, Any]) -> Any:
    route = served.route
    if route.response is not None:
        return refs[id(route.response)]
    if notes.answer is not None:
        return notes.answer
    job = ref("Job") if route.shape is None else describe_job(site.dialect, route.shape)
    if route.action == "list":
        return describe_page(route.page, ref("Job"))
    return job if route.action in JOB_ACTIONS or route.action == "remove" else {}


_SAMPLED: Mapping[str, tuple[Phase, ...]] = {
    "submit": (Phase.WAITING,),
    "rerun": (Phase.WAITING,),
    "status": (Phase.WAITING, Phase.RUNNING, Phase.COMPLETED, Phase.FAILED),
}


def _sample_answers(site: Site, served: Served, phases: tuple[Phase, ...]) -> Described:
    names = list(site.dialect.kinds or ()) or [kind.name for kind in site.services.registry.kinds] or ["report"]
    jobs = sample_jobs(served.views, names[0])
    return {phase.value: {"value": job} for phase, job in jobs.items() if phase in phases}


def _describe_headers(site: Site, served: Served, notes: Notes) -> Described:
    route, dialect = served.route, site.dialect
    told = dict(notes.headers)
    if route.headers is not None or site.location is None:
        told.pop("Location", None)
    headers: Described = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
    headers |= {name: _header(text, is_required=True) for name, text in told.items()}
    headers |= {name: _header("An address of the new job.", is_required=True) for name in route.headers or ()}
    if route.action in JOB_ACTIONS and dialect.retry_after_s is not None:
        headers["Retry-After"] = _header(_RETRY_AFTER, {"type": "integer", "minimum": 1})
    if route.action == "status" and dialect.is_conditional:
        headers["Vary"] = _header("The headers of the key; only where the answer may be kept.")
        headers["ETag"] = _header("Changes with the job; absent where the result has links, which expire.")
    if notes.is_repeatable and dialect.idempotency_header is not None:
        headers["Idempotency-Replayed"] = _header("true where this submission was known.", {"const": "true"})
    return headers | _limit_headers(dialect, served)


_RETRY_AFTER = "Seconds until it is worth asking again; only while the job lives."


def _limit_headers(dialect: Dialect, served: Served) -> Described:
    # An account may have limits of its own on any call that has a key.
    if served.route.is_open or dialect.limit_headers is None:
        return {}
    return {
        name: _header("How much of the limit is left, where there is one.")
        for name in name_limit_headers(dialect.limit_headers)
    }


def _header(text: str, schema: Mapping[str, Any] | None = None, *, is_required: bool = False) -> Described:
    return {"description": text, "required": is_required, "schema": schema or {"type": "string"}}


def _group_codes(dialect: Dialect, served: Served, notes: Notes) -> Mapping[int, Sequence[str]]:
    """The codes a call may be refused with, by status."""
    route = served.route
    codes = [
        *_ALWAYS,
        *(() if route.is_open else (*_KEY_REFUSALS, "credentials_conflict")),
        *(() if route.body == "none" else _BODY_REFUSALS),
        *notes.refusals,
        *(() if route.is_open else ("rate_limited",)),
    ]
    grouped: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        if code == "credentials_conflict" and dialect.several_credentials == "first":
            continue
        grouped.setdefault(find_word(dialect, code).status, []).append(code)
    return dict(sorted(grouped.items()))


def _describe_refusal(
    dialect: Dialect, served: Served, status: int | None, *, codes: Sequence[str] = ()
) -> Described:
    headers: Described = {
        "X-Request-Id": {"$ref": "#/components/headers/RequestId"},
        **_limit_headers(dialect, served),
    }
    if status == HTTPStatus.UNAUTHORIZED and dialect.challenge is not None:
        headers["WWW-Authenticate"] = _header("How to send a key.", is_required=True)
    if status in (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        headers["Retry-After"] = _header("Seconds until it is worth trying again.", {"type": "integer", "minimum": 1})
    headers |= {name: _header("What was wrong, for programs.") for name in dialect.error_headers}
    content: Described = {"schema": ref("Error")}
    if codes:
        content["examples"] = {code: {"value": sample_refusal(dialect, code)} for code in codes}
    phrase = "Refused" if status is None else tell_phrase(status)
    named = f": {', '.join(codes)}" if codes and _shows_codes(dialect) else ""
    return {
        "description": phrase + named,
        "headers": headers,
        "content": {dialect.error_content_type.partition(";")[0]: content},
    }


def _shows_codes(dialect: Dialect) -> bool:
    return any(item.source == "code" for item in dialect.error_body)
