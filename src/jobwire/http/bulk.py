"""Cancels or runs again whatever a filter selects: bounded a call, continued by a cursor, told first by a dry run."""

from collections.abc import Sequence
from typing import Any

import msgspec

from jobwire.dialects.bulk import Bulk, read_bulk
from jobwire.dialects.parse import write_cursor
from jobwire.dialects.render import wrap_body
from jobwire.domain.job import JobRow
from jobwire.domain.phases import FINAL_PHASES
from jobwire.http.answer import Answer, json_answer
from jobwire.http.present import render_job
from jobwire.http.routing import Served
from jobwire.http.site import Site
from jobwire.http.submissions import read_header_key
from jobwire.service.bulk import CANCELLABLE, RERUN_UNASKED, SAMPLE_MAX, cancel_rows, rerun_rows
from jobwire.service.call import Call
from jobwire.service.paging import find_page


async def cancel_jobs(site: Site, served: Served, call: Call) -> Answer:
    """Cancels the selected jobs that are not final, newest first; a dry run tells how many it would be."""
    bulk = read_bulk(call.body, site.dialect, phases=CANCELLABLE, default=CANCELLABLE)
    rows, before = await _find(site, call, bulk)
    counts: dict[str, Any] = {"matched": len(rows)}
    if not bulk.dry_run:
        done = await cancel_rows(call.services.jobs, call.principal.owner, rows)
        counts |= done._asdict()
        rows = await _read_sample(call, [row.number for row in rows])
    return await _answer(site, served, call, rows=rows, body=counts | _rest(bulk, before))


async def rerun_jobs(site: Site, served: Served, call: Call) -> Answer:
    """Runs the selected final jobs again, newest first: unless a phase is named, those that failed or expired."""
    bulk = read_bulk(call.body, site.dialect, phases=FINAL_PHASES, default=RERUN_UNASKED)
    key = read_header_key(site.dialect, call)
    rows, before = await _find(site, call, bulk)
    owner = call.principal.owner
    done = await rerun_rows(call.services.jobs, owner, rows, idempotency_key=key, dry_run=bulk.dry_run)
    counts: dict[str, Any] = {"matched": len(rows)}
    if not bulk.dry_run:
        rows = await _read_sample(call, [receipt.number for receipt in done.receipts])
        counts |= {
            "rerun": sum(receipt.is_new for receipt in done.receipts),
            "replayed": sum(not receipt.is_new for receipt in done.receipts),
        }
    counts["refused"] = done.refused
    return await _answer(site, served, call, rows=rows, body=counts | _rest(bulk, before))


async def _find(site: Site, call: Call, bulk: Bulk) -> tuple[list[JobRow], int | None]:
    return await find_page(call.services.jobs, call.principal.owner, bulk.page, kinds=site.dialect.kinds)


async def _read_sample(call: Call, numbers: Sequence[int]) -> list[JobRow]:
    """The first of these jobs as they are now, without those that somebody has deleted meanwhile."""
    found = [await call.services.store.get(call.principal.owner, number=number) for number in numbers[:SAMPLE_MAX]]
    return [row for row in found if row is not None]


def _rest(bulk: Bulk, before: int | None) -> dict[str, Any]:
    return {"dry_run": bulk.dry_run, "next_cursor": None if before is None else write_cursor(before)}


async def _answer(site: Site, served: Served, call: Call, *, rows: Sequence[JobRow], body: dict[str, Any]) -> Answer:
    shown = [await render_job(site.services, site.item_views, row, origin=call.base_url) for row in rows[:SAMPLE_MAX]]
    sample = [msgspec.Raw(item) for item in shown]
    return json_answer(served.route.status, wrap_body({**body, "sample": sample}, served.envelope))
