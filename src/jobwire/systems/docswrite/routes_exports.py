"""Exports over HTTP: submit one, and find the job that a caller names. exporting.py does the work."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import msgspec

from jobwire.domain.errors import RequestError
from jobwire.domain.ids import show_tail
from jobwire.service.call import Call, Reply
from jobwire.store.contract import Transaction
from jobwire.systems.docswrite.exporting import DOCSWRITE_EXPORT, ExportInput, name_document
from jobwire.systems.docswrite.fields import Fields, find_said, read_fields, read_moment
from jobwire.systems.docswrite.links import find_document_id
from jobwire.systems.docswrite.marks import make_mark
from jobwire.systems.docswrite.records import find_document, find_job, keep_job
from jobwire.systems.docswrite.settings import DocswriteSettings
from jobwire.systems.docswrite.sites import choose_site

JOB_PREFIX: Final = "job-"
QUEUE_TYPE: Final = "post"
QUEUE_TYPES: Final = (QUEUE_TYPE, "publish", "pseo", "article", "moveFile")

AHEAD_MS_MAX: Final = round(timedelta(days=360) / timedelta(milliseconds=1))
"""A job cannot wait longer in one go; one whose date is later waits again."""


class Wish(msgspec.Struct, frozen=True):
    """An export as it was asked for; `echo` is what is answered of it."""

    google_id: str
    document_id: str
    site: str | None
    fields: Fields
    echo: Mapping[str, Any]


async def post_export(call: Call) -> Reply:
    """Submit an export; the job waits for its date if that is ahead."""
    services, owner = call.services, call.principal.owner
    wish = read_wish(call.body)
    settings = DocswriteSettings(services.settings)
    now = services.clock()
    run_at = _find_start(wish.fields, settings, now=now)

    def submit(tx: Transaction) -> str:
        site = choose_site(tx, owner, wish.site)
        if wish.document_id and find_document(tx, owner, wish.document_id) is None:
            raise _refuse(f"document_id is {wish.document_id[:80]!r}; upload the document first")
        task = ExportInput(site.id, wish.google_id, wish.document_id, dict(wish.fields), now)
        key = make_mark(f"{site.root}\0{name_document(task)}")
        while True:
            job = services.jobs.build(
                owner, DOCSWRITE_EXPORT, msgspec.to_builtins(task), run_at=run_at, concurrency_key=key
            )
            id_ = JOB_PREFIX + show_tail(job.key)
            if find_job(tx, id_) is None:
                break
        (receipt,) = services.jobs.admit_in(tx, [job])
        keep_job(tx, id_, owner=owner, job=receipt.number)
        return id_

    return Reply({**wish.echo, "jobId": await services.store.write(submit)})


async def find_job_number(call: Call, id_: str) -> int:
    """The number of the job that a status call names by id and queue.

    RequestError invalid_request, not_found, or job_forbidden for another owner's.
    """
    if not id_.strip():
        raise _refuse("jobId is required")
    queue_type = call.body.get("queueType")
    if queue_type is None:
        queue_type = QUEUE_TYPE
    if queue_type not in QUEUE_TYPES:
        raise _refuse(f"Unknown queueType; there are {', '.join(QUEUE_TYPES)}")
    found = None if queue_type != QUEUE_TYPE else await call.services.store.read(lambda reader: find_job(reader, id_))
    if found is None:
        raise RequestError("not_found", "there is no such job")
    owner, number = found
    if owner != call.principal.owner:
        raise RequestError("job_forbidden", "the job is another account's")
    return number


def read_wish(body: Any) -> Wish:
    """The export that a body asks for; RequestError invalid_request says what is wrong with it."""
    if not isinstance(body, dict):
        raise _refuse("the body must be a JSON object")
    try:
        said = list(find_said(body))
        fields = read_fields({one.name: one.value for one in said})
    except ValueError as error:
        raise _refuse(str(error)) from None
    own = {name: body[name] for name in ("google_docs_url", "document_id", "site") if body.get(name) is not None}
    for name, value in own.items():
        if not isinstance(value, str):
            raise _refuse(f"{name} must be a text")
    google_id = _read_google_id(own.get("google_docs_url"), has_document="document_id" in own)
    echo: dict[str, Any] = dict(own)
    for one in said:
        *groups, name = one.place
        node = echo.setdefault(groups[0], {}) if groups else echo
        node[name] = one.value
    return Wish(google_id, own.get("document_id", ""), own.get("site"), fields, echo)


def _read_google_id(url: str | None, *, has_document: bool) -> str:
    if has_document:
        if url is not None:
            raise _refuse("give google_docs_url or document_id, not both")
        return ""
    if url is None or not url.strip():
        raise _refuse("google_docs_url is required")
    document = find_document_id(url)
    if document is None:
        raise _refuse(
            "google_docs_url is no link to a Google Doc; copy it from the browser: "
            "https://docs.google.com/document/d/<id>/edit"
        )
    return document


def _find_start(fields: Fields, settings: DocswriteSettings, *, now: int) -> int | None:
    if "date" not in fields or fields.get("schedule_mode", settings.schedule_mode) != "delay":
        return None
    return min(read_moment(str(fields["date"])), now + AHEAD_MS_MAX)


def _refuse(message: str) -> RequestError:
    return RequestError("invalid_request", message)
