"""A receiver of webhooks on loopback that answers as the test wants, and remembers what it was sent."""

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DEADLINE_S = 60


@dataclass(frozen=True)
class Request:
    """What arrived: `number` counts from 1."""

    number: int
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What to answer; `cuts` closes the connection before a word is said, also of a message that was taken (2xx)."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cuts: bool = False


OK = Answer()


class Receiver:
    """Serves until closed; `answer` may be replaced at any time, and may block."""

    def __init__(self, answer: Callable[[Request], Answer] = lambda _: OK) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.taken: list[Request] = []
        self._changed = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = receiver.take(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                with suppress(ConnectionError):
                    if answer.cuts:
                        self.connection.close()
                        return
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    if answer.status != 204:
                        self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    self.wfile.write(answer.body)

            def log_message(self, *_: Any) -> None:
                return

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

            def handle_error(self, *_: Any) -> None:
                return

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        with self._changed:
            request = Request(len(self.requests) + 1, path, headers, body)
            self.requests.append(request)
            self._changed.notify_all()
        answer = self.answer(request)
        with self._changed:
            if 200 <= answer.status < 300:
                self.taken.append(request)
            self._changed.notify_all()
        return answer

    def wait_until(self, holds: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
        """Wait until it holds after some request."""
        with self._changed:
            assert self._changed.wait_for(holds, deadline_s), f"{len(self.requests)} requests came"

    def wait_for_requests(self, count: int) -> None:
        """Wait until so many have come."""
        self.wait_until(lambda: len(self.requests) >= count)

    @property
    def ids(self) -> set[str]:
        return {request.id for request in self.taken}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(DEADLINE_S)
