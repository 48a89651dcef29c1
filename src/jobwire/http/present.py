"""Shows a job: looks up the facts its phase needs, renders it, and adds the headers of a poll."""

from jobwire.dialects.render import View, Views
from jobwire.dialects.sources import Facts
from jobwire.domain.job import JobRow
from jobwire.domain.phases import FINAL_PHASES
from jobwire.domain.states import State
from jobwire.http.answer import JSON_TYPE, Answer, Headers
from jobwire.http.requests import is_same
from jobwire.http.site import Site
from jobwire.kinds.contract import FILE_MARK
from jobwire.service.services import Services

_TYPE = (b"content-type", JSON_TYPE)
_REVALIDATE = (b"cache-control", b"private, no-cache")
_NO_STORE = (b"cache-control", b"no-store")


async def render_job(services: Services, views: Views, row: JobRow, *, origin: str) -> bytes:
    """A job in its dialect's words; `origin` is scheme and host as the caller used them."""
    view = views[row.phase]
    return view.render(row, await find_facts(services, view, row, origin=origin))


async def find_facts(services: Services, view: View, row: JobRow, *, origin: str | None = None) -> Facts | None:
    """What the view shows beside the row; None when that is nothing."""
    facts = await _find_order(services, view, row)
    if not (view.needs_input or view.needs_origin):
        return facts
    text = await services.store.input_of(row.number) if view.needs_input else None
    return (facts or Facts(None, None, row.key))._replace(input=text, origin=origin)


async def _find_order(services: Services, view: View, row: JobRow) -> Facts | None:
    has_lineage = view.needs_lineage and row.rerun_of is not None
    if not (view.needs_position or view.needs_estimate or has_lineage):
        return None
    has_place = view.needs_position or (view.needs_estimate and row.state == State.QUEUED)
    place = await services.jobs.position(row) if has_place else None
    estimate = await services.estimates.find(row, place) if view.needs_estimate else None
    position, blocked_by = place if place is not None and view.needs_position else (None, None)
    retry_after_s = None
    if view.retry_after_s is not None:
        retry_after_s = services.estimates.retry_after_s(row, estimate, least_s=view.retry_after_s)
    if not has_lineage:
        return Facts(position, None, row.key, blocked_by, estimate, retry_after_s)
    parent = await _key_of(services, row.owner, row.rerun_of)
    root = parent if row.root == row.rerun_of else await _key_of(services, row.owner, row.root)
    return Facts(position, parent, root, blocked_by, estimate, retry_after_s)


def tell_retry(facts: Facts | None) -> Headers:
    """When to ask again, as a header."""
    return [] if facts is None or facts.retry_after_s is None else [(b"retry-after", b"%d" % facts.retry_after_s)]


async def _key_of(services: Services, owner: int, number: int | None) -> str | None:
    row = None if number is None else await services.store.get(owner, number=number)
    return None if row is None else row.key


def answer_status(site: Site, view: View, row: JobRow, facts: Facts | None, *, seen: bytes | None) -> Answer:
    """The answer to a poll: 200, or 304 when `seen`, the caller's If-None-Match, still holds.

    The ETag is the version, and with it the place where one is shown: that moves without the job. An estimate is in
    neither: it moves with every second, and while the place holds the one that the caller has still tells the time.
    """
    is_final = row.phase in FINAL_PHASES
    site.services.watching.count_poll(is_final=is_final)
    headers: Headers = [_TYPE, *tell_retry(facts)]
    if not site.dialect.is_conditional or _has_links(row):
        headers.append(_NO_STORE)
        return Answer(200, headers, view.render(row, facts))
    etag = tag_of(row, facts)
    headers.append((b"etag", etag))
    headers += site.final_cache if is_final else (_REVALIDATE,)
    if seen is not None and is_same(seen, etag):
        return Answer(304, headers[1:], b"")
    return Answer(200, headers, view.render(row, facts))


def tag_of(row: JobRow, facts: Facts | None) -> bytes:
    """The ETag of a job as it is shown."""
    if facts is None or facts.position is None:
        return b'"%d"' % row.version
    held = "" if facts.blocked_by is None else f"-{facts.blocked_by}"
    return b'"%d-%d%s"' % (row.version, facts.position, held.encode())


def _has_links(row: JobRow) -> bool:
    # A link in the output expires without a new version: a 304 would leave the caller with a dead one.
    return row.output is not None and FILE_MARK in row.output
