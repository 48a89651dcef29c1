"""The built-in actions a route may name: one function each, the same for every dialect."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import msgspec
from starlette.responses import Response

from jobwire.dialects.bulk import Rerun, read_struct
from jobwire.dialects.parse import JobName, read_page, read_reference, read_reference_text
from jobwire.dialects.prefer import NO_WAIT, Asked
from jobwire.dialects.render import wrap_body
from jobwire.dialects.sources import show_error
from jobwire.dialects.spec import Action, Dialect
from jobwire.dialects.taking import Parts
from jobwire.domain.errors import RequestError
from jobwire.domain.job import JobRow, Receipt, show_new
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.http.answer import Answer, Headers, encode_header, json_answer
from jobwire.http.batch import submit_batch
from jobwire.http.bulk import cancel_jobs, rerun_jobs
from jobwire.http.events import tell_events
from jobwire.http.files import serve_file
from jobwire.http.lists import find_start, show_page
from jobwire.http.metrics import answer_metrics
from jobwire.http.present import answer_status, find_facts, render_job, tell_retry
from jobwire.http.routing import Served
from jobwire.http.site import Site
from jobwire.http.submissions import build_job, fingerprint_body, pointing, read_header_key, read_natural_key
from jobwire.http.takes import in_native_form
from jobwire.http.waiting import is_final, read_asked, tell_applied, wait_for_end, wait_for_news
from jobwire.http.webhooks import WEBHOOK_ACTIONS
from jobwire.service.call import Call
from jobwire.service.jobs import accept_receipt
from jobwire.service.paging import find_page, find_slice


async def find_job(site: Site, served: Served, call: Call) -> JobRow:
    """The job a call names, if it is the caller's and of a kind this dialect shows; RequestError not_found."""
    reference, owner = served.reference, call.principal.owner
    if reference.find is not None:
        sent = read_reference_text(reference, Parts(call.params, call.query, call.headers, call.body))
        row = await call.services.jobs.read(owner, number=await reference.find(call, sent))
    else:
        name = read_reference(reference, params=call.params, query=call.query, body=call.body, ids=site.dialect.ids)
        row = await _read_named(site, call, name)
    if not is_shown(site.dialect, row):
        raise RequestError("not_found", "there is no such job; check the id and that it is your account's")
    return row


async def _read_named(site: Site, call: Call, name: JobName) -> JobRow:
    owner, jobs = call.principal.owner, call.services.jobs
    try:
        return await jobs.read(owner, key=name.key, number=name.number)
    except RequestError:
        if site.dialect.tells_others and await jobs.is_others(owner, key=name.key, kinds=site.dialect.kinds):
            raise RequestError("forbidden", "this job is another account's") from None
        raise


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
    facts = await find_facts(site.services, view, row, origin=call.base_url)
    answer = answer_status(site, view, row, facts, seen=seen)
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
    with in_native_form(site, served, call) as native:
        key = read_header_key(site.dialect, native) or read_natural_key(site.dialect, call.body)
        receipt, row = await _accept(site, native, key)
    return await _show_new(site, served, call, row or receipt, headers=_replayed(receipt), asked=asked)


async def _accept(site: Site, call: Call, key: str | None) -> tuple[Receipt, JobRow | None]:
    """What the submission came to, and the job itself if it is new."""
    owner, jobs = call.principal.owner, call.services.jobs
    try:
        job = build_job(call.services, site.dialect, call.body, owner=owner, key=key)
    except RequestError:
        # What was accepted once is so for ever, though its deadline may have passed or its kind be gone by now.
        known = None
        if key is not None:
            known = await jobs.recall(owner, key, fingerprint=fingerprint_body(call.body))
        if known is None:
            raise
        return accept_receipt(known), None
    receipt = accept_receipt((await jobs.admit([job]))[0])
    return receipt, show_new(job, receipt) if receipt.is_new else None


def _replayed(receipt: Receipt) -> Headers:
    return [] if receipt.is_new else [encode_header("Idempotency-Replayed", "true")]


async def _show_new(
    site: Site,
    served: Served,
    call: Call,
    job: JobRow | Receipt,
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
    asked: Asked = NO_WAIT,
) -> Answer:
    row = job
    if isinstance(row, Receipt):
        row = await call.services.jobs.read(call.principal.owner, number=row.number)
    if asked.seconds:
        try:
            row = await wait_for_end(call, row, asked)
        except RequestError:
            # The job is there: where nobody else may wait, it is shown as it is.
            asked = asked._replace(seconds=0.0, applied=())
    own = site.new_job_headers(served.route, row, origin=call.base_url)
    told = [encode_header(name, value) for name, value in own.items()]
    is_over = asked.seconds > 0 and is_final(row)
    applied = tell_applied(asked, is_async=not is_over)
    status = 200 if is_over else served.route.status
    return await _show_job(served, call, row, status=status, headers=[*told, *headers, *applied])


