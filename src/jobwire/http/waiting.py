"""Calls that wait for a job: until it ends, or until it is no longer what the caller has seen."""

from collections.abc import Callable

from jobwire.dialects.prefer import Asked, read_wait
from jobwire.domain.job import JobRow
from jobwire.domain.phases import FINAL_PHASES
from jobwire.domain.states import FINAL_EVENTS
from jobwire.http.answer import Headers
from jobwire.http.present import find_facts, tag_of
from jobwire.http.requests import is_same
from jobwire.http.routing import Served
from jobwire.service.call import Call


def read_asked(served: Served, call: Call) -> Asked:
    """How long a call wants to wait; RequestError invalid_request."""
    return read_wait(served.route.wait, query=call.query, body=call.body, prefer=call.headers.get("prefer"))


def tell_applied(asked: Asked, *, is_async: bool = False) -> Headers:
    """The preferences that were honoured (RFC 7240, 3)."""
    applied = [*(("respond-async",) if is_async and asked.is_async else ()), *asked.applied]
    return [(b"preference-applied", ", ".join(applied).encode())] if applied else []


async def wait_for_end(call: Call, row: JobRow, asked: Asked) -> JobRow:
    """The job when it has ended, or as it is when the time is up; RequestError when too many wait."""
    return await call.services.watching.wait(
        call.principal, row, wait_s=asked.seconds, is_enough=is_final, wanted=FINAL_EVENTS, gone=call.gone
    )


async def wait_for_news(served: Served, call: Call, row: JobRow, asked: Asked, *, seen: bytes | None) -> JobRow:
    """As `wait_for_end`; for a caller that names an ETag, the job as soon as it is another one."""
    if seen is None:
        return await wait_for_end(call, row, asked)
    facts = await find_facts(call.services, served.views[row.phase], row)
    if not is_same(seen, tag_of(row, facts)):
        return row
    return await call.services.watching.wait(
        call.principal, row, wait_s=asked.seconds, is_enough=_has_left(row.version), wanted=None, gone=call.gone
    )


def is_final(row: JobRow) -> bool:
    """Whether nothing more will come."""
    return row.phase in FINAL_PHASES


def _has_left(version: int) -> Callable[[JobRow], bool]:
    return lambda row: row.version != version or is_final(row)
