"""A stream gives every event once and in order, whatever it is cut into and wherever it is cut off."""

from math import inf

import pytest
from client_world import JOB_ID, Server, World, run, session_of
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwire.client.errors import BadAnswer, NotFound, Unavailable
from jobwire.client.messages import EVENT_BYTES_MAX, Message, MessageReader
from jobwire.client.retrying import Retries
from jobwire.client.steps import Answer
from jobwire.client.streaming import read_event, stream_job
from jobwire.client.watching import Watch

WITH_STREAM = st.builds(
    World,
    st.lists(st.floats(0.001, 60), min_size=1, max_size=8).map(
        lambda gaps: [sum(gaps[: index + 1]) for index in range(len(gaps))]
    ),
    st.just(Server()),
    st.lists(st.sampled_from(["none", "cut", "silent", "busy", "full", "gateway", "fault"]), max_size=20),
    trouble_s=st.sampled_from([0, 1, 30]),
    piece_bytes=st.integers(1, 200),
    pieces_max=st.lists(st.integers(1, 400), max_size=12),
    end=st.sampled_from(["completed", "failed", "cancelled", "expired"]),
)


def watch_of(world: World, *, outage_s: float = inf) -> Watch:
    return Watch(JOB_ID, session_of(world, retries=Retries(outage_s=outage_s)), inf)


def events_of(world: World, after: int = 0) -> list[tuple[int, str, int]]:
    versions = range(after + 1, len(world.moments) + 1)
    return [(version, world.event_of(version)["event"], version) for version in versions]


@pytest.mark.slow
@settings(max_examples=300)
@given(WITH_STREAM, st.integers(0, 8))
def test_cut_anywhere_the_events_are_those_of_the_log(world: World, after: int) -> None:
    after = min(after, len(world.moments) - 1)
    _, shown = run(stream_job(watch_of(world), after=after or None), world)
    assert [(event.number, event.name, event.version) for event in shown] == events_of(world, after)
    assert [event.is_final for event in shown] == [False] * (len(shown) - 1) + [True]


@settings(max_examples=200)
@given(
    st.lists(st.floats(0.001, 60), min_size=1, max_size=8).map(
        lambda gaps: [sum(gaps[: index + 1]) for index in range(len(gaps))]
    ),
    st.sampled_from(["absent", "swallowed"]),
    st.lists(st.sampled_from(["none", "cut", "busy", "full", "stale"]), max_size=20),
)
def test_without_a_stream_the_job_is_looked_at_to_its_end(moments, streams, troubles) -> None:
    world = World(moments, Server(streams=streams), troubles, trouble_s=3)
    _, shown = run(stream_job(watch_of(world), after=None), world)
    versions = [event.version for event in shown]
    assert {event.name for event in shown} == {"observed"}
    assert versions == sorted(set(versions))
    assert shown[-1].is_final
    assert shown[-1].job is not None and shown[-1].job.version == len(moments)


def test_a_stream_resumes_after_the_last_event_it_gave() -> None:
    world = World([1.0, 2.0, 3.0], piece_bytes=10_000, pieces_max=[2])
    _, shown = run(stream_job(watch_of(world), after=None), world)
    told = [dict(request.headers).get("last-event-id") for _, request in world.asked]
    assert told == [None, "2"]
    assert [event.number for event in shown] == [1, 2, 3]


def test_a_stream_that_brought_nothing_is_resumed_where_the_one_before_it_was() -> None:
    world = World([1.0, 2.0, 3.0], piece_bytes=10_000, pieces_max=[2, 0, 0])
    run(stream_job(watch_of(world), after=None), world)
    told = [dict(request.headers).get("last-event-id") for _, request in world.asked]
    assert told == [None, "2", "2", "2"]


def test_a_server_that_begins_anew_each_time_is_not_believed() -> None:
    class Forgetting(World):
        def _tell(self, after):
            return super()._tell(0)

    world = Forgetting([1.0, 2.0, 3.0], piece_bytes=10_000, pieces_max=[2, 2])
    _, shown = run(stream_job(watch_of(world), after=None), world)
    assert [event.number for event in shown] == [1, 2, 3]


def test_after_the_last_event_there_is_nothing() -> None:
    world = World([1.0, 2.0])
    _, shown = run(stream_job(watch_of(world), after=2), world)
    assert shown == []


def test_a_job_that_is_quiet_for_an_hour_is_followed_through_streams_that_end_after_five_minutes() -> None:
    class Ending(World):
        def _tell(self, after):
            end = self.now + 300
            for piece in super()._tell(after):
                yield piece
                if self.now >= end:
                    return

    world = Ending([1.0, 2.0, 3_600.0], piece_bytes=1_000)
    _, shown = run(stream_job(watch_of(world), after=None), world)
    assert [event.number for event in shown] == [1, 2, 3]


