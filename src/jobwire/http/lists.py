"""A page of jobs in a dialect's words; service/paging.py finds the rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, assert_never
from urllib.parse import urlencode

import msgspec

from jobwire.dialects.parse import read_name, refuse_faults, write_cursor
from jobwire.dialects.sent import PageField
from jobwire.dialects.sources import show_job_id
from jobwire.domain.errors import RequestError
from jobwire.domain.job import JobRow, Page
from jobwire.http.errors import plant_value
from jobwire.http.routing import Served
from jobwire.http.site import Site
from jobwire.kinds.faults import Fault
from jobwire.service.call import Call


async def find_start(site: Site, served: Served, call: Call, page: Page) -> Page:
    """The page from where the caller's cursor says, where that is a job; RequestError if it is none of theirs."""
    words = served.route.page
    sent = call.query.get(words.query.get("cursor", ""))
    if words.cursor == "token" or sent is None:
        return page
    name = read_name("id", sent, site.dialect.ids)
    try:
        if name is None:
            raise RequestError("not_found", "")
        row = await call.services.jobs.read(call.principal.owner, key=name.key, number=name.number)
    except RequestError as error:
        if error.code != "not_found":
            raise
        raise refuse_faults([Fault(f"/{words.query['cursor']}", "not the id of a job of yours")]) from None
    return replace(page, before=row.number)


def show_page(
    site: Site,
    served: Served,
    call: Call,
    *,
    limit: int,
    rows: Sequence[JobRow],
    items: Sequence[bytes],
    before: int | None = None,
    start: int | None = None,
    total: int | None = None,
) -> dict[str, Any]:
    """The body of a page; `before` is the number it goes on below, None on the last; `start` and `total` are of a
    page that begins at a number."""
    ids = site.dialect.ids

    def read(item: PageField) -> Any:
        match item.source:
            case None:
                return item.value
            case "jobs":
                return [msgspec.Raw(one) for one in items]
            case "count":
                return len(rows)
            case "limit":
                return limit
            case "has_more":
                return before is not None
            case "next_cursor":
                return None if before is None else write_cursor(before)
            case "next_url":
                return None if before is None else _next_url(site, served, call, write_cursor(before))
            case "first_id":
                return show_job_id(ids, rows[0]) if rows else None
            case "last_id":
                return show_job_id(ids, rows[-1]) if rows else None
            case "start":
                return start
            case "total":
                return total
        assert_never(item.source)

    body: dict[str, Any] = {}
    for item in served.route.page.fields:
        value = read(item)
        if value is not None or not item.omit_null:
            plant_value(body, item.path, value)
    return body


def _next_url(site: Site, served: Served, call: Call, cursor: str) -> str:
    query = {name: value for name, value in call.query.items() if name not in _credentials(site)}
    query[served.route.page.query["cursor"]] = cursor
    return f"{call.base_url}{site.prefix}{call.path}?{urlencode(query)}"


def _credentials(site: Site) -> frozenset[str]:
    # A key in the query is the caller's to add again: links get logged.
    return frozenset(carrier.name for carrier in site.dialect.credentials if carrier.place == "query")
