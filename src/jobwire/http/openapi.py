"""The OpenAPI 3.1 description of every mounted dialect, generated from its tables. schemas.py has the bodies."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec

from jobwire.dialects.parse import PAGE_DEFAULT, PAGE_MAX
from jobwire.dialects.spec import Carrier, Dialect, Route
from jobwire.http.errors import find_word
from jobwire.http.routing import Served
from jobwire.http.schemas import describe_error, describe_success, describe_types
from jobwire.http.site import Site

REF_TEMPLATE = "#/components/schemas/{name}"
_COMMON_REFUSALS = ("rate_limited", "internal")
_KEY_REFUSALS = ("unauthorized", "forbidden")
_BODY_REFUSALS = ("invalid_request", "payload_too_large", "unsupported_media_type")
_ACTION_REFUSALS: Mapping[str, tuple[str, ...]] = {
    "submit": ("unprocessable",),
    "status": ("not_found",),
    "list": ("invalid_request",),
    "cancel": ("not_found", "conflict"),
    "rerun": ("not_found", "conflict"),
    "remove": ("not_found", "conflict"),
    "result": ("not_found", "conflict"),
    "file": ("forbidden", "not_found", "gone"),
}
_PAGE_QUERY: Mapping[str, Mapping[str, Any]] = {
    "kind": {"type": "string"},
    "phase": {"type": "string"},
    "tag": {"type": "string"},
    "created_after": {"type": "string", "format": "date-time"},
    "cursor": {"type": "string"},
    "limit": {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT},
}
_LINK_QUERY: Mapping[str, Mapping[str, Any]] = {name: {"type": "string"} for name in ("type", "exp", "sig")}


def describe_sites(sites: Sequence[Site]) -> bytes:
    """The whole document as JSON."""
    types = [one.route.request for site in sites for one in site.served if one.route.request is not None]
    types += [one.route.response for site in sites for one in site.served if one.route.response is not None]
    refs, schemas = describe_types(types, REF_TEMPLATE)
    paths: dict[str, dict[str, Any]] = {}
    for site in sites:
        for served in site.served:
            methods = paths.setdefault(site.dialect.mount + served.route.path, {})
            # Calls that only their content tells apart are one operation here, the first of them.
            if served.route.method.lower() not in methods:
                methods[served.route.method.lower()] = _describe_route(site.dialect, served, refs)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Jobwire", "version": version("jobwire")},
        "tags": [{"name": site.dialect.name, "description": site.dialect.title} for site in sites],
        "paths": paths,
        "components": {
            "schemas": schemas | {f"{site.dialect.name}_error": describe_error(site.dialect) for site in sites},
            "securitySchemes": {
                _scheme_name(site.dialect, carrier): _describe_carrier(carrier)
                for site in sites
                for carrier in site.dialect.credentials
            },
        },
    }
    return msgspec.json.encode(document)


def _describe_route(dialect: Dialect, served: Served, refs: Mapping[int, Any]) -> dict[str, Any]:
    route = served.route
    described: dict[str, Any] = {
        "operationId": _operation_id(dialect, route),
        "tags": [dialect.name],
        "summary": route.summary,
        "parameters": _describe_parameters(dialect, served),
        "responses": _describe_responses(dialect, served, refs),
        "security": []
        if route.is_open
        else [{_scheme_name(dialect, carrier): []} for carrier in dialect.credentials],
    }
    if route.body in ("json", "optional"):
        schema = {} if route.request is None else refs[id(route.request)]
        must = route.body == "json"
        described["requestBody"] = {"required": must, "content": {"application/json": {"schema": schema}}}
    elif route.body == "upload":
        described["requestBody"] = {"required": True, "content": {"application/octet-stream": {}}}
    return described


def _operation_id(dialect: Dialect, route: Route) -> str:
    words = re.findall(r"[A-Za-z0-9]+", route.path)
    return "_".join((dialect.name, route.method.lower(), *words))


def _describe_parameters(dialect: Dialect, served: Served) -> list[dict[str, Any]]:
    route, reference = served.route, served.reference
    described = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    query: Mapping[str, Mapping[str, Any]] = {}
    if route.action == "list":
        query = {theirs: _PAGE_QUERY[ours] for ours, theirs in route.page.query.items()}
    elif route.action == "file":
        query = _LINK_QUERY
    elif route.action in ("status", "cancel", "rerun", "remove", "result") and reference.place == "query":
        query = {reference.name: {"type": "string" if reference.style == "id" else "integer"}}
    must = route.action != "list"
    described += [{"name": name, "in": "query", "required": must, "schema": schema} for name, schema in query.items()]
    if route.action == "submit" and dialect.idempotency_header is not None:
        header = {"name": dialect.idempotency_header, "in": "header", "required": False}
        described.append({**header, "schema": {"type": "string", "maxLength": 255}})
    return described


def _describe_responses(dialect: Dialect, served: Served, refs: Mapping[int, Any]) -> dict[str, Any]:
    route = served.route
    codes = (
        *_COMMON_REFUSALS,
        *(() if route.is_open else _KEY_REFUSALS),
        *(() if route.body == "none" else _BODY_REFUSALS),
        *_ACTION_REFUSALS.get(route.action or "", ()),
    )
    statuses = sorted({find_word(dialect, code).status for code in codes})
    error = {"$ref": REF_TEMPLATE.format(name=f"{dialect.name}_error")}
    kind = dialect.error_content_type.partition(";")[0]
    responses: dict[str, Any] = {str(route.status): describe_success(dialect, served, refs)}
    if route.action == "status" and dialect.is_conditional:
        responses["304"] = {"description": HTTPStatus(304).phrase}
    for status in statuses:
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": {kind: {"schema": error}}}
    return responses


def _scheme_name(dialect: Dialect, carrier: Carrier) -> str:
    return "_".join(
        filter(None, (dialect.name, carrier.name.lower().replace("-", "_"), (carrier.scheme or "").lower()))
    )


def _describe_carrier(carrier: Carrier) -> dict[str, Any]:
    if (carrier.name.lower(), (carrier.scheme or "").lower()) == ("authorization", "bearer"):
        return {"type": "http", "scheme": "bearer"}
    described = {"type": "apiKey", "in": carrier.place, "name": carrier.name}
    return described if carrier.scheme is None else {**described, "description": f"{carrier.scheme} <key>"}
