"""The shells on real sockets: streams that are cut off, silent servers, certificates, the missing extra."""

import asyncio
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import httpx
import pytest

from jobwire.client import AsyncJobwireClient, BadAnswer, ConnectionLost, Event, JobwireClient, Retries
from jobwire.client.steps import Cut
from jobwire.client.wire import read_cut

SOON = Retries(attempts_max=3, first_s=0.001, longest_s=0.001)
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = [
    b'id: 4\nevent: submitted\ndata: {"event":"submitted","version":1,"phase":"waiting","at":1900000000123}\n\n',
    b'id: 5\nevent: claimed\ndata: {"event":"claimed","version":2,"phase":"running"}\n\n',
    b'id: 9\nevent: completed\ndata: {"event":"completed","version":3,"phase":"completed"}\n\n',
]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@contextmanager
def serve_raw(*answers: Callable[[bytes], bytes | None]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives each connection the next answer to its first request, then closes it; None stays silent."""
    heads: list[bytes] = []
    silent: list[socket.socket] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def work() -> None:
            for answer in answers:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(65_536)
                heads.append(head)
                said = answer(head)
                if said is None:
                    silent.append(connection)
                    continue
                connection.sendall(said)
                connection.close()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", heads
        finally:
            for connection in silent:
                connection.close()
    thread.join(10)


def say(data: bytes) -> Callable[[bytes], bytes]:
    return lambda head: data


def answer(status: str, body: bytes = b"", kind: str = "application/json") -> Callable[[bytes], bytes]:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return say(head.encode() + body)


CUT_OFF = (
    say(STREAM + chunk(EVENTS[0]) + chunk(EVENTS[1][:30])),
    say(b""),
    say(STREAM + chunk(b": beat\n\n" + EVENTS[1]) + chunk(EVENTS[2]) + chunk(b"")),
)


def is_whole(events: list[Event], heads: list[bytes]) -> bool:
    assert [(event.number, event.name) for event in events] == [(4, "submitted"), (5, "claimed"), (9, "completed")]
    assert events[0].at is not None and events[0].at.year == 2030
    assert [b"\r\nlast-event-id: 4\r\n" in head.lower() for head in heads] == [False, True, True]
    return True


def test_a_stream_that_is_cut_off_in_an_event_is_resumed_before_it() -> None:
    with serve_raw(*CUT_OFF) as (url, heads), JobwireClient(url, "jw_x", retries=SOON) as client:
        assert is_whole(list(client.stream("job_1")), heads)


def test_an_awaited_stream_is_resumed_too() -> None:
    async def use(url: str) -> list[Event]:
        async with AsyncJobwireClient(url, "jw_x", retries=SOON) as client:
            return [event async for event in client.stream("job_1")]

    with serve_raw(*CUT_OFF) as (url, heads):
        assert is_whole(asyncio.run(use(url)), heads)


def test_a_stream_that_is_left_early_closes_its_connection() -> None:
    with serve_raw(CUT_OFF[2]) as (url, _), JobwireClient(url, "jw_x") as client:
        events = client.stream("job_1", after=4)
        assert next(events).number == 5
        events.close()
        assert client._http._transport._pool.connections == []


def test_a_server_that_says_nothing_is_given_up() -> None:
    with (
        serve_raw(*[lambda head: None] * 3) as (url, heads),
        JobwireClient(url, retries=SOON, silence_s=0.05) as client,
        pytest.raises(ConnectionLost) as lost,
    ):
        client.get("job_1")
    assert lost.value.may_have_arrived
    assert len(heads) == 3


def test_a_body_that_is_cut_off_is_no_answer() -> None:
    cut = say(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    whole = answer("200 OK", b'{"id":"job_1","phase":"running"}')
    with serve_raw(cut, whole) as (url, heads), JobwireClient(url, retries=SOON) as client:
        assert client.get("job_1").phase == "running"
    assert len(heads) == 2


def test_the_key_is_not_taken_along_to_another_server() -> None:
    moved = say(
        b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:9/v1/me\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    with (
        serve_raw(moved) as (url, heads),
        JobwireClient(url, "jw_x", retries=SOON) as client,
        pytest.raises(BadAnswer, match=r"http://127\.0\.0\.1:9/v1/me"),
    ):
        client.me()
    assert len(heads) == 1
    assert b"authorization: bearer jw_x" in heads[0].lower()


def test_a_page_of_a_proxy_is_no_job() -> None:
    page = answer("200 OK", b"<html>", "text/html")
    with serve_raw(page) as (url, _), JobwireClient(url) as client, pytest.raises(BadAnswer, match="text/html"):
        client.get("job_1")


def test_a_bad_certificate_will_be_one_another_time_too() -> None:
    error = httpx.ConnectError("verify failed")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    assert read_cut(error) == Cut("verify failed", may_have_arrived=False, is_lasting=True)
    assert read_cut(httpx.ConnectError("refused")) == Cut("refused", may_have_arrived=False)
    assert read_cut(httpx.ReadTimeout("")) == Cut("ReadTimeout")


def test_a_key_with_a_line_break_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="key"):
        JobwireClient("http://127.0.0.1:9", "jw_x\r\nX-Evil: 1")


def test_without_its_library_the_client_names_the_extra() -> None:
    program = "import sys; sys.modules['httpx'] = None; from jobwire.client import JobwireClient"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "pip install 'jobwire[client]'" in done.stderr
    assert done.returncode == 1


def test_importing_the_client_loads_nothing_of_the_server() -> None:
    program = (
        "import sys; from jobwire.client import AsyncJobwireClient, JobwireClient, NotFound\n"
        "print(*sorted(name for name in sys.modules if name.split('.')[0] in ('jobwire', 'starlette', 'apsw')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {name for name in done.stdout.split() if not name.startswith("jobwire.client")} == {"jobwire"}


def test_what_is_offered_is_there() -> None:
    import jobwire.client

    for name in jobwire.client.__all__:
        assert getattr(jobwire.client, name).__name__ == name
    with pytest.raises(AttributeError, match="JobwireClient"):
        _ = jobwire.client.Klient
