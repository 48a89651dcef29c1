"""The built-in actions a route may name: one function each, the same for every dialect."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from starlette.responses import Response

from jobwire.dialects.parse import (
    Submission,
    read_idempotency_key,
    read_page,
    read_reference,
    read_submission,
    unix_ms,
    write_cursor,
)
from jobwire.dialects.prefer import NO_WAIT, Asked
from jobwire.dialects.render import wrap_body
from jobwire.dialects.sources import show_error
from jobwire.dialects.spec import Action, Dialect
from jobwire.domain.errors import RequestError
from jobwire.domain.ids import show_id
from jobwire.domain.job import JobRow
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.http.answer import Answer, Headers, encode_header, json_answer
from jobwire.http.events import tell_events
from jobwire.http.files import serve_file
from jobwire.http.metrics import answer_metrics
from jobwire.http.paging import find_page
from jobwire.http.present import answer_status, find_facts, render_job, tell_retry
from jobwire.http.routing import Served
from jobwire.http.site import Site
from jobwire.http.waiting import is_final, read_asked, tell_applied, wait_for_end, wait_for_news
from jobwire.kinds.schema import check_input
from jobwire.service.call import Call


async def find_job(site: Site, served: Served, call: Call) -> JobRow:
    """The job a call names, if it is the caller's and of a kind this dialect shows; RequestError not_found."""
    name = read_reference(served.reference, params=call.params, query=call.query, body=call.body)
    row = await call.services.jobs.read(call.principal.owner, key=name.key, number=name.number)
    if not is_shown(site.dialect, row):
        raise RequestError("not_found", "there is no such job; check the id and that it is your account's")
    return row


def is_shown(dialect: Dialect, row: JobRow) -> bool:
    """Whether the dialect has a word for the job's kind."""
    return dialect.kinds is None or row.kind in dialect.kinds


async def show_status(site: Site, served: Served, call: Call) -> Answer:
    """The job as it is now; a failed job is a 200."""
    asked = read_asked(served, call)
    row = await find_job(site, served, call)
    tag = call.headers.get("if-none-match")
    seen = None if tag is None else tag.encode("latin-1")
    if asked.seconds:
        row = await wait_for_news(served, call, row, asked, seen=seen)
    view = served.views[row.phase]
    answer = answer_status(site, view, row, await find_facts(site.services, view, row), seen=seen)
    answer.headers.extend(tell_applied(asked))
    return answer


async def show_events(site: Site, served: Served, call: Call) -> Answer | Response:
    """The job's events as they come, or the next of them."""
    return await tell_events(served, call, await find_job(site, served, call))


async def show_metrics(site: Site, served: Served, call: Call) -> Answer:
    """What this process has counted."""
    return answer_metrics(call.services.watching)


async def submit_job(site: Site, served: Served, call: Call) -> Answer:
    """A new job, or with a known idempotency key the one it named before; waits for its end if asked to."""
    asked = read_asked(served, call)
    submission = read_submission(call.body)
    kind = _read_kind(site.dialect, submission.kind)
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
    return await _show_new(site, served, call, receipt.number, headers=replayed, asked=asked)


def _read_kind(dialect: Dialect, word: str) -> str:
    if dialect.kinds is None:
        return word
    return next((kind for kind, said in dialect.kinds.items() if said == word), word)


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
    site: Site,
    served: Served,
    call: Call,
    number: int,
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
    asked: Asked = NO_WAIT,
) -> Answer:
    row = await call.services.jobs.read(call.principal.owner, number=number)
    if asked.seconds:
        try:
            row = await wait_for_end(call, row, asked)
        except RequestError:
            # The job is there: where nobody else may wait, it is shown as it is.
            asked = asked._replace(seconds=0.0, applied=())
    view = served.views[row.phase]
    facts = await find_facts(call.services, view, row)
    location = encode_header("Location", site.status_path(show_id(row.key)))
    is_over = asked.seconds > 0 and is_final(row)
    applied = tell_applied(asked, is_async=not is_over)
    status = 200 if is_over else served.route.status
    return json_answer(status, view.render(row, facts), [location, *tell_retry(facts), *headers, *applied])


def _retry_after(site: Site, row: JobRow) -> Headers:
    seconds = site.dialect.retry_after_s
    return [] if seconds is None or row.phase in FINAL_PHASES else [(b"retry-after", b"%d" % seconds)]


async def list_jobs(site: Site, served: Served, call: Call) -> Answer:
    """A page of the caller's jobs, newest first; `next_cursor` is null on the last one."""
    page = read_page(call.query, site.dialect)
    rows, before = await find_page(call.services.jobs, call.principal.owner, page, kinds=site.dialect.kinds)
    items = [await render_job(call.services, site.item_views, row) for row in rows]
    body = {
        "jobs": [msgspec.Raw(item) for item in items],
        "next_cursor": None if before is None else write_cursor(before),
    }
    return json_answer(served.route.status, wrap_body(body, served.envelope))


async def cancel_job(site: Site, served: Served, call: Call) -> Answer:
    """The job after the cancel: cancelled if it waited, cancelling if it runs."""
    row = await find_job(site, served, call)
    after = await call.services.jobs.cancel(call.principal.owner, row)
    body = await render_job(call.services, served.views, after)
    return json_answer(served.route.status, body, _retry_after(site, after))


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
        facts = await find_facts(call.services, served.views[row.phase], row)
        raise RequestError(
            "not_finished",
            f"the job is {row.phase}; its result comes when it has completed",
            details={"phase": site.dialect.phases[row.phase]},
            retry_after_s=None if facts is None else facts.retry_after_s,
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


Act = Callable[[Site, Served, Call], Awaitable[Answer | Response]]
ACTIONS: Mapping[Action, Act] = {
    "submit": submit_job,
    "status": show_status,
    "events": show_events,
    "list": list_jobs,
    "cancel": cancel_job,
    "rerun": rerun_job,
    "result": show_result,
    "file": send_file,
    "me": show_me,
    "metrics": show_metrics,
}
