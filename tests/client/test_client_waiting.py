"""Any server, any trouble: a wait ends with the true final job, never asks too early, and not once after the end."""

from itertools import pairwise
from math import inf

import pytest
from client_world import JOB_ID, Server, World, run, session_of
from hypothesis import given
from hypothesis import strategies as st

from jobwire.client.errors import BadAnswer, NotFound, RateLimited, ServerFault, WaitTimeout
from jobwire.client.models import Job
from jobwire.client.polling import HOLD_S, SHOWN_HOLD_S
from jobwire.client.retrying import Retries
from jobwire.client.steps import Answer
from jobwire.client.waiting import wait_for_end
from jobwire.client.watching import Watch

SERVERS = st.builds(
    Server,
    holds=st.sampled_from(["final", "moved", "brief", "ignored", "refused", "limited"]),
    says_held=st.booleans(),
    streams=st.sampled_from(["yes", "absent", "swallowed", "refused"]),
    retry_after_s=st.sampled_from([None, 0, 1, 7, 60]),
    has_etag=st.booleans(),
    tells_job=st.booleans(),
)
TROUBLES = st.lists(
    st.sampled_from(["none", "cut", "silent", "busy", "full", "gateway", "fault", "stale"]), max_size=30
)
MOMENTS = st.lists(st.floats(0.001, 120), min_size=1, max_size=8).map(
    lambda gaps: [sum(gaps[: index + 1]) - gaps[0] for index in range(len(gaps))]
)
WORLDS = st.builds(
    World,
    MOMENTS,
    SERVERS,
    TROUBLES,
    trouble_s=st.sampled_from([0, 1, 30]),
    piece_bytes=st.integers(1, 200),
    pieces_max=st.lists(st.integers(0, 40), max_size=10),
    end=st.sampled_from(["completed", "failed", "cancelled", "expired"]),
)
PATIENT = Retries(outage_s=inf)


def watch_of(
    world: World, *, deadline: float = inf, draw: float = 0.5, retries: Retries = PATIENT, **options
) -> Watch:
    return Watch(JOB_ID, session_of(world, draw=draw, retries=retries), deadline, **options)


@given(WORLDS, st.floats(0, 0.999), st.booleans())
def test_any_sequence_of_answers_and_cuts_leads_to_the_true_final_job(
    world: World, draw: float, is_shown: bool
) -> None:
    job, shown = run(wait_for_end(watch_of(world, draw=draw, is_shown=is_shown)), world)
    assert job.version == len(world.moments)
    assert job.phase == world.end
    assert job.result == world.job_at(job.version)["result"]
    versions = [one.version for one in shown]
    assert versions == sorted(set(versions))
    if is_shown:
        assert shown[-1] == job


@given(WORLDS, st.floats(0, 300))
def test_a_wait_ends_at_its_deadline_and_not_before(world: World, timeout_s: float) -> None:
    try:
        job, _ = run(wait_for_end(watch_of(world, deadline=timeout_s)), world)
    except WaitTimeout as error:
        assert world.now >= timeout_s
        assert world.now <= timeout_s + 31 + HOLD_S
        assert error.job is None or not error.job.is_final
    else:
        assert job.is_final


@given(WORLDS)
def test_what_was_seen_is_never_taken_back(world: World) -> None:
    known = Job(id=JOB_ID, phase="running", version=2)
    _, shown = run(wait_for_end(watch_of(world, is_shown=True, seen=known)), world)
    versions = [one.version for one in shown if not one.is_final]
    assert versions == sorted(versions)
    assert versions[0] == 2


def test_a_server_that_holds_is_asked_once() -> None:
    world = World([0.0, 1.0, 25.0])
    job, _ = run(wait_for_end(watch_of(world)), world)
    assert job.phase == "completed"
    assert len(world.asked) == 1
    assert world.now == pytest.approx(25.0)


def test_a_hold_that_reaches_its_limit_is_repeated_at_once() -> None:
    world = World([0.0, 100.0], Server(retry_after_s=60))
    run(wait_for_end(watch_of(world)), world)
    assert [round(at) for at, _ in world.asked] == [0, 30, 60, 90]


def test_a_server_that_is_about_to_go_and_answers_at_once_is_asked_as_its_retry_after_says() -> None:
    world = World([0.0, 100.0], Server(holds="brief", retry_after_s=10))
    run(wait_for_end(watch_of(world, seen=Job(id=JOB_ID, phase="waiting", version=1))), world)
    assert len(world.asked) <= 11


def test_what_moves_all_the_time_is_asked_for_once_a_second() -> None:
    world = World([step * 0.01 for step in range(1_000)], Server(holds="moved"))
    run(wait_for_end(watch_of(world, is_shown=True)), world)
    assert len(world.asked) <= 11


def test_a_server_that_ignores_the_wait_is_heard_by_its_stream() -> None:
    world = World([0.0, 500.0], Server(holds="ignored", says_held=False))
    run(wait_for_end(watch_of(world)), world)
    assert [request.path.rpartition("/")[2] for _, request in world.asked] == [JOB_ID, JOB_ID, "events", JOB_ID]
    assert world.now == pytest.approx(500.0, abs=0.1)


