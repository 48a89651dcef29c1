"""Describes pages of jobs in the words of a route: what a list takes and answers; openapi.py puts it in place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobwire.dialects.notes import Parameter
from jobwire.dialects.parse import PAGE_DEFAULT
from jobwire.dialects.sent import PageField, PageWords
from jobwire.domain.job import TOTAL_MAX
from jobwire.http.schemas import Schema, assemble

_WHOLE: Schema = {"type": "integer"}
_SOURCES: Mapping[str, Schema] = {
    "count": {**_WHOLE, "description": "How many jobs this page has."},
    "limit": {**_WHOLE, "description": "How many it could have."},
    "start": {**_WHOLE, "description": "How many jobs stand before this page."},
    "total": {**_WHOLE, "description": f"How many jobs match, counted up to {TOTAL_MAX:,}."},
    "has_more": {"type": "boolean", "description": "Whether another page follows."},
}
_TEXTS: Mapping[str, str] = {
    "next_cursor": "Send it as {cursor} for the next page; {absent} on the last one.",
    "next_url": "Where the next page is; {absent} on the last one.",
    "first_id": "The first job of this page.",
    "last_id": "The last job of this page.",
}


def describe_page(page: PageWords, job: Schema) -> Schema:
    """The schema of a page of jobs."""
    always = frozenset(item.path for item in page.fields if not item.omit_null)

    def describe(item: PageField) -> Schema:
        if item.source is None:
            return {"const": item.value}
        if item.source == "jobs":
            return {"type": "array", "items": job}
        return _SOURCES.get(item.source) or _describe_text(page, item)

    return assemble(page.fields, describe, always)


def _describe_text(page: PageWords, item: PageField) -> Schema:
    absent = "absent" if item.omit_null else "null"
    text = _TEXTS[item.source or ""].format(cursor=page.query["cursor"], absent=absent)
    return {"type": "string" if item.omit_null else ["string", "null"], "description": text}


def name_parameters(page: PageWords, parameters: Sequence[Parameter]) -> Iterator[Parameter]:
    """The parameters of a list that the page has words for, in these."""
    for parameter in parameters:
        if parameter.name in page.query:
            yield replace(parameter, name=page.query[parameter.name], **_change(page, parameter))


def _change(page: PageWords, parameter: Parameter) -> dict[str, Any]:
    if parameter.name == "limit" and page.caps_limit:
        return {"schema": {"type": "integer", "minimum": 0, "maximum": 9_999, "default": PAGE_DEFAULT}}
    if parameter.name != "cursor":
        return {}
    if page.cursor == "id":
        return {"schema": {"type": "string"}, "text": "The id of the job to go on below."}
    path = next((item.path for item in page.fields if item.source == "next_cursor"), None)
    return {"text": "It stands in the URL of the next page." if path is None else f"{path} of the page before."}
