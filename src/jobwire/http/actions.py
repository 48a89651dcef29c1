"""The built-in actions a route may name: one function each, the same for every dialect."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from starlette.responses import Response

from jobwire.dialects.parse import (
    Submission,
    read_idempotency_key,
    read_kind,
    read_page,
    read_reference,
    read_submission,
    unix_ms,
)
from jobwire.dialects.render import wrap_body
from jobwire.dialects.sources import show_error
from jobwire.dialects.spec import Action, Dialect
from jobwire.domain.errors import RequestError
from jobwire.domain.job import JobRow
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.http.answer import Answer, Headers, encode_header, json_answer
from jobwire.http.files import serve_file
from jobwire.http.lists import find_start, show_page
from jobwire.http.paging import find_page
from jobwire.http.present import answer_status, find_facts, render_job
from jobwire.http.routing import Served
from jobwire.http.site import Site
from jobwire.http.takes import Act, with_takes
from jobwire.kinds.schema import check_input
from jobwire.service.call import Call


async def find_job(site: Site, served: Served, call: Call) -> JobRow:
    """The job a call names, if it is the caller's and of a kind this dialect shows; RequestError not_found."""
    name = read_reference(
        served.reference, params=call.params, query=call.query, body=call.body, ids=site.dialect.ids
    )
    row = await call.services.jobs.read(call.principal.owner, key=name.key, number=name.number)
    if not is_shown(site.dialect, row):
        raise RequestError("not_found", "there is no such job; check the id and that it is your account's")
    return row


def is_shown(dialect: Dialect, row: JobRow) -> bool:
    """Whether the dialect has a word for the job's kind."""
    return dialect.kinds is None or row.kind in dialect.kinds


async def show_status(site: Site, served: Served, call: Call) -> Answer:
    """The job as it is now; a failed job is a 200."""
    row = await find_job(site, served, call)
    view = served.views[row.phase]
    seen = call.headers.get("if-none-match")
    facts = await find_facts(site.services, view, row, origin=call.base_url)
    return answer_status(site.dialect, view, row, facts, seen=None if seen is None else seen.encode("latin-1"))


async def submit_job(site: Site, served: Served, call: Call) -> Answer:
    """A new job, or with a known idempotency key the one it named before."""
    submission = read_submission(call.body)
    kind = read_kind(site.dialect, submission.kind)
    key = None
    if site.dialect.idempotency_header is not None:
        key = read_idempotency_key(call.headers.get(site.dialect.idempotency_header.lower()))
    known = call.services.registry.get(kind)
    with _pointing("", "/input"):
        check_input(known, submission.input)
    with _pointing("/deadline_at", "/deadline"):
        receipt = await call.services.jobs.submit(
            call.principal.owner,
            kind,
            submission.input,
            queue=submission.queue,
            priority=submission.priority,
            run_at=_read_run_at(submission, call.services.clock()),
            deadline_at=None if submission.deadline is None else unix_ms(submission.deadline),
            tags=submission.tags,
            max_wait=submission.max_wait,
            concurrency_key=submission.concurrency_key,
            idempotency_key=key,
            fingerprint=None if key is None else _fingerprint(call.body),
        )
    replayed = [] if receipt.is_new else [encode_header("Idempotency-Replayed", "true")]
    return await _show_new(site, served, call, receipt.number, headers=replayed)


@contextmanager
def _pointing(service: str, body: str) -> Iterator[None]:
    """Make a refusal point into the body that was sent, where it names a value as the service does."""
    try:
        yield
    except RequestError as error:
        for fault in error.details.get("errors", ()):
            if fault["pointer"].startswith(service):
                fault["pointer"] = body + fault["pointer"].removeprefix(service)
        raise


def _read_run_at(submission: Submission, now: int) -> int | None:
    if submission.delay is not None:
        return now + int(submission.delay * 1_000)
    return None if submission.run_at is None else unix_ms(submission.run_at)


