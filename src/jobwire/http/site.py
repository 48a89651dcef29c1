"""A dialect made ready to serve: routes compiled, shapes rendered by phase, limits by name. endpoint.py serves it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from jobwire.dialects.check import check_dialect
from jobwire.dialects.render import Views, compile_views, fill_template
from jobwire.dialects.sources import ShowOutput
from jobwire.dialects.spec import Dialect, Route
from jobwire.domain.job import JobRow, Receipt
from jobwire.http.answer import encode_header
from jobwire.http.files import show_links
from jobwire.http.routing import Router, Served
from jobwire.service.limits import Limit
from jobwire.service.services import Services

FINAL_AGE_S = 300


@dataclass(frozen=True, slots=True)
class Site:
    """One dialect over its services; `item_views` show a job inside a list, without an envelope.

    `lost_limits` count a known key's calls to paths and methods that are not there; `prefix` stands before every
    link, where the whole app is mounted below one. `final_cache` are the headers that let a final job be kept.
    """

    dialect: Dialect
    services: Services
    served: tuple[Served, ...]
    router: Router
    item_views: Views
    show_output: ShowOutput
    lost_limits: tuple[Limit, ...]
    prefix: str = ""
    final_cache: tuple[tuple[bytes, bytes], ...] = ()

    def new_job_headers(self, route: Route, job: JobRow | Receipt, *, origin: str) -> dict[str, str]:
        """The route's headers for a job just made: its own, else the place where the dialect reads jobs."""
        templates = {"Location": self.location} if route.headers is None else route.headers
        mount = self.prefix + self.dialect.mount
        return {
            name: fill_template(template, self.dialect, job, mount=mount, origin=origin)
            for name, template in templates.items()
            if template is not None
        }

    def link_job(self, job: JobRow | Receipt) -> dict[str, str]:
        """The path where a job is read, as `self`; nothing in a dialect without a route for that."""
        if self.location is None:
            return {}
        mount = self.prefix + self.dialect.mount
        return {"self": fill_template(self.location, self.dialect, job, mount=mount, origin="")}

    @property
    def location(self) -> str | None:
        """The template of the path where a job is read; None in a dialect without a route for that."""
        for route, reference in ((one.route, one.reference) for one in self.served):
            if route.action == "status" and route.method == "GET":
                hole = "{number}" if reference.style == "number" else "{id}"
                return "{mount}" + route.path.replace(f"{{{reference.name}}}", hole)
        return None


def compile_site(dialect: Dialect, services: Services, *, prefix: str = "") -> Site:
    """The site of a dialect; ValueError or KeyError for a table that contradicts itself."""
    check_dialect(dialect)
    show_output = show_links(services.links, prefix=prefix, hook=dialect.hooks.get("show_output"))
    limits = _name_limits(dialect)
    show_polled = partial(compile_views, dialect, show_output=show_output, prefix=prefix, is_polled=True)
    # Most routes show the same: once for all of them, since a house would spend half its start on this.
    usual = show_polled(dialect.job, envelope=dialect.envelope)
    served = tuple(_serve_route(dialect, route, limits, show_polled, usual=usual) for route in dialect.routes)
    item_views = compile_views(dialect, dialect.job, show_output=show_output, prefix=prefix)
    lost_limits = tuple(limits[name] for name in dialect.default_limits)
    final_cache = _let_keep(dialect)
    return Site(dialect, services, served, Router(served), item_views, show_output, lost_limits, prefix, final_cache)


def _let_keep(dialect: Dialect) -> tuple[tuple[bytes, bytes], ...]:
    # A final job never changes; another key on the same machine is another caller.
    vary = ", ".join(dict.fromkeys(carrier.name for carrier in dialect.credentials if carrier.place == "header"))
    kept = encode_header("Cache-Control", f"private, max-age={FINAL_AGE_S}")
    return (kept, encode_header("Vary", vary)) if vary else (kept,)


def _name_limits(dialect: Dialect) -> dict[str, Limit]:
    return {
        limit.name: Limit(
            f"{dialect.name}.{limit.name}",
            limit.count,
            limit.window_s,
            flows=limit.flows,
            tiers=tuple(sorted(limit.tiers.items())),
            message=limit.message,
        )
        for limit in dialect.limits
    }


def _serve_route(
    dialect: Dialect, route: Route, limits: Mapping[str, Limit], show: Callable[..., Views], *, usual: Views
) -> Served:
    envelope = route.envelope or dialect.envelope
    is_usual = route.shape is None and route.envelope is None
    names = dialect.default_limits if route.limits is None else route.limits
    return Served(
        route=route,
        views=usual if is_usual else show(dialect.job if route.shape is None else route.shape, envelope=envelope),
        envelope=envelope,
        reference=route.job or dialect.job_reference,
        limits=() if route.is_open else tuple(limits[name] for name in names),
        body_bytes_max=route.body_bytes_max or dialect.body_bytes_max,
    )
