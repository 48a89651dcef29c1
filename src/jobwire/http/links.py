"""The links of an OpenAPI description: what a call's answer leads to, so that a tool can walk from job to job."""

from collections.abc import Mapping, Sequence
from typing import Any

from jobwire.dialects.spec import Dialect, Field, JobReference
from jobwire.http.routing import Served
from jobwire.http.site import Site

_NEXT: Mapping[str, Sequence[str]] = {
    "submit": ("status", "cancel", "result", "rerun"),
    "status": ("cancel", "result", "rerun"),
    "cancel": ("status", "rerun"),
    "rerun": ("status", "cancel", "result"),
}


def describe_links(site: Site, served: Served, ids: Mapping[int, str]) -> dict[str, Any]:
    """The links of a route's success, by the action each leads to; none where the answer does not name its job."""
    links: dict[str, Any] = {}
    for action in _NEXT.get(served.route.action or "", ()):
        for target in site.served:
            if target.route.action != action or action in links or id(target.route) not in ids:
                continue
            if (found := _find_name(site.dialect, served, target)) is not None:
                links[action] = {"operationId": ids[id(target.route)], **found, "description": target.route.summary}
    status = next((one for one in site.served if one.route.action == "status"), None)
    if served is status and site.dialect.is_conditional:
        again = _find_name(site.dialect, served, served)
        if again is not None:
            again["parameters"]["header.If-None-Match"] = "$response.header.ETag"
            links["again"] = {"operationId": ids[id(served.route)], **again, "description": "Read it again"}
    return links


def _find_name(dialect: Dialect, served: Served, target: Served) -> dict[str, Any] | None:
    """How the target's job is named by what was answered."""
    pointer = _find_pointer(dialect, served, target.reference)
    if pointer is None or target.reference.place == "body":
        return None
    name = f"{target.reference.place}.{target.reference.name}"
    return {"parameters": {name: f"$response.body#{pointer}"}}


def _find_pointer(dialect: Dialect, served: Served, reference: JobReference) -> str | None:
    wanted = "id" if reference.style == "id" else "number"
    shape: Sequence[Field] = dialect.job if served.route.shape is None else served.route.shape
    path = next((item.path for item in shape if item.source == wanted), None)
    if path is None:
        return None
    whole = path if served.envelope is None else f"{served.envelope.key}.{path}"
    return "/" + whole.replace("[]", ".0").replace(".", "/")
