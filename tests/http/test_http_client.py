"""The client against a real server: every method, every error, and answers that get lost on the way."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from http_house import House

from jobwire.client import (
    AsyncJobwireClient,
    CallRefused,
    Conflict,
    ConnectionLost,
    InvalidRequest,
    Job,
    JobCancelled,
    JobFailed,
    JobwireClient,
    NotFound,
    Retries,
    Unauthorized,
    Unprocessable,
    WaitTimeout,
)
from jobwire.domain.outcome import PublicError

SOON = Retries(first_s=0.001, longest_s=0.001)


@pytest.fixture
def sdk(house: House, key: str) -> Iterator[JobwireClient]:
    with JobwireClient(house.url, key, retries=SOON) as opened:
        yield opened


class Losing(httpx.HTTPTransport):
    """Loses the answers to the first so many requests, after the server has carried them out."""

    def __init__(self, lost: int) -> None:
        super().__init__()
        self.left = lost
        self.sent: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        response = super().handle_request(request)
        if self.left:
            self.left -= 1
            response.read()
            raise httpx.ReadError("connection reset")
        return response


def test_a_submitted_job_is_told_in_types(house: House, sdk: JobwireClient) -> None:
    job = sdk.submit("echo", {"text": "hi"}, priority=3, tags=["a", "b"])
    assert isinstance(job, Job)
    assert (job.kind, job.phase, job.priority, job.tags) == ("echo", "waiting", 3, ("a", "b"))
    assert job.created_at == datetime(2030, 3, 17, 17, 46, 40, 123_000, tzinfo=UTC)
    assert (job.position, job.is_final, job.root_id) == (0, False, job.id)
    assert sdk.get(job.id) == sdk.get(job)


def test_times_are_given_as_datetimes_and_durations(house: House, sdk: JobwireClient) -> None:
    at = datetime.fromtimestamp(house.clock.now / 1_000, UTC)
    job = sdk.submit("echo", delay=timedelta(minutes=5), deadline=at + timedelta(hours=1), max_wait="1h")
    assert job.phase == "scheduled"
    assert job.run_at == at + timedelta(minutes=5)
    assert job.deadline_at == at + timedelta(hours=1)
    assert sdk.submit("echo", run_at=at + timedelta(minutes=1)).run_at == at + timedelta(minutes=1)


def test_a_time_without_a_zone_and_a_field_that_is_none_are_refused_here(sdk: JobwireClient) -> None:
    with pytest.raises(ValueError, match="zone"):
        sdk.submit("echo", run_at=datetime(2031, 1, 1))  # noqa: DTZ001
    with pytest.raises(TypeError, match="prio"):
        sdk.submit("echo", prio=3)
    with pytest.raises(ValueError, match="ASCII"):
        sdk.submit("echo", idempotency_key="ș")
    with pytest.raises(TypeError, match="kind"):
        sdk.submit_many([{"input": {}}])
    for name in ("", ".", ".."):
        with pytest.raises(ValueError, match="no job's id"):
            sdk.get(name)
    assert list(sdk.list()) == []


def test_a_lost_answer_makes_no_second_job(house: House, key: str) -> None:
    losing = Losing(2)
    with JobwireClient(house.url, key, retries=SOON, transport=losing) as sdk:
        job = sdk.submit("echo", {"text": "once"})
        assert len(losing.sent) == 3
        assert len({request.headers["idempotency-key"] for request in losing.sent}) == 1
        assert [one.id for one in sdk.list()] == [job.id]


def test_lost_answers_of_a_batch_make_no_second_jobs(house: House, key: str) -> None:
    with JobwireClient(house.url, key, retries=SOON, transport=Losing(3)) as sdk:
        submitted = sdk.submit_many([{"kind": "echo"}] * 5)
        assert {job.id for job in submitted} == {one.id for one in sdk.list()}
        assert len(submitted) == 5


def test_a_lost_answer_to_a_cancel_is_no_conflict(house: House, key: str) -> None:
    with JobwireClient(house.url, key, retries=SOON, transport=Losing(0)) as sdk:
        job = sdk.submit("echo")
        sdk._http._transport.left = 1
        assert sdk.cancel(job).phase == "cancelled"


def test_after_too_many_lost_answers_it_says_that_it_may_have_arrived(house: House, key: str) -> None:
    losing = Losing(99)
    retries = Retries(attempts_max=2, first_s=0.001)
    with (
        JobwireClient(house.url, key, retries=retries, transport=losing) as sdk,
        pytest.raises(ConnectionLost) as lost,
    ):
        sdk.submit("echo")
    assert lost.value.may_have_arrived
    assert len(losing.sent) == 2


def test_a_server_that_is_not_there_was_not_reached(key: str) -> None:
    retries = Retries(attempts_max=2, first_s=0.001)
    with JobwireClient("http://127.0.0.1:9", key, retries=retries) as sdk, pytest.raises(ConnectionLost) as lost:
        sdk.me()
    assert not lost.value.may_have_arrived


def test_many_jobs_are_submitted_in_one_call_and_each_is_told_apart(house: House, sdk: JobwireClient) -> None:
    told = sdk.submit_many(
        [{"kind": "echo", "input": {"text": "a"}}, {"kind": "no_such_kind"}, {"kind": "slow", "queue": "slow"}]
    )
    assert isinstance(told[1], CallRefused) and told[1].status >= 400
    assert told[0].kind == "echo" and told[2].kind == "slow"
    assert {one.id for one in sdk.list()} == {told[0].id, told[2].id}


def test_the_same_key_gives_the_same_job_and_refuses_another(sdk: JobwireClient) -> None:
    first = sdk.submit("echo", {"text": "a"}, idempotency_key="order-1")
    assert sdk.submit("echo", {"text": "a"}, idempotency_key="order-1").id == first.id
    with pytest.raises(Unprocessable):
        sdk.submit("echo", {"text": "b"}, idempotency_key="order-1")


def test_a_result_is_what_the_handler_returned(house: House, sdk: JobwireClient) -> None:
    job = sdk.submit("echo", {"text": "hi"})
    house.complete('{"text": "hi"}')
    assert sdk.wait(job).phase == "completed"
    assert sdk.result(job) == {"text": "hi"}
    assert sdk.result(job.id) == {"text": "hi"}


def test_a_failed_job_raises_its_public_error(house: House, sdk: JobwireClient) -> None:
    job = sdk.submit("echo")
    house.fail(PublicError("too_large", "It has 12 pages; the limit is 10.", False, '{"pages": 12}'))
    assert sdk.wait(job).error.code == "too_large"
    with pytest.raises(JobFailed) as failed:
        sdk.result(job)
    assert (failed.value.code, failed.value.retryable) == ("too_large", False)
    assert failed.value.details == {"pages": 12}
    assert failed.value.job.id == job.id
    assert "secret" not in str(failed.value)


def test_a_cancelled_job_has_no_result_and_is_cancelled_once(house: House, sdk: JobwireClient) -> None:
    job = sdk.submit("echo")
    assert sdk.cancel(job).phase == "cancelled"
    assert sdk.cancel(job).phase == "cancelled"
    with pytest.raises(JobCancelled):
        sdk.result(job)
    ended = sdk.submit("echo")
    house.complete()
    with pytest.raises(Conflict):
        sdk.cancel(ended)


def test_a_running_job_is_asked_to_stop(house: House, sdk: JobwireClient) -> None:
    job = sdk.submit("echo")
    [claim] = house.claim()
    house.report(claim, '{"percent": 40.0, "stage": "writing"}')
    running = sdk.get(job)
    assert (running.phase, running.progress.percent, running.progress.stage) == ("running", 40.0, "writing")
    assert sdk.cancel(job).phase == "cancelling"


def test_a_rerun_is_a_new_job_of_the_same_line(house: House, sdk: JobwireClient) -> None:
    job = sdk.submit("echo", {"text": "hi"})
    with pytest.raises(Conflict):
        sdk.rerun(job)
    house.complete()
    again = sdk.rerun(job)
    assert again.id != job.id
    assert (again.rerun_of, again.root_id) == (job.id, job.id)


def test_all_jobs_are_listed_a_page_at_a_time(sdk: JobwireClient) -> None:
    submitted = [sdk.submit("echo", tags=["x"] if number % 2 else None) for number in range(7)]
    assert [job.id for job in sdk.list(page_jobs=3)] == [job.id for job in reversed(submitted)]
    assert len(list(sdk.list(tag="x"))) == 3
    assert list(sdk.list(phase="running")) == []
    assert list(sdk.list(created_after=datetime(2040, 1, 1, tzinfo=UTC))) == []


def test_the_key_knows_whose_it_is(sdk: JobwireClient) -> None:
    me = sdk.me()
    assert me.owner == "ada"
    assert "jobs:write" in me.scopes


def test_refusals_say_what_and_where(house: House, sdk: JobwireClient) -> None:
    with pytest.raises(InvalidRequest) as refused:
        sdk.submit("echo", {"times": "many"})
    assert refused.value.errors[0]["pointer"] == "/input/times"
    assert refused.value.request_id in str(refused.value)
    with pytest.raises(NotFound):
        sdk.get("job_" + "0" * 26)
    with JobwireClient(house.url, "jw_wrong") as wrong, pytest.raises(Unauthorized):
        wrong.me()
    with JobwireClient(house.url) as without, pytest.raises(Unauthorized):
        without.me()


def test_an_id_that_somebody_typed_is_no_other_path(sdk: JobwireClient) -> None:
    for name in ("../me", "x/cancel", "?limit=1", "a#b", "%2e%2e"):
        with pytest.raises(NotFound):
            sdk.get(name)


def test_a_foreign_job_is_an_absent_one(house: House, sdk: JobwireClient) -> None:
    job = sdk.submit("echo")
    with JobwireClient(house.url, house.make_key("eve")) as eve:
        for call in (eve.get, eve.wait, eve.cancel, eve.rerun, lambda job: list(eve.stream(job))):
            with pytest.raises(NotFound):
                call(job.id)


def test_no_time_to_wait_is_one_look(sdk: JobwireClient) -> None:
    job = sdk.submit("echo")
    with pytest.raises(WaitTimeout) as late:
        sdk.wait(job.id, timeout=0)
    assert late.value.job.id == job.id
    assert isinstance(late.value, TimeoutError)


def test_the_url_may_have_a_path_and_the_environment_may_have_both(
    house: House, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in (house.url, f"{house.url}/", f"{house.url}/v1", f"{house.url}/v1/"):
        with JobwireClient(url, key) as sdk:
            assert sdk.me().owner == "ada"
    monkeypatch.setenv("JOBWIRE_URL", house.url)
    monkeypatch.setenv("JOBWIRE_API_KEY", key)
    with JobwireClient() as sdk:
        assert sdk.me().owner == "ada"


@pytest.mark.parametrize("url", ["", "jobs.example", "ftp://x", "http://", "http://a:b@c", "http://a/?x=1"])
def test_what_is_no_url_is_said_to_be_none(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBWIRE_URL", raising=False)
    with pytest.raises(ValueError, match="URL"):
        JobwireClient(url)


def test_the_awaited_client_is_the_same(house: House, key: str) -> None:
    async def use() -> None:
        async with AsyncJobwireClient(house.url, key, retries=SOON) as sdk:
            job = await sdk.submit("echo", {"text": "hi"})
            assert (await sdk.get(job)).phase == "waiting"
            with pytest.raises(WaitTimeout):
                await sdk.wait(job.id, timeout=0)
            await asyncio.to_thread(house.complete)
            assert (await sdk.wait(job)).phase == "completed"
            assert await sdk.result(job) == {"text": "hi"}
            again = await sdk.rerun(job)
            assert again.rerun_of == job.id
            assert (await sdk.cancel(again)).phase == "cancelled"
            batch = await sdk.submit_many([{"kind": "echo"}] * 3)
            assert len(batch) == 3
            assert [one.id async for one in sdk.list(page_jobs=2)][-1] == job.id
            assert (await sdk.me()).owner == "ada"
            async with aclosing(sdk.stream(again)) as events:
                assert [event.is_final async for event in events][-1]
            with pytest.raises(NotFound):
                await sdk.get("job_" + "0" * 26)

    asyncio.run(use())


def test_a_stream_ends_with_the_end(house: House, sdk: JobwireClient) -> None:
    job = sdk.submit("echo")
    house.complete()
    events = list(sdk.stream(job))
    assert events[-1].phase == "completed" and events[-1].is_final
    assert [event.is_final for event in events[:-1]] == [False] * (len(events) - 1)
