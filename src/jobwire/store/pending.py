"""Pending: the answer of a store call, to be awaited in a coroutine or waited for in a thread.

One kind of answer for both worlds instead of a sync and an async twin of every method. Cheaper than a
concurrent.futures.Future: no condition variable until a thread really waits.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

logger = logging.getLogger("jobwire.store")

_lock = threading.Lock()


class Pending(Generic[T]):
    """An answer that comes once: a value or an error. Thread-safe; any number of waiters."""

    __slots__ = ("_callbacks", "_error", "_is_done", "_value")

    def __init__(self) -> None:
        self._is_done = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[], object]] | None = None

    @classmethod
    def of(cls, value: T) -> "Pending[T]":
        """An answer that is already there."""
        pending = cls.__new__(cls)
        pending._value = value
        pending._error = None
        pending._callbacks = None
        pending._is_done = True
        return pending

    @property
    def is_done(self) -> bool:
        """Whether the answer is there."""
        return self._is_done

    def fulfil(self, value: T) -> None:
        """Give the answer; only the first counts."""
        self._finish(value, None)

    def fail(self, error: BaseException) -> None:
        """Give an error as the answer; only the first counts."""
        self._finish(None, error)

    def _finish(self, value: T | None, error: BaseException | None) -> None:
        with _lock:
            if self._is_done:
                return
            self._value, self._error = value, error
            self._is_done = True
            callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            _call(callback)

    def on_done(self, callback: Callable[[], object]) -> None:
        """Call `callback()` when the answer is there, at once if it is; on the answering thread."""
        with _lock:
            if not self._is_done:
                if self._callbacks is None:
                    self._callbacks = []
                self._callbacks.append(callback)
                return
        _call(callback)

    def result(self, timeout_s: float | None = None) -> T:
        """Block this thread for the answer; TimeoutError after `timeout_s` seconds."""
        if not self._is_done:
            arrived = threading.Event()
            self.on_done(arrived.set)
            if not arrived.wait(timeout_s):
                raise TimeoutError(f"the store did not answer within {timeout_s} s")
        return self._unwrap()

    def __await__(self) -> Generator[Any, None, T]:
        if not self._is_done:
            loop = asyncio.get_running_loop()
            future: asyncio.Future[None] = loop.create_future()

            def wake() -> None:
                if not future.done():
                    future.set_result(None)

            def arrive() -> None:
                try:
                    loop.call_soon_threadsafe(wake)
                except RuntimeError:
                    # The loop was closed while the answer was on its way: nobody waits any more.
                    return

            self.on_done(arrive)
            yield from future
        return self._unwrap()

    def _unwrap(self) -> T:
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]


def _call(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception:
        # The answering thread serves others: it must survive whatever one of its callers does.
        logger.exception("a callback of a ledger answer failed")
