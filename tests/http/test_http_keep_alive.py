"""A connection that polls: its one keep-alive timer, which looks at the last request before it closes, and its
headers, which are not parsed for every poll."""

import asyncio

import pytest
import uvicorn
from uvicorn.server import ServerState

from jobwire.http.answer import Answer
from jobwire.http.protocol import make_protocol

POLL = b"GET /v1/jobs/x HTTP/1.1\r\nHost: here\r\n\r\n"
KEEP_ALIVE_S = 30


class Reader:
    """Answers every poll at once; `parsed` counts those whose headers it was given."""

    def __init__(self):
        self.parsed = 0

    def answer_now(self, scope):
        self.parsed += 1
        return Answer(200, [], b"{}")

    def read_caller(self, scope):
        return scope["headers"]

    def answer_again(self, caller, url):
        assert caller == [(b"host", b"here")]
        return Answer(200, [], url)


class Loop:
    """A clock that is moved by hand, and what was asked of it."""

    def __init__(self):
        self.now = 1_000.0
        self.timers = []
        self.soon = []

    def time(self):
        return self.now

    def call_soon(self, callback):
        self.soon.append(callback)

    def call_later(self, seconds, callback):
        timer = asyncio.TimerHandle(self.now + seconds, callback, (), self)
        self.timers.append(timer)
        return timer

    def _timer_handle_cancelled(self, handle):
        """Asked by a handle that is dropped."""

    def get_debug(self):
        return False

    def advance(self, seconds):
        self.now += seconds
        while self.soon:
            self.soon.pop()()
        due = [timer for timer in self.timers if timer.when() <= self.now]
        self.timers = [timer for timer in self.timers if timer not in due]
        for timer in due:
            if not timer.cancelled():
                timer._run()

    def count_waiting(self):
        return sum(not timer.cancelled() for timer in self.timers)


class Transport(asyncio.Transport):
    """Remembers what was written, and whether it was closed."""

    def __init__(self):
        super().__init__()
        self.written = []
        self.closed = False

    def write(self, data):
        self.written.append(data)

    def is_closing(self):
        return self.closed

    def close(self):
        self.closed = True


async def connect():
    config = uvicorn.Config(Reader(), lifespan="off", timeout_keep_alive=KEEP_ALIVE_S, log_config=None)
    config.load()
    loop, transport = Loop(), Transport()
    reader = Reader()
    protocol = make_protocol(reader)(config, ServerState(), {}, _loop=loop)
    protocol.connection_made(transport)
    return protocol, loop, transport, reader


def test_a_connection_that_polls_in_time_stays_and_has_one_timer():
    async def run():
        protocol, loop, transport, _ = await connect()
        for _ in range(10):
            protocol.data_received(POLL)
            assert loop.count_waiting() == 1
            loop.advance(KEEP_ALIVE_S - 1)
        assert len(transport.written) == 10
        assert not transport.closed

    asyncio.run(run())


def test_a_connection_is_closed_when_its_last_poll_is_that_long_ago():
    async def run():
        protocol, loop, transport, _ = await connect()
        protocol.data_received(POLL)
        loop.advance(KEEP_ALIVE_S - 1)
        protocol.data_received(POLL)
        loop.advance(KEEP_ALIVE_S - 1)
        assert not transport.closed
        loop.advance(1)
        assert transport.closed

    asyncio.run(run())


def test_a_lost_connection_leaves_no_timer():
    async def run():
        protocol, loop, *_ = await connect()
        protocol.data_received(POLL)
        protocol.connection_lost(None)
        assert loop.count_waiting() == 0

    asyncio.run(run())


def test_the_headers_of_the_poll_before_are_not_parsed_again():
    async def run():
        protocol, loop, transport, reader = await connect()
        for path in (b"x", b"y", b"z", b"x"):
            protocol.data_received(POLL.replace(b"/x", b"/" + path))
        loop.advance(0)
        assert reader.parsed == 2
        assert [answer[-10:] for answer in transport.written[2:]] == [b"/v1/jobs/z", b"/v1/jobs/x"]
        other = POLL.replace(b"Host", b"host")
        for polls, parsed in ((other, 3), (other, 3), (POLL + POLL, 5), (POLL, 6), (POLL, 6)):
            protocol.data_received(polls)
            assert reader.parsed == parsed
        for piece in (POLL[:20], POLL[20:], POLL):
            protocol.data_received(piece)
        assert reader.parsed == 8

    asyncio.run(run())


@pytest.mark.parametrize(
    "path", [b"y z", b"y\tz", b"y?\r\nA: b", b"y HTTP/1.0\r\nA: b", b"y?\x00", b"y\xc3\xa4", b""]
)
def test_a_path_that_only_a_parser_may_judge_is_left_to_it(path):
    async def run():
        protocol, _, _, reader = await connect()
        for _ in range(3):
            protocol.data_received(POLL)
        assert reader.parsed == 2
        reader.answer_again = lambda caller, url: pytest.fail(f"{url!r} was not parsed")
        protocol.data_received(POLL.replace(b"/v1/jobs/x", path and b"/v1/jobs/" + path))

    asyncio.run(run())


def test_headers_are_only_remembered_up_to_a_length():
    async def run():
        for filler, parsed in ((4_000, 2), (4_100, 4)):
            protocol, _, _, reader = await connect()
            reader.answer_again = lambda caller, url: Answer(200, [], url)
            for _ in range(4):
                protocol.data_received(POLL[:-2] + b"X: " + b"x" * filler + b"\r\n\r\n")
            assert reader.parsed == parsed

    asyncio.run(run())
