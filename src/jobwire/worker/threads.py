"""The threads of plain `def` handlers. executor.py runs attempts in them."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any


class HandlerThreads:
    """Daemon threads, one more whenever none is idle.

    A thread cannot be stopped from outside. So one whose handler does not return is left behind: it takes no slot
    from the next job and does not keep the process from ending, as a ThreadPoolExecutor's would.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = 0

    async def run(self, call: Callable[[], Any]) -> Any:
        """The value of `call()`, or its exception; a cancellation abandons it, or drops it if it has not begun."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()

        def serve() -> None:
            if answer.cancelled():
                return
            value, error = _catch(call)
            with suppress(RuntimeError):
                # The loop is closed: nobody waits any more.
                loop.call_soon_threadsafe(_tell, answer, value, error)

        self._calls.put(serve)
        if not self._idle.acquire(blocking=False):
            self._started += 1
            threading.Thread(target=self._work, name=f"jobwire-handler-{self._started}", daemon=True).start()
        return await answer

    def close(self) -> None:
        """End every thread as soon as it is idle; waits for none."""
        for _ in range(self._started):
            self._calls.put(None)

    def _work(self) -> None:
        while (serve := self._calls.get()) is not None:
            serve()
            # Before the next get, or the frame keeps what the last call held.
            del serve
            self._idle.release()


def _catch(call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return call(), None
    except StopIteration as error:
        # A future refuses it; a coroutine turns it into this, too.
        replaced = RuntimeError("the handler raised StopIteration")
        replaced.__cause__ = error
        return None, replaced
    except BaseException as error:
        return None, error


def _tell(answer: "asyncio.Future[Any]", value: Any, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(error)
