"""The ASGI app made from dialects: one origin, each dialect under its mount. endpoint.py answers one request."""

import logging
from collections.abc import Awaitable, Callable, Sequence

from jobwire.dialects.spec import Dialect
from jobwire.http.answer import Answer, Receive, Scope, Send, send_answer
from jobwire.http.endpoint import Exchange, has_route, serve_exchange
from jobwire.http.errors import INTERNAL, say_error
from jobwire.http.health import Readiness, answer_up
from jobwire.http.pages import Pages
from jobwire.http.requests import find_header, give_request_id, local_path
from jobwire.http.site import Site, compile_site
from jobwire.http.status import StatusReader
from jobwire.service.services import Services

logger = logging.getLogger(__name__)

Hook = Callable[[], Awaitable[None]]
METRICS_PATH = "/metrics"
"""Where Prometheus looks: the route of that path in the first dialect, at the root too."""


def build_app(
    services: Services,
    dialects: Sequence[Dialect],
    *,
    prefix: str = "",
    on_start: Sequence[Hook] = (),
    on_stop: Sequence[Hook] = (),
) -> "Application":
    """The ASGI app that serves these dialects; the first one speaks for paths outside every mount.

    `prefix` is the path below which the whole app is mounted: links in answers begin with it. `on_start` runs before
    the server takes calls, `on_stop` after its last. ValueError when two dialects share a mount or a table
    contradicts itself.
    """
    return Application(
        [compile_site(dialect, services, prefix=prefix) for dialect in dialects], services, on_start, on_stop
    )


class Application:
    """See build_app."""

    def __init__(
        self, sites: Sequence[Site], services: Services, on_start: Sequence[Hook], on_stop: Sequence[Hook]
    ) -> None:
        self._first = sites[0]
        self._mounts = _order_mounts(sites)
        self._status = StatusReader(sites)
        self._readiness = Readiness(services)
        self._pages = Pages(sites)
        self._on_start = on_start
        self._on_stop = (*on_stop, services.owners.standing.end)

    @property
    def status_reader(self) -> StatusReader:
        """The short way of a poll, for a server that can ask it before anything else (protocol.py)."""
        return self._status

    def end_waits(self) -> None:
        """Answer everyone who waits with what is now: the server stops."""
        self._first.services.watching.tail.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "http":
            await self._serve_request(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _serve_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._status.answer(scope)
        except Exception:
            logger.exception("a poll failed on the short way and is answered on the long one")
            answer = None
        if answer is not None:
            await send_answer(answer, send, is_head=scope["method"] == "HEAD")
            return
        request_id = give_request_id(find_header(scope, b"x-request-id"))
        own = await self._answer_own(scope, request_id.decode("ascii"))
        if own is not None:
            own.headers.append((b"x-request-id", request_id))
            await send_answer(own, send, is_head=scope["method"] == "HEAD")
            return
        path = local_path(scope)
        site, path = (self._first, path) if path == METRICS_PATH else self._find_site(path)
        await serve_exchange(Exchange(site, path, scope, receive, request_id.decode("ascii")), send)

    async def _answer_own(self, scope: Scope, request_id: str) -> Answer | None:
        """The server's own pages; any other method on them is answered like a path that is not there."""
        if scope["method"] not in ("GET", "HEAD"):
            return None
        path = local_path(scope)
        try:
            match path:
                case "/healthz":
                    return answer_up()
                case "/readyz":
                    return await self._readiness.answer()
                case _:
                    return self._pages.answer(path, scope)
        except Exception:
            logger.exception("request %s failed: %s", request_id, path)
            return say_error(self._first.dialect, INTERNAL, request_id)

    def _find_site(self, path: str) -> tuple[Site, str]:
        """The site with the longest mount that holds the path, and the path below it: empty where there is none.

        At the root a dialect has its own routes only: what else is there is nobody's.
        """
        for mount, site in self._mounts:
            if (path == mount or path.startswith(mount + "/")) and (mount or has_route(site, path)):
                return site, path[len(mount) :]
        return self._first, ""

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            stage = str(message["type"])
            try:
                for hook in self._on_start if stage == "lifespan.startup" else self._on_stop:
                    await hook()
            except Exception as error:
                logger.exception("%s failed", stage)
                await send({"type": f"{stage}.failed", "message": str(error)})
                return
            await send({"type": f"{stage}.complete"})
            if stage == "lifespan.shutdown":
                return


def _order_mounts(sites: Sequence[Site]) -> list[tuple[str, Site]]:
    mounts: dict[str, Site] = {}
    for site in sites:
        for mount in (site.dialect.mount, *site.dialect.aliases):
            if mount in mounts:
                raise ValueError(f"the dialects {mounts[mount].dialect.name} and {site.dialect.name} share {mount!r}")
            mounts[mount] = site
    return sorted(mounts.items(), key=lambda item: -len(item[0]))
