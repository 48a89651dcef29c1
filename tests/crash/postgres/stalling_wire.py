"""A wire to a server that can stall: what is sent stays on the way, and nobody is told."""

import contextlib
import socket
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536


class Wire:
    """Listens on loopback and passes on to the server's socket, both ways, while it is not stalled."""

    def __init__(self, path):
        self._path = path
        self._flows = threading.Event()
        self._flows.set()
        self._ends = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    def lead_to(self, address):
        """The address of the same database over this wire."""
        host, port = self._listener.getsockname()
        return urlsplit(address)._replace(netloc=f"postgres@{host}:{port}", query="").geturl()

    @contextmanager
    def stalled(self):
        """Nothing comes through, and no connection ends."""
        self._flows.clear()
        try:
            yield
        finally:
            self._flows.set()

    def cut(self):
        """End every connection."""
        ends, self._ends = self._ends, []
        for end in ends:
            close(end)

    def close(self):
        self._flows.set()
        close(self._listener)
        self.cut()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._path)
                self._ends += (near, far)
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source, target):
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                self._flows.wait()
                target.sendall(chunk)
        close(source)
        close(target)


def close(end):
    """End it for whoever waits on it, too."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
