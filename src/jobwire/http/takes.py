"""Turns a call in a vendor's form into the native form before its action, and its refusals' pointers back."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from starlette.responses import Response

from jobwire.dialects.parse import refuse_faults
from jobwire.dialects.taking import Parts, find_unknown, gather_fields, point_back
from jobwire.domain.errors import RequestError
from jobwire.http.answer import Answer
from jobwire.http.routing import Served
from jobwire.http.site import Site
from jobwire.service.call import Call

Act = Callable[[Site, Served, Call], Awaitable[Answer | Response]]


def with_takes(act: Act) -> Act:
    """The same action for routes whose table says where a submission's fields are sent."""

    async def take(site: Site, served: Served, call: Call) -> Answer | Response:
        takes = served.route.takes
        if not takes:
            return await act(site, served, call)
        if unknown := find_unknown(takes, call.body, ignored=served.route.ignored):
            raise refuse_faults(unknown)
        try:
            return await act(site, served, _translate(site, served, call))
        except RequestError as error:
            for fault in error.details.get("errors", ()):
                native = fault["pointer"]
                fault["pointer"] = point_back(native, takes)
                if error.message.startswith(f"{native}: "):
                    error.message = ": ".join(filter(None, (fault["pointer"], fault["detail"])))
            raise

    return take


def _translate(site: Site, served: Served, call: Call) -> Call:
    fields = gather_fields(served.route.takes, Parts(call.params, call.query, call.headers, call.body))
    key, header = fields.pop("idempotency_key", None), site.dialect.idempotency_header
    headers = call.headers
    if key is not None and header is not None:
        headers = {**headers, header.lower(): key if isinstance(key, str) else ""}
    return replace(call, body=fields, headers=headers)
