"""A dialect made ready to serve: routes compiled, shapes rendered by phase, limits by name. endpoint.py serves it."""

from dataclasses import dataclass

from jobwire.dialects.render import Views, compile_views
from jobwire.dialects.sources import ShowOutput
from jobwire.dialects.spec import Dialect, Route
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

    def status_path(self, job_id: str) -> str:
        """Where a job is read, for the Location header."""
        status = next(one.route for one in self.served if one.route.action == "status")
        return self.prefix + self.dialect.mount + status.path.replace("{id}", job_id)


def compile_site(dialect: Dialect, services: Services, *, prefix: str = "") -> Site:
    """The site of a dialect; ValueError or KeyError for a table that contradicts itself."""
    show_output = show_links(services.links, prefix=prefix, hook=dialect.hooks.get("show_output"))
    served = tuple(_serve_route(dialect, route, show_output, prefix=prefix) for route in dialect.routes)
    item_views = compile_views(dialect, dialect.job, show_output=show_output, prefix=prefix)
    limits = _name_limits(dialect)
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
        limit.name: Limit(f"{dialect.name}.{limit.name}", limit.count, limit.window_s) for limit in dialect.limits
    }


def _serve_route(dialect: Dialect, route: Route, show_output: ShowOutput, *, prefix: str) -> Served:
    limits = _name_limits(dialect)
    envelope = route.envelope or dialect.envelope
    names = dialect.default_limits if route.limits is None else route.limits
    return Served(
        route=route,
        views=compile_views(
            dialect,
            route.shape or dialect.job,
            envelope=envelope,
            show_output=show_output,
            prefix=prefix,
            is_polled=True,
        ),
        envelope=envelope,
        reference=route.job or dialect.job_reference,
        limits=() if route.is_open else tuple(limits[name] for name in names),
        body_bytes_max=route.body_bytes_max or dialect.body_bytes_max,
    )