def _fingerprint(body: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


async def _show_new(
    site: Site, served: Served, call: Call, number: int, *, headers: Sequence[tuple[bytes, bytes]] = ()
) -> Answer:
    row = await call.services.jobs.read(call.principal.owner, number=number)
    own = site.new_job_headers(served.route, row, origin=call.base_url)
    body = await render_job(call.services, served.views, row, origin=call.base_url)
    told = [encode_header(name, value) for name, value in own.items()]
    return json_answer(served.route.status, body, [*told, *_retry_after(site, row), *headers])


def _retry_after(site: Site, row: JobRow) -> Headers:
    seconds = site.dialect.retry_after_s
    return [] if seconds is None or row.phase in FINAL_PHASES else [(b"retry-after", b"%d" % seconds)]


async def list_jobs(site: Site, served: Served, call: Call) -> Answer:
    """A page of the caller's jobs, newest first, in the route's words for pages."""
    page = read_page(call.query, site.dialect, served.route.page)
    page = await find_start(site, served, call, page)
    rows, before = await find_page(call.services.jobs, call.principal.owner, page, kinds=site.dialect.kinds)
    items = [await render_job(call.services, site.item_views, row, origin=call.base_url) for row in rows]
    body = show_page(site, served, call, limit=page.limit, rows=rows, items=items, before=before)
    return json_answer(served.route.status, wrap_body(body, served.envelope))


async def cancel_job(site: Site, served: Served, call: Call) -> Answer:
    """The job after the cancel: cancelled if it waited, cancelling if it runs, as it is if the route answers then."""
    row = await find_job(site, served, call)
    try:
        after = await call.services.jobs.cancel(call.principal.owner, row)
    except RequestError as error:
        if error.code != "conflict" or served.route.if_final == "refuse":
            raise
        after = await find_job(site, served, call)
    body = await render_job(call.services, served.views, after, origin=call.base_url)
    return json_answer(served.route.status, body, _retry_after(site, after))


async def remove_job(site: Site, served: Served, call: Call) -> Answer:
    """The job as it was before it and its result were deleted; RequestError conflict while it is live."""
    row = await find_job(site, served, call)
    body = await render_job(call.services, served.views, row, origin=call.base_url)
    await call.services.jobs.remove(call.principal.owner, row)
    if served.route.status == 204:
        return Answer(204, [(b"cache-control", b"no-store")], b"")
    return json_answer(served.route.status, body)


async def rerun_job(site: Site, served: Served, call: Call) -> Answer:
    """A new job with the final one's input."""
    row = await find_job(site, served, call)
    receipt = await call.services.jobs.rerun(call.principal.owner, row)
    return await _show_new(site, served, call, receipt.number)


async def show_result(site: Site, served: Served, call: Call) -> Answer:
    """The result of a completed job; RequestError not_finished before, job_failed when there will never be one."""
    row = await find_job(site, served, call)
    if row.phase is Phase.COMPLETED:
        text = site.show_output(row.output or "null")
        return json_answer(served.route.status, wrap_body(msgspec.Raw(text.encode()), served.envelope))
    if row.phase not in FINAL_PHASES:
        raise RequestError(
            "not_finished",
            f"the job is {row.phase}; its result comes when it has completed",
            details={"phase": site.dialect.phases[row.phase]},
            retry_after_s=site.dialect.retry_after_s,
        )
    error = None if row.phase is Phase.CANCELLED or row.error is None else show_error(row.error)
    raise RequestError(
        "job_failed",
        f"the job is {row.phase} and has no result",
        details={
            "phase": site.dialect.phases[row.phase],
            "error": None if error is None else msgspec.json.decode(error),
        },
    )


async def send_file(site: Site, served: Served, call: Call) -> Response:
    """The bytes behind a signed link."""
    return serve_file(call)


async def show_me(site: Site, served: Served, call: Call) -> Answer:
    """Whose key this is, what it may do, and what is left of every limit of this dialect."""
    principal = call.principal
    limits = dict.fromkeys(limit for one in site.served for limit in one.limits)
    states = [call.services.limits.look(principal.key_id, limit) for limit in limits]
    body = {
        "owner": principal.owner_name,
        "key_id": principal.key_id,
        "scopes": sorted(principal.scopes),
        "limits": [
            {
                "name": state.limit.name,
                "count": state.limit.count,
                "window_s": state.limit.window_s,
                "remaining": state.remaining,
                "reset_at_s": state.reset_at_s,
            }
            for state in states
        ],
    }
    return json_answer(served.route.status, wrap_body(body, served.envelope))


ACTIONS: Mapping[Action, Act] = {
    "submit": with_takes(submit_job),
    "status": show_status,
    "list": list_jobs,
    "cancel": cancel_job,
    "rerun": rerun_job,
    "remove": remove_job,
    "result": show_result,
    "file": send_file,
    "me": show_me,
}
