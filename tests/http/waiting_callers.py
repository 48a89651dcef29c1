"""Callers that wait: each in a thread of its own, and a look at the server until something holds."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx

DEADLINE_S = 20


def until(holds: Callable[[], Any]) -> None:
    """Look until it holds."""
    never, end = threading.Event(), time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        never.wait(0.002)


class Callers:
    """Calls under way."""

    def __init__(self, house: Any) -> None:
        self._house = house
        self._pool = ThreadPoolExecutor(64)

    def call(self, client: httpx.Client, method: str, path: str, **options: Any) -> "Future[httpx.Response]":
        """Send a call and come back when it waits in the server."""
        watching = self._house.services.watching
        before = watching.waits.taken
        answer = self._pool.submit(client.request, method, path, timeout=DEADLINE_S, **options)
        until(lambda: watching.waits.taken > before or answer.done())
        return answer

    def close(self) -> None:
        self._pool.shutdown()


def read_frames(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """The frames of an event stream: their fields, comments under an empty name."""
    frame: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            frame[name] = value.strip()
        elif frame:
            yield frame
            frame = {}
