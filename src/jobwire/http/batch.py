"""Many submissions in one call: an array or lines of JSON, each with a result of its own or all as one.

Lines are decoded one by one, so that a broken one is its own fault. Decoding and checking run in a thread: 10,000
jobs take tenths of a second, in which others are served.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from jobwire.dialects.bulk import BATCH_MAX, split_item
from jobwire.dialects.parse import refuse_faults
from jobwire.dialects.render import wrap_body
from jobwire.dialects.sources import show_job_id
from jobwire.dialects.spec import Dialect
from jobwire.domain.errors import RequestError
from jobwire.domain.job import Receipt
from jobwire.http.answer import Answer, json_answer
from jobwire.http.body import decode_json
from jobwire.http.errors import say_error
from jobwire.http.routing import Served
from jobwire.http.site import Site
from jobwire.http.submissions import build_job, fingerprint_body, read_header_key, read_natural_key
from jobwire.kinds.faults import FAULTS_MAX, Fault
from jobwire.service.call import Call
from jobwire.service.jobs import Built, Jobs
from jobwire.service.services import Services

NDJSON = ("application/x-ndjson", "application/jsonl")


class Lines(NamedTuple):
    """The lines of a body that are not blank, each with its number, from 1."""

    numbered: Sequence[tuple[int, bytes]]


Sent = Lines | list[Any]
_LINE = re.compile(rb"\S[^\n]*")


def split_lines(body: bytes) -> Lines:
    """The lines of an NDJSON body, and no more of them than make it too long."""
    numbered: list[tuple[int, bytes]] = []
    number, seen = 1, 0
    for line in _LINE.finditer(body):
        number += body.count(b"\n", seen, line.start())
        seen = line.start()
        numbered.append((number, line[0]))
        if len(numbered) > BATCH_MAX:
            break
    return Lines(numbered)


async def submit_batch(site: Site, served: Served, call: Call) -> Answer:
    """200 with a result for each item, in order; with `?atomic=true` all are accepted, or the call is refused."""
    sent = check_batch(call.body)
    is_atomic = _read_atomic(call.query.get("atomic"))
    key = read_header_key(site.dialect, call)
    owner, jobs = call.principal.owner, call.services.jobs
    built = await asyncio.to_thread(build_batch, call.services, site.dialect, sent, owner=owner, key=key)
    if is_atomic:
        results: Sequence[Receipt | RequestError] = await _admit_all(jobs, built)
    else:
        results = await jobs.admit_each(built)
    body = await asyncio.to_thread(_show_results, site, call, results)
    return json_answer(served.route.status, wrap_body(msgspec.Raw(body), served.envelope))


def check_batch(body: Any) -> Sent:
    """The items of a decoded body; RequestError unless it is a list, or lines, of at most BATCH_MAX."""
    if not isinstance(body, list | Lines):
        raise refuse_faults([Fault("", "a batch is an array of jobs, or one job a line as application/x-ndjson")])
    if _count(body) > BATCH_MAX:
        raise RequestError(
            "payload_too_large",
            f"The batch has more than {BATCH_MAX} jobs; send the rest in another call.",
            details={"limit_jobs": BATCH_MAX},
        )
    return body


def _count(sent: Sent) -> int:
    return len(sent.numbered if isinstance(sent, Lines) else sent)


def _read_atomic(sent: str | None) -> bool:
    if sent not in (None, "true", "false"):
        raise refuse_faults([Fault("/atomic", f"atomic is true or false, not {sent!r}")])
    return sent == "true"


def build_batch(
    services: Services, dialect: Dialect, sent: Sent, *, owner: int, key: str | None = None
) -> list[Built]:
    """The job of each item, or its refusal; one without a key has a key by its place in a batch that has one."""
    stem = None if key is None else f"batch:{hashlib.sha256(key.encode()).hexdigest()}"
    built = [
        _build_item(services, dialect, sent, index, owner=owner, spare=f"{stem}:{index}" if stem else None)
        for index in range(_count(sent))
    ]
    # Asked for together: 10,000 refused items with keys took ten seconds one after the other.
    return [one.resolve() if isinstance(one, _Refused) else one for one in built]


class _Refused(NamedTuple):
    """An item that is not valid, and what its key may have named before."""

    error: RequestError
    find_known: Callable[[], Receipt | None]

    def resolve(self) -> Built:
        """What was accepted once is so for ever."""
        return self.find_known() or self.error


def _build_item(
    services: Services, dialect: Dialect, sent: Sent, index: int, *, owner: int, spare: str | None
) -> "Built | _Refused":
    key = None
    try:
        body, own = split_item(_read_item(sent, index))
        key = own or read_natural_key(dialect, body) or spare
        return build_job(services, dialect, body, owner=owner, key=key)
    except RequestError as error:
        if key is None:
            return error
        known = services.jobs.recall(owner, key, fingerprint=fingerprint_body(body))
        return _Refused(error, known.result)


def _read_item(sent: Sent, index: int) -> Any:
    if not isinstance(sent, Lines):
        return sent[index]
    number, line = sent.numbered[index]
    try:
        return decode_json(line)
    except RequestError as error:
        raise RequestError(error.code, f"line {number}: {error.message}") from None


async def _admit_all(jobs: Jobs, built: Sequence[Built]) -> Sequence[Receipt]:
    fit = [job for job in built if not isinstance(job, RequestError)]
    if len(fit) < len(built):
        raise _refuse_all(built)
    try:
        return await jobs.admit_all(fit)
    except RequestError as error:
        if "index" in error.details:
            pointer = f"/{error.details['index']}/idempotency_key"
            error.details["errors"] = [{"pointer": pointer, "detail": error.message}]
        raise


def _refuse_all(built: Sequence[Built]) -> RequestError:
    """The refusal of a whole batch, with the places of the first faults in it."""
    faults: list[Fault] = []
    wrong = [(index, error) for index, error in enumerate(built) if isinstance(error, RequestError)]
    for index, error in wrong[:FAULTS_MAX]:
        own = error.details.get("errors") or [{"pointer": "", "detail": error.message}]
        faults += [Fault(f"/{index}{fault['pointer']}", fault["detail"]) for fault in own]
    refusal = refuse_faults(faults[:FAULTS_MAX])
    message = f"{len(wrong)} of {len(built)} jobs are not valid, and none was accepted; first {refusal.message}"
    return RequestError("invalid_request", message, details=refusal.details)


def _show_results(site: Site, call: Call, results: Sequence[Receipt | RequestError]) -> bytes:
    lines = call.body.numbered if isinstance(call.body, Lines) else None
    shown = []
    for index, result in enumerate(results):
        line = {"line": lines[index][0]} if lines is not None else {}
        shown.append({"index": index, **line, **_show_result(site, call, result)})
    accepted = [result for result in results if isinstance(result, Receipt)]
    return msgspec.json.encode(
        {
            "accepted": sum(receipt.is_new for receipt in accepted),
            "replayed": sum(not receipt.is_new for receipt in accepted),
            "refused": len(results) - len(accepted),
            "results": shown,
        }
    )


def _show_result(site: Site, call: Call, result: Receipt | RequestError) -> dict[str, Any]:
    if isinstance(result, RequestError):
        said = say_error(site.dialect, result, call.request_id)
        later = {} if result.retry_after_s is None else {"retry_after_s": result.retry_after_s}
        return {"status": said.status, "error": msgspec.Raw(said.body), **later}
    return {
        "status": 202,
        "id": show_job_id(site.dialect.ids, result),
        "replayed": not result.is_new,
        "links": site.link_job(result),
    }