async def _show_job(
    served: Served, call: Call, row: JobRow, *, status: int, headers: Sequence[tuple[bytes, bytes]] = ()
) -> Answer:
    """A job as the route shows it, with when to ask for it."""
    view = served.views[row.phase]
    facts = await find_facts(call.services, view, row, origin=call.base_url)
    return json_answer(status, view.render(row, facts), [*headers, *tell_retry(facts)])


async def list_jobs(site: Site, served: Served, call: Call) -> Answer:
    """A page of the caller's jobs, newest first, in the route's words for pages."""
    page = read_page(call.query, site.dialect, served.route.page)
    owner, kinds, before, total = call.principal.owner, site.dialect.kinds, None, None
    if page.start is None:
        page = await find_start(site, served, call, page)
        rows, before = await find_page(call.services.jobs, owner, page, kinds=kinds)
    else:
        rows, total = await find_slice(call.services.store, owner, page, kinds=kinds)
    items = [await render_job(call.services, site.item_views, row, origin=call.base_url) for row in rows]
    body = show_page(
        site, served, call, limit=page.limit, rows=rows, items=items, before=before, start=page.start, total=total
    )
    return json_answer(served.route.status, wrap_body(body, served.envelope))


async def cancel_job(site: Site, served: Served, call: Call) -> Answer:
    """The job after the cancel: cancelled if it waited, cancelling if it runs (unless the caller waits for its end),
    as it is if the route answers then."""
    asked = read_asked(served, call)
    row = await find_job(site, served, call)
    try:
        with _in_words(site.dialect):
            after = await call.services.jobs.cancel(call.principal.owner, row)
    except RequestError as error:
        if error.code != "conflict" or served.route.if_final == "refuse":
            raise
        after = await find_job(site, served, call)
    if asked.seconds:
        # Where nobody else may wait, the job is shown as it is.
        with suppress(RequestError):
            after = await wait_for_end(call, after, asked)
    return await _show_job(served, call, after, status=served.route.status)


async def remove_job(site: Site, served: Served, call: Call) -> Answer:
    """The job as it was before it and its result were deleted; RequestError conflict while it is live."""
    row = await find_job(site, served, call)
    body = await render_job(call.services, served.views, row, origin=call.base_url)
    with _in_words(site.dialect):
        await call.services.jobs.remove(call.principal.owner, row)
    if served.route.status == 204:
        return Answer(204, [(b"cache-control", b"no-store")], b"")
    return json_answer(served.route.status, body)


async def rerun_job(site: Site, served: Served, call: Call) -> Answer:
    """A new job with the final one's input or another, from its start or from a step on."""
    row = await find_job(site, served, call)
    asked = Rerun() if call.body is None else read_struct(call.body, Rerun)
    key = read_header_key(site.dialect, call)
    with _in_words(site.dialect), pointing("", "/input", but="/from_step"):
        receipt = await call.services.jobs.rerun(
            call.principal.owner, row, input=asked.input, from_step=asked.from_step, idempotency_key=key
        )
    return await _show_new(site, served, call, receipt, headers=_replayed(receipt))


@contextmanager
def _in_words(dialect: Dialect) -> Iterator[None]:
    """Make a refusal tell what the job is in the dialect's word."""
    try:
        yield
    except RequestError as error:
        phase = error.details.get("phase")
        if phase is None:
            raise
        word = dialect.phases[Phase(phase)]
        message = error.message.replace(f"the job is {phase}", f"the job is {word}")
        raise RequestError(error.code, message, details={**error.details, "phase": word}) from None


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
    return await serve_file(call)


async def show_me(site: Site, served: Served, call: Call) -> Answer:
    """Whose key this is, what it may do, and what is left of every limit of this dialect."""
    principal = call.principal
    owner = f"owner:{principal.owner}"
    subjects = dict.fromkeys((principal.key_id, limit) for one in site.served for limit in one.limits)
    wanted = [*((owner, limit) for limit in principal.plan.values()), *subjects]
    states = [call.services.limits.look(subject, limit) for subject, limit in wanted]
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


ACTIONS: Mapping[Action, Callable[[Site, Served, Call], Awaitable[Answer | Response]]] = {
    "submit": submit_job,
    "status": show_status,
    "events": show_events,
    "list": list_jobs,
    "cancel": cancel_job,
    "rerun": rerun_job,
    "remove": remove_job,
    "result": show_result,
    "file": send_file,
    "me": show_me,
    "metrics": show_metrics,
    "batch": submit_batch,
    "cancel_many": cancel_jobs,
    "rerun_many": rerun_jobs,
    **WEBHOOK_ACTIONS,
}
