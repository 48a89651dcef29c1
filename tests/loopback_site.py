"""A web server on loopback, from which the tests' servers of pages, photos, documents and keys are made."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

CLOSE_S = 60


class Asked(NamedTuple):
    """A request: its path with the query, its headers (found in any case), its body."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Reply(NamedTuple):
    """What a request is answered with; its length is told."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = {}


class LoopbackSite:
    """Serves on `base` until it is closed; a site of its own says in `answer` with what.

    Nothing that waits for `gate` outlives the site.
    """

    protocol = "HTTP/1.0"

    def __init__(self) -> None:
        self.gate = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = site.protocol

            def do_GET(self) -> None:
                # Whoever asked may have been cancelled or killed.
                with suppress(ConnectionError):
                    site.serve(self)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                return

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request; a site that answers in pieces writes them itself."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        reply = self.answer(Asked(handler.path, handler.headers, body))
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        handler.wfile.write(reply.body)

    def answer(self, asked: Asked) -> Reply:
        """What this request is answered with; from a thread of its own."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of whatever waits, and serve no more."""
        self.gate.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(CLOSE_S)
