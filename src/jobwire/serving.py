"""Runs a House: HTTP, worker and upkeep on one event loop, until a signal. cli/serve.py calls it.

The first SIGTERM or SIGINT stops taking work and drains; the second gives everything back at once.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator

import uvicorn

from jobwire.blobs.scratch import remove_left
from jobwire.http.protocol import make_protocol
from jobwire.upkeep.deliveries import Deliverer
from jobwire.wiring import House
from jobwire.worker.loop import Worker

logger = logging.getLogger("jobwire.serve")

GC_THRESHOLDS = (50_000, 20, 20)
SWITCH_S = 0.0001


class _Server(uvicorn.Server):
    """uvicorn that says when it listens, without signal handlers of its own: one place decides what they mean."""

    def __init__(self, config: uvicorn.Config, end_waits: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_waits = end_waits
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Calls that wait for a job would hold the server up until their time is over.
        self._end_waits()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def tune_interpreter() -> None:
    """Set the interpreter for a process that only serves.

    Garbage is collected rarely: what is there at the start stays, and a request's or job's objects die by their
    counts; the default, every 700 objects, took a tenth of a poll's time. The interpreter's lock changes hands after
    0.1 ms instead of 5: the ledger's writer asks for it after each statement, and got a third more done.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_S)


def bind_socket(host: str, port: int) -> socket.socket:
    """A listening socket; OSError says which address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, accepted sockets get TCP_NODELAY: without it every small answer waited 45 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


async def run_house(
    house: House,
    *,
    listener: socket.socket | None,
    on_ready: Callable[[], None] = lambda: None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until a signal, or until `stop` is set if that is given: then signals are left to whoever runs the loop.

    HTTP on `listener` if given, a worker if settings.workers > 0.
    """
    catches_signals = stop is None
    stop = stop or asyncio.Event()
    await asyncio.to_thread(remove_left)
    async with house.make_children(serves_http=listener is not None) as children:
        worker = house.make_worker(children) if house.settings.workers else None
        server = make_server(house) if listener else None
        deliverer = house.make_deliverer(children)
        if catches_signals:
            _catch_signals(stop, worker, deliverer, server)
        tasks: dict[str, asyncio.Task[None]] = {"upkeep": asyncio.create_task(house.make_upkeep().run())}
        tasks["webhooks"] = asyncio.create_task(deliverer.run())
        tasks["files"] = asyncio.create_task(house.make_collector().run())
        if worker is not None:
            tasks["worker"] = asyncio.create_task(worker.run())
        end_polls = house.store.serve_polls(asyncio.get_running_loop()) if server is not None else None
        if server is not None and listener is not None:
            tasks["http"] = asyncio.create_task(server.serve(sockets=[listener]))
            listens = asyncio.create_task(server.listens.wait())
            await asyncio.wait([listens, tasks["http"]], return_when=asyncio.FIRST_COMPLETED)
            listens.cancel()
        on_ready()
        stopped = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([stopped, *tasks.values()], return_when=asyncio.FIRST_COMPLETED)
        if server is not None:
            server.should_exit = True
        deliverer.stop()
        if worker is not None:
            if not worker.is_stopping:
                worker.stop()
            await tasks["worker"]
        if "http" in tasks:
            await tasks["http"]
        if end_polls is not None:
            end_polls()
        await tasks["webhooks"]
        ending = (tasks["upkeep"], tasks["files"], stopped)
        for ended in ending:
            ended.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        for task in done:
            if task is not stopped:
                task.result()


def make_server(house: House) -> _Server:
    """The HTTP server of a house."""
    application = house.build_app()
    config = uvicorn.Config(
        application,
        http=make_protocol(application.status_reader),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, house.settings.drain_s),
        backlog=2_048,
    )
    return _Server(config, application.end_waits)


def _catch_signals(stop: asyncio.Event, worker: Worker | None, deliverer: Deliverer, server: _Server | None) -> None:
    loop = asyncio.get_running_loop()

    def hear(name: str) -> None:
        if stop.is_set():
            logger.warning("%s again: giving jobs back at once", name)
            if worker is not None:
                worker.stop_now()
            deliverer.stop_now()
            if server is not None:
                server.force_exit = True
            return
        logger.info("%s: stopping (pid %d); once more to stop at once", name, os.getpid())
        stop.set()

    with contextlib.suppress(NotImplementedError, RuntimeError):
        # RuntimeError: not the main thread, as in a test; then nobody sends us signals either.
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, hear, number.name)