def test_when_the_stream_tells_the_end_an_earlier_retry_after_is_void() -> None:
    world = World([0.0, 40.0], Server(holds="ignored", says_held=False, retry_after_s=60))
    run(wait_for_end(watch_of(world, seen=Job(id=JOB_ID, phase="waiting", version=1))), world)
    assert len(world.asked) == 3
    assert world.now == pytest.approx(40.0, abs=0.1)


@pytest.mark.parametrize("streams", ["absent", "swallowed", "refused"])
def test_without_a_stream_it_polls_as_often_as_the_server_allows(streams: str) -> None:
    world = World([0.0, 500.0], Server(holds="ignored", says_held=False, streams=streams, retry_after_s=20))
    run(wait_for_end(watch_of(world)), world)
    assert len(world.asked) <= 500 / 20 + 6
    assert 500 <= world.now <= 500 + 22 + 1


def test_without_any_word_from_the_server_polls_become_rarer() -> None:
    world = World(
        [0.0, 1_000.0], Server(holds="ignored", says_held=False, streams="absent", retry_after_s=None, has_etag=True)
    )
    run(wait_for_end(watch_of(world)), world)
    times = [at for at, _ in world.asked]
    gaps = [later - earlier for earlier, later in pairwise(times[3:])]
    assert gaps == sorted(gaps) or max(gaps) == pytest.approx(gaps[-1], abs=0.1)
    assert len(times) < 120


def test_polls_tell_the_etag_they_know() -> None:
    world = World([0.0, 60.0], Server(holds="refused", streams="absent", retry_after_s=5))
    run(wait_for_end(watch_of(world)), world)
    told = [dict(request.headers).get("if-none-match") for _, request in world.asked]
    assert told[-1] == '"1"'


def test_somebody_who_looks_on_sees_it_every_two_seconds() -> None:
    world = World([0.0, 20.0])
    run(wait_for_end(watch_of(world, is_shown=True)), world)
    assert {dict(request.headers)["prefer"] for _, request in world.asked} == {f"wait={SHOWN_HOLD_S}"}
    assert len(world.asked) == 10


def test_at_no_time_to_wait_it_asks_exactly_once() -> None:
    world = World([0.0, 20.0])
    with pytest.raises(WaitTimeout) as raised:
        run(wait_for_end(watch_of(world, deadline=0.0)), world)
    assert len(world.asked) == 1
    assert raised.value.job is not None and raised.value.job.phase == "waiting"


def test_an_outage_that_lasts_too_long_is_told() -> None:
    world = World([0.0, 9_000.0], troubles=["fault"] * 500)
    with pytest.raises(ServerFault):
        run(wait_for_end(watch_of(world, retries=Retries(outage_s=300))), world)
    assert 300 <= world.now <= 400


def test_failures_with_answers_between_them_are_no_outage() -> None:
    server = Server(holds="refused", streams="absent", retry_after_s=20)
    world = World([0.0, 3_000.0], server, troubles=["none", *["fault", "none"] * 100])
    job, _ = run(wait_for_end(watch_of(world, retries=Retries(outage_s=60))), world)
    assert job.is_final


def test_an_outage_that_ends_in_time_is_outlived() -> None:
    world = World([0.0, 9_000.0], troubles=["none", *["cut"] * 11])
    job, _ = run(wait_for_end(watch_of(world, retries=Retries(outage_s=300))), world)
    assert job.is_final


class Refusing(World):
    def perform(self, step):
        self.now += 1
        return self.answer


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(404, {"content-type": "application/problem+json"}, b'{"code":"not_found","detail":"no"}'), NotFound),
        (Answer(302, {"location": "https://login.example"}), BadAnswer),
        (Answer(200, {"content-type": "text/html"}, b"<html>"), BadAnswer),
        (Answer(200, {"content-type": "application/json"}, b'{"phase": "completed"}'), BadAnswer),
        (Answer(200, {"content-type": "application/json"}, b'{"id": "job_\xff"}'), BadAnswer),
        (Answer(304, {}), BadAnswer),
    ],
    ids=["absent", "redirect", "page", "no id", "no text", "304 from nothing"],
)
def test_what_will_not_pass_is_told_at_once(answer: Answer, error: type[Exception]) -> None:
    world = Refusing([0.0])
    world.answer = answer
    with pytest.raises(error):
        run(wait_for_end(watch_of(world)), world)
    assert world.now == 1


def test_a_refusal_for_ever_ends_with_it() -> None:
    world = Refusing([0.0])
    world.answer = Answer(429, {"retry-after": "10"})

    def perform(step):
        if type(step).__name__ == "Pause":
            world.now += step.seconds
            return None
        return world.answer

    world.perform = perform
    with pytest.raises(RateLimited) as raised:
        run(wait_for_end(watch_of(world, retries=Retries(outage_s=60))), world)
    assert raised.value.retry_after_s == 10
