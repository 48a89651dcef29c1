"""Listeners on addresses the server must never reach, all on one port: whoever connects is written down."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

ADDRESSES = ("127.0.0.1", "127.0.0.3", "::1")


class Tripwire:
    """`touched` names every connection made, by the address it was made to."""

    def __init__(self) -> None:
        self.touched: list[str] = []
        self._listeners = [socket.create_server((ADDRESSES[0], 0))]
        self.port: int = self._listeners[0].getsockname()[1]
        for address in ADDRESSES[1:]:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with suppress(OSError):  # a machine without IPv6
                self._listeners.append(socket.create_server((address, self.port), family=family))
        self._threads = [threading.Thread(target=self._listen, args=(listener,)) for listener in self._listeners]

    def _listen(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self.touched.append(connection.getsockname()[0])
                connection.close()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for listener, thread in zip(self._listeners, self._threads, strict=True):
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()
