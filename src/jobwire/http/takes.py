"""Turns a submission in a vendor's form into the native form, and its refusals' pointers back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from jobwire.dialects.parse import refuse_faults
from jobwire.dialects.taking import Parts, find_unknown, gather_fields, point_back
from jobwire.domain.errors import RequestError
from jobwire.http.routing import Served
from jobwire.http.site import Site
from jobwire.service.call import Call


@contextmanager
def in_native_form(site: Site, served: Served, call: Call) -> Iterator[Call]:
    """The call with the submission that the route's takes make of it; refusals point into what was sent."""
    takes = served.route.takes
    if not takes:
        yield call
        return
    if unknown := find_unknown(takes, call.body, ignored=_list_ignored(site, served)):
        raise refuse_faults(unknown)
    try:
        yield _translate(site, served, call)
    except RequestError as error:
        for fault in error.details.get("errors", ()):
            native = fault["pointer"]
            fault["pointer"] = point_back(native, takes)
            if error.message.startswith(f"{native}: "):
                error.message = ": ".join(filter(None, (fault["pointer"], fault["detail"])))
        raise


def _list_ignored(site: Site, served: Served) -> list[str]:
    """The keys of a body that are read, but not into the submission, or not at all."""
    wait, natural = served.route.wait, site.dialect.natural_key
    waits = [wait.name] if wait is not None and wait.place == "body" else []
    return [*served.route.ignored, *waits, *([] if natural is None else [natural.partition(".")[0]])]


def _translate(site: Site, served: Served, call: Call) -> Call:
    fields = gather_fields(served.route.takes, Parts(call.params, call.query, call.headers, call.body))
    key, header = fields.pop("idempotency_key", None), site.dialect.idempotency_header
    headers = call.headers
    if key is not None and header is not None:
        headers = {**headers, header.lower(): key if isinstance(key, str) else ""}
    return replace(call, body=fields, headers=headers)