def test_the_last_event_may_bring_the_job_with_it() -> None:
    world = World([1.0, 2.0], Server(tells_job=True))
    _, shown = run(stream_job(watch_of(world), after=None), world)
    assert shown[-1].job is not None and shown[-1].job.result == {"n": 2}


def test_a_stream_outlives_an_outage_but_not_any() -> None:
    world = World([1.0, 2.0], troubles=["full"] * 200)
    with pytest.raises(Unavailable):
        run(stream_job(watch_of(world, outage_s=60), after=None), world)
    assert 60 <= world.now <= 130


def test_the_stream_of_an_absent_job_is_an_error() -> None:
    class Absent(World):
        def perform(self, step):
            return Answer(404, {"content-type": "application/problem+json"}, b'{"code": "not_found"}')

    world = Absent([0.0])
    with pytest.raises(NotFound):
        run(stream_job(watch_of(world), after=None), world)


MESSAGES = [
    ("one", b"id: 7\nevent: completed\ndata: {}\n\n", [Message("7", "completed", "{}")]),
    ("no name", b"data: x\n\n", [Message("", "message", "x")]),
    ("two lines of data", b"data: a\ndata: b\n\n", [Message("", "message", "a\nb")]),
    ("no space", b"data:a\nid:1\n\n", [Message("1", "message", "a")]),
    ("only one space is taken", b"data:  a\n\n", [Message("", "message", " a")]),
    ("comments", b": beat\n\n: beat\ndata: a\n: more\n\n", [Message("", "message", "a")]),
    ("carriage returns", b"data: a\r\rdata: b\r\r", [Message("", "message", "a"), Message("", "message", "b")]),
    ("both", b"id: 1\r\ndata: a\r\n\r\n", [Message("1", "message", "a")]),
    ("the id stays", b"id: 1\ndata: a\n\ndata: b\n\n", [Message("1", "message", "a"), Message("1", "message", "b")]),
    ("an empty id ends it", b"id: 1\n\nid\ndata: b\n\n", [Message("", "message", "b")]),
    ("an id with a zero byte is none", b"id: 1\0\ndata: b\n\n", [Message("", "message", "b")]),
    ("a mark at the beginning", b"\xef\xbb\xbfdata: a\n\n", [Message("", "message", "a")]),
    ("unknown fields", b"colour: red\ndata: a\n\n", [Message("", "message", "a")]),
    ("no data, no message", b"id: 3\nevent: x\n\ndata: a\n\n", [Message("3", "message", "a")]),
    ("unfinished", b"data: a\n", []),
    ("text", "data: ș 漢\n\n".encode(), [Message("", "message", "ș 漢")]),
]


@pytest.mark.parametrize(("text", "messages"), [case[1:] for case in MESSAGES], ids=[case[0] for case in MESSAGES])
def test_a_stream_is_read_as_its_standard_says_in_any_pieces(text: bytes, messages: list[Message]) -> None:
    for size in range(1, len(text) + 1):
        reader = MessageReader()
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        assert [message for piece in pieces for message in reader.feed(piece)] == messages, size


def test_an_id_counts_only_with_its_whole_message() -> None:
    reader = MessageReader("4")
    reader.feed(b"id: 5\ndata: {}\n")
    assert reader.last_id == "4"
    reader.feed(b"\n")
    assert reader.last_id == "5"


def test_the_stream_says_how_long_to_wait_before_coming_back() -> None:
    reader = MessageReader()
    reader.feed(b"retry: 2500\nretry: x\nretry: 99999999999999999999\n\n")
    assert reader.retry_s == 2.5


def test_an_event_may_be_large_but_not_without_bound() -> None:
    line = b"data: " + b"x" * (EVENT_BYTES_MAX // 2)
    assert len(MessageReader().feed(line + b"\n\n")) == 1
    reader = MessageReader()
    reader.feed(line + b"\n")
    with pytest.raises(BadAnswer, match=str(EVENT_BYTES_MAX)):
        reader.feed(line)


def test_an_event_has_the_progress_of_its_job() -> None:
    job = b'{"id":"job_1","phase":"running","progress":{"percent":40.0,"done":2}}'
    told = read_event(Message("7", "progressed", f'{{"phase":"running","job":{job.decode()}}}'))
    assert told is not None and told.job is not None and told.progress == told.job.progress
    assert told.progress is not None and (told.progress.percent, told.progress.done) == (40.0, 2)
    plain = read_event(Message("8", "claimed", '{"phase":"running"}'))
    assert plain is not None and plain.progress is None


@pytest.mark.parametrize("at", ["1e30", "1" + "0" * 30, "9" * 17, "-" + "9" * 17, '"yesterday"', "[]"])
def test_an_event_at_no_time_tells_nothing(at: str) -> None:
    assert read_event(Message("7", "claimed", f'{{"phase":"running","at":{at}}}')) is None
