"""uvicorn's protocol with a bound on a request's head, and a way past its task and exchange for polls.

A poll that status.py answers without waiting costs no task and no exchange, and the answers of one tick are written
together at its end: written one by one, each woke the reader on the other side anew. 13k polls a second became 32k.
Whoever polls sends the same headers again and again: a request that differs from the last poll of its connection in
nothing but its path is not even parsed.
A poll that waits for its row has an exchange, for what may follow on its connection, but no task; rows that come
together are taken together. Everything else, and anything unusual, goes uvicorn's own way with nothing read twice.
The attributes used here are those of the uvicorn that pyproject.toml pins to.
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from jobwire.dialects.native import NATIVE
from jobwire.domain.errors import RequestError
from jobwire.http.answer import Answer
from jobwire.http.errors import say_error
from jobwire.http.requests import HEADERS_BYTES_MAX, give_request_id
from jobwire.http.status import Asked, Caller, StatusReader

_GET = b"GET "
_VERSION = b" HTTP/1.1\r\n"
_TAIL_BYTES_MAX = 4_096
# What a parser would have to judge: white space, control characters, what is not ASCII.
_is_poll = re.compile(rb"GET [!-~]+").fullmatch
_WITH_BODY = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade"))


class _Nobody:
    """Waits for nothing: the answer is out."""

    def set(self) -> None:
        """See asyncio.Event."""


class _Answered:
    """What uvicorn sees of an exchange that is over."""

    response_complete = True
    keep_alive = True
    disconnected = False
    message_event = _Nobody()


_ANSWERED: Any = _Answered()


class Outbox:
    """Answers of one tick of a loop, written together at its end."""

    def __init__(self) -> None:
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []

    def add(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, data: bytes) -> None:
        """Write `data` at the end of this tick, in the order of calls."""
        if not self._waiting:
            loop.call_soon(self._flush)
        self._waiting.append((transport, data))

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            if not transport.is_closing():
                transport.write(data)


class Inbox:
    """Calls from other threads, made together in one turn of a loop."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_awaited = False

    def add(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        """Make the call in the loop's next turn."""
        self._waiting.append(call)
        if not self._is_awaited:
            self._is_awaited = True
            with suppress(RuntimeError):
                # The loop is closed: nobody waits any more.
                loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        # Before the first is taken: whoever adds one from now on asks for a turn of its own.
        self._is_awaited = False
        while self._waiting:
            self._waiting.popleft()()


def refuse_unreadable(message: str) -> bytes:
    """The whole answer to bytes that are no HTTP request, or one with too large a head."""
    request_id = give_request_id(None)
    refusal = RequestError("invalid_request", message)
    status, headers, body = say_error(NATIVE, refusal, request_id.decode("ascii"))
    headers += [(b"x-request-id", request_id), (b"connection", b"close"), (b"content-length", b"%d" % len(body))]
    return b"".join([STATUS_LINE[status], *(b"%s: %s\r\n" % line for line in headers), b"\r\n", body])


def make_protocol(reader: StatusReader) -> type[HttpToolsProtocol]:
    """A protocol class for uvicorn's `http` option that asks `reader` first."""
    outbox, inbox = Outbox(), Inbox()

    class Protocol(HttpToolsProtocol):
        _is_head = False
        _head_bytes = 0
        _begun = 0
        _used_at = 0.0
        _asked: Asked | None = None
        # What came behind the path of the last poll, and what it says: while it is there, the parser is between two
        # requests, and would make the same of the same bytes behind another path.
        _tail = b""
        _caller: Caller | None = None

        def data_received(self, data: bytes) -> None:
            if self._tail and self._answer_again(data):
                return
            self._tail, self._begun = b"", 0
            was_polled = self.cycle is _ANSWERED and not self._is_head
            super().data_received(data)
            # A poll behind a poll, alone and whole.
            if was_polled and self.cycle is _ANSWERED and self._begun == 1 and not self._is_head:
                self._remember(data)
            if self._is_head and not self.transport.is_closing():
                # The parser keeps a head of any size until it is whole.
                self._head_bytes += len(data)
                if self._head_bytes > HEADERS_BYTES_MAX:
                    self.send_400_response(f"The head has more than {HEADERS_BYTES_MAX} bytes.")

        def send_400_response(self, msg: str) -> None:
            """Refuse what no dialect can be asked about, because it is no request, and hang up."""
            self.transport.write(refuse_unreadable(msg))
            self.transport.close()

        def on_message_begin(self) -> None:
            self._is_head, self._head_bytes = True, 0
            self._begun += 1
            self.url = b""
            self.expect_100_continue = False
            self.headers = []

        def on_headers_complete(self) -> None:
            self._is_head = False
            answer = self._read_poll()
            if isinstance(answer, Answer):
                self.cycle = _ANSWERED
                self._write(answer)
                return
            self._asked = answer
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            # A stream whose reader has stopped is closed without waiting for it (events.py).
            self.scope["extensions"] = {"jobwire.abort": {"call": self.transport.abort}}
            self.url, self.expect_100_continue = url, expects
            self.headers += headers
            super().on_headers_complete()

        def _write(self, answer: Answer) -> None:
            status, lines, body = answer
            parts = [STATUS_LINE[status]]
            for name, value in self.server_state.default_headers:
                parts += (name, b": ", value, b"\r\n")
            for name, value in lines:
                parts += (name, b": ", value, b"\r\n")
            parts.append(b"\r\n" if status == 304 else b"content-length: %d\r\n\r\n" % len(body))
            parts.append(body)
            outbox.add(self.loop, self.transport, b"".join(parts))
            self.server_state.total_requests += 1
            if self.timeout_keep_alive_task is None:
                self._await_request(self.timeout_keep_alive)

        def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
            asked, self._asked = self._asked, None
            if asked is None or app is not self.app:
                super()._start_asgi_task(cycle, app)
                return
            asked.row.on_done(lambda: inbox.add(self.loop, lambda: self._answer_asked(asked, cycle)))

        def _answer_asked(self, asked: Asked, cycle: RequestResponseCycle) -> None:
            if cycle.disconnected:
                return
            answer = None
            # Where it fails, the long way fails the same and tells it.
            with suppress(Exception):
                answer = reader.answer_asked(asked)
            if answer is None or isinstance(answer, Answer):
                self._complete(cycle, answer)
                return
            task = self.loop.create_task(self._await_answer(answer, cycle))
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)

        async def _await_answer(self, answer: Awaitable[Answer | None], cycle: RequestResponseCycle) -> None:
            answered = None
            with suppress(Exception):
                answered = await answer
            self._complete(cycle, answered)

        def _complete(self, cycle: RequestResponseCycle, answer: Answer | None) -> None:
            if answer is None or not cycle.keep_alive or self.flow.write_paused:
                super()._start_asgi_task(cycle, self.app)
                return
            cycle.response_started = cycle.response_complete = True
            self._write(answer)
            self.flow.resume_reading()
            if self.pipeline:
                super()._start_asgi_task(*self.pipeline.pop())

        # One timer a connection, which looks whether it was used meanwhile, instead of one made and dropped a poll.

        def _unset_keepalive_if_required(self) -> None:
            self._used_at = self.loop.time()

        def _await_request(self, seconds: float) -> None:
            self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

        def timeout_keep_alive_handler(self) -> None:
            self.timeout_keep_alive_task = None
            left_s = self._used_at + self.timeout_keep_alive - self.loop.time()
            if self.cycle is not None and not self.cycle.response_complete:
                return
            if left_s > 0:
                self._await_request(left_s)
            else:
                super().timeout_keep_alive_handler()

        def on_response_complete(self) -> None:
            self._drop_timer()
            super().on_response_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._drop_timer()

        def _drop_timer(self) -> None:
            if self.timeout_keep_alive_task is not None:
                self.timeout_keep_alive_task.cancel()
                self.timeout_keep_alive_task = None

        def _answer_again(self, data: bytes) -> bool:
            """Whether the request could be answered without being parsed."""
            first, _, tail = data.partition(_VERSION)
            caller = self._caller
            if tail != self._tail or caller is None or not _is_poll(first) or self.flow.write_paused:
                return False
            answer = None
            # Where it fails, the parser's way fails the same and tells it.
            with suppress(Exception):
                answer = reader.answer_again(caller, first[len(_GET) :])
            if not isinstance(answer, Answer):
                return False
            self._unset_keepalive_if_required()
            self._write(answer)
            return True

        def _remember(self, data: bytes) -> None:
            first, _, tail = data.partition(_VERSION)
            scope = self._describe_poll()
            self._caller = None if scope is None else reader.read_caller(scope)
            if self._caller is not None and first == _GET + self.url and len(tail) <= _TAIL_BYTES_MAX:
                self._tail = tail

        def _read_poll(self) -> Answer | Asked | None:
            parser, cycle = self.parser, self.cycle
            if (
                parser.get_method() != b"GET"
                or parser.get_http_version() != "1.1"
                or not parser.should_keep_alive()
                or self.flow.write_paused
                or self.root_path
                or (cycle is not None and not cycle.response_complete)
                or not _WITH_BODY.isdisjoint([name for name, _ in self.headers])
            ):
                return None
            scope = self._describe_poll()
            try:
                return None if scope is None else reader.answer_now(scope)
            except Exception:
                # The long way fails the same and tells it.
                return None

        def _describe_poll(self) -> dict[str, Any] | None:
            path, _, query = self.url.partition(b"?")
            if b"%" in path or not path.isascii():
                return None
            scope: dict[str, Any] = {
                "method": "GET",
                "path": path.decode("ascii"),
                "headers": self.headers,
                "query_string": query,
            }
            # Whether a proxy's word for the scheme counts is decided on the long way.
            if all(name != b"x-forwarded-proto" for name, _ in self.headers):
                scope |= {"scheme": self.scheme, "server": self.server}
            return scope

    return Protocol
