"""A whole house that runs beside a test: HTTP, worker and upkeep on a thread of their own.

The suites of the systems build on ServedHouse and say what their clients are; house_engines.py has the engines.
"""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from house_engines import address_in
from jobwire.config import Settings, read_settings
from jobwire.serving import bind_socket, run_house
from jobwire.wiring import House

# One for all clients: each would make its own, half a millisecond for a loopback that speaks no TLS.
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class ServedHouse:
    """A house that serves on `base` while its thread runs; whatever waits for it gives up after `deadline_s`."""

    deadline_s: float = 60

    def __init__(self, house: House, base: str) -> None:
        self.house = house
        self.base = base
        self._moved = threading.Event()
        self._unlisten = house.store.listen(lambda _: self._moved.set())
        self._clients: list[httpx.Client] = []

    def wait_until(self, look: Callable[[], Any], *, within_s: float | None = None) -> Any:
        """What `look` returns once it is not None: asked again after every commit, failing after `within_s`."""
        within_s = self.deadline_s if within_s is None else within_s
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            self._moved.clear()
            seen = look()
            if seen is not None:
                return seen
            self._moved.wait(1)
        raise AssertionError(f"not seen within {within_s} s; last look gave None")

    def open_http(self, path: str, headers: Mapping[str, str]) -> httpx.Client:
        """A connection below `path`, closed with the house."""
        http = httpx.Client(base_url=self.base + path, headers=dict(headers), timeout=self.deadline_s, verify=TLS)
        self._clients.append(http)
        return http

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self._unlisten()


Served = TypeVar("Served", bound=ServedHouse)


def house_settings(
    folder: Path, system: str, *, workers: int, environment: Mapping[str, str], db: str | None = None
) -> Settings:
    """Settings of a house over the ledger in `folder`, which keeps what an earlier house there has done."""
    values = {"JOBWIRE_FETCH_ALLOW": "127.0.0.0/8", "JOBWIRE_FILES": str(folder / "files"), "JOBWIRE_DRAIN_S": "0"}
    return read_settings({**values, **environment}, db=db or address_in(folder), workers=workers, systems=system)


@contextmanager
def serving(house: House, make: Callable[[House, str], Served]) -> Iterator[Served]:
    """Run an open house on a free port of loopback, and close it; what ends it before the block does is raised."""
    listener = bind_socket("127.0.0.1", 0)
    served = make(house, f"http://127.0.0.1:{listener.getsockname()[1]}")
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    faults: list[BaseException] = []

    def serve() -> None:
        try:
            loop.run_until_complete(run_house(house, listener=listener, on_ready=ready.set, stop=stop))
        except BaseException as fault:
            faults.append(fault)
        finally:
            ready.set()
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert ready.wait(served.deadline_s), "the house did not start"
        if not faults:
            yield served
    finally:
        served.close()
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join(served.deadline_s)
        house.close()
    if faults:
        raise faults[0]
