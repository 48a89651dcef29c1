"""What the client sends and makes of the answers: wire cases as tables, batches that are too large or unknown."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from client_world import run

from jobwire.client.errors import (
    BadAnswer,
    ClientError,
    InvalidRequest,
    JobCancelled,
    JobExpired,
    JobFailed,
    RateLimited,
    Unauthorized,
    Unavailable,
)
from jobwire.client.flows import Flows, take_result
from jobwire.client.models import Failure, Job
from jobwire.client.retrying import Session
from jobwire.client.steps import Answer, Cut, Pause, Send
from jobwire.client.submitting import BATCH_JOBS_MAX

TYPE = {"content-type": "application/json"}


def told(status: int, body, **headers: str) -> Answer:
    return Answer(status, TYPE | headers, json.dumps(body).encode())


class Wire:
    """Answers each request by a function; keeps what was sent."""

    def __init__(self, answer) -> None:
        self.answer = answer
        self.now = 0.0
        self.sent = []
        self.keys = iter(f"key{number}" for number in range(1_000_000))
        self.flows = Flows(Session(lambda: self.now, lambda: 0.5), lambda: next(self.keys))

    def perform(self, step):
        if isinstance(step, Pause):
            self.now += step.seconds
            return None
        assert isinstance(step, Send)
        self.sent.append(step.request)
        return self.answer(step.request)

    def run(self, flow):
        return run(flow, self)[0]


SENT = [
    ({}, {}),
    ({"queue": "slow", "priority": 0}, {"queue": "slow", "priority": 0}),
    ({"queue": None, "tags": None, "run_at": None}, {}),
    ({"delay": 1.5, "max_wait": "30s"}, {"delay": 1.5, "max_wait": "30s"}),
    ({"delay": timedelta(minutes=2), "max_wait": timedelta(seconds=3)}, {"delay": 120.0, "max_wait": 3.0}),
    ({"run_at": datetime(2031, 3, 4, 5, 6, 7, tzinfo=UTC)}, {"run_at": "2031-03-04T05:06:07+00:00"}),
    (
        {"deadline": datetime(2031, 3, 4, tzinfo=timezone(timedelta(hours=2)))},
        {"deadline": "2031-03-04T00:00:00+02:00"},
    ),
    ({"run_at": "2031-03-04T05:06:07Z"}, {"run_at": "2031-03-04T05:06:07Z"}),
    ({"tags": ("a", "b"), "concurrency_key": "k"}, {"tags": ["a", "b"], "concurrency_key": "k"}),
    ({"webhook": {"url": "https://x.example"}}, {"webhook": {"url": "https://x.example"}}),
]


@pytest.mark.parametrize(("options", "fields"), SENT)
def test_a_submission_is_spelled_as_the_api_has_it(options, fields) -> None:
    wire = Wire(lambda request: told(202, {"id": "job_1"}))
    assert wire.run(wire.flows.submit("report", {"n": 1}, options)).id == "job_1"
    [request] = wire.sent
    assert (request.method, request.path) == ("POST", "/jobs")
    assert json.loads(request.body) == {"kind": "report", "input": {"n": 1}} | fields
    assert dict(request.headers) == {"content-type": "application/json", "idempotency-key": "key0"}


def test_an_own_key_goes_before_a_made_one_and_stays_through_repetitions() -> None:
    answers = iter([Cut("reset"), told(503, {"code": "unavailable"}), told(202, {"id": "job_1"})])
    wire = Wire(lambda request: next(answers))
    wire.run(wire.flows.submit("report", None, {"idempotency_key": "order-1"}))
    assert [dict(request.headers)["idempotency-key"] for request in wire.sent] == ["order-1"] * 3
    assert json.loads(wire.sent[0].body) == {"kind": "report", "input": {}}


def accept(request, *, jobs_max: int = BATCH_JOBS_MAX, by: str = "job") -> Answer:
    """A server with batches."""
    drafts = json.loads(request.body)
    if len(drafts) > jobs_max:
        return told(413, {"code": "payload_too_large"})
    results = []
    for draft in drafts:
        job_id = f"job_{draft['idempotency_key']}"
        results.append({"status": 202, "job": {"id": job_id}} if by == "job" else {"status": 202, "id": job_id})
    return told(200, {"results": results})


@pytest.mark.parametrize(("count", "calls"), [(0, 0), (1, 1), (BATCH_JOBS_MAX, 1), (BATCH_JOBS_MAX + 1, 2)])
def test_ten_thousand_jobs_are_one_call(count: int, calls: int) -> None:
    wire = Wire(accept)
    submitted = wire.run(wire.flows.submit_many([{"kind": "a"}] * count, is_atomic=False))
    assert [job.id for job in submitted] == [f"job_key{number}" for number in range(count)]
    assert len(wire.sent) == calls
    assert {request.path for request in wire.sent} <= {"/jobs/batch"}


def test_all_or_none_is_one_call_or_none() -> None:
    wire = Wire(accept)
    assert len(wire.run(wire.flows.submit_many([{"kind": "a"}] * BATCH_JOBS_MAX, is_atomic=True))) == BATCH_JOBS_MAX
    assert wire.sent[0].query == (("atomic", "true"),)
    with pytest.raises(ValueError, match="10001"):
        wire.run(wire.flows.submit_many([{"kind": "a"}] * (BATCH_JOBS_MAX + 1), is_atomic=True))
    assert len(wire.sent) == 1


def test_a_batch_that_is_too_large_is_halved_and_keeps_its_order() -> None:
    wire = Wire(lambda request: accept(request, jobs_max=3))
    submitted = wire.run(wire.flows.submit_many([{"kind": "a"}] * 10, is_atomic=False))
    assert [job.id for job in submitted] == [f"job_key{number}" for number in range(10)]
    atomic = Wire(lambda request: accept(request, jobs_max=3))
    with pytest.raises(InvalidRequest):
        atomic.run(atomic.flows.submit_many([{"kind": "a"}] * 10, is_atomic=True))
    assert len(atomic.sent) == 1


def test_a_job_that_is_too_large_alone_is_told() -> None:
    wire = Wire(lambda request: told(413, {"code": "payload_too_large"}))
    with pytest.raises(InvalidRequest) as refused:
        wire.run(wire.flows.submit_many([{"kind": "a"}], is_atomic=False))
    assert refused.value.code == "payload_too_large"


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_batches_gets_the_jobs_one_by_one(status: int) -> None:
    def answer(request):
        if request.path == "/jobs/batch":
            return told(status, {"code": "no_route"})
        kind = json.loads(request.body)["kind"]
        return told(202, {"id": f"job_{kind}"}) if kind != "bad" else told(400, {"code": "invalid_request"})

    wire = Wire(answer)
    submitted = wire.run(wire.flows.submit_many([{"kind": "a"}, {"kind": "bad"}, {"kind": "b"}], is_atomic=False))
    assert [getattr(one, "id", None) or one.code for one in submitted] == ["job_a", "invalid_request", "job_b"]
    assert [dict(request.headers).get("idempotency-key") for request in wire.sent] == [None, "key0", "key1", "key2"]


def test_what_is_wrong_for_all_is_not_told_once_a_job() -> None:
    answers = {"/jobs/batch": told(405, {}), "/jobs": told(401, {"code": "unauthorized"})}
    wire = Wire(lambda request: answers[request.path])
    with pytest.raises(Unauthorized):
        wire.run(wire.flows.submit_many([{"kind": "a"}] * 5, is_atomic=False))
    assert len(wire.sent) == 2


def test_the_results_of_a_batch_are_jobs_ids_or_refusals() -> None:
    problem = {"code": "invalid_request", "detail": "/input: no", "errors": [{"pointer": "/input", "detail": "no"}]}
    results = [
        {"status": 202, "job": {"id": "job_1", "kind": "a", "phase": "waiting"}},
        {"status": 202, "index": 1, "id": "job_2", "replayed": True, "links": {}},
        {"status": 400, "index": 2, "error": problem},
        {"status": 429, "error": {"code": "backlog_full"}},
        {"status": 503},
    ]
    wire = Wire(lambda request: told(200, {"accepted": 2, "results": results}))
    first, second, third, fourth, fifth = wire.run(wire.flows.submit_many([{"kind": "a"}] * 5, is_atomic=False))
    assert (first.phase, second.id, second.kind) == ("waiting", "job_2", "a")
    assert isinstance(third, InvalidRequest) and third.errors == ({"pointer": "/input", "detail": "no"},)
    assert isinstance(fourth, RateLimited) and isinstance(fifth, Unavailable)


@pytest.mark.parametrize("body", [{"results": []}, {"results": [{"status": 202, "id": "job_1"}] * 2}, {}, [], "x"])
def test_a_batch_answer_that_does_not_fit_is_no_answer(body) -> None:
    wire = Wire(lambda request: told(200, body))
    with pytest.raises(BadAnswer):
        wire.run(wire.flows.submit_many([{"kind": "a"}], is_atomic=False))


def test_a_rerun_tells_only_what_changes() -> None:
    wire = Wire(lambda request: told(202, {"id": "job_2", "rerun_of": "job_1"}))
    assert wire.run(wire.flows.rerun("job_1", {"from_step": None, "input": None}, key=None)).rerun_of == "job_1"
    wire.run(wire.flows.rerun("job_1", {"from_step": "write", "input": {"n": 2}}, key="again-1"))
    bare, full = wire.sent
    assert (bare.body, dict(bare.headers)) == (None, {"idempotency-key": "key0"})
    assert json.loads(full.body) == {"from_step": "write", "input": {"n": 2}}
    assert dict(full.headers)["idempotency-key"] == "again-1"


ENDS = [
    (Job(id="job_1", phase="failed", error=Failure(code="no", message="No.", retryable=True)), JobFailed, "no", True),
    (Job(id="job_1", phase="failed"), JobFailed, "job_failed", False),
    (Job(id="job_1", phase="cancelled"), JobCancelled, "job_cancelled", False),
    (Job(id="job_1", phase="expired", error=Failure(code="expired", message="Late.")), JobExpired, "expired", False),
]


@pytest.mark.parametrize(("job", "error", "code", "retryable"), ENDS)
def test_a_job_without_a_result_says_why(job, error, code: str, retryable: bool) -> None:
    with pytest.raises(error) as ended:
        take_result(job)
    assert (ended.value.code, ended.value.retryable, ended.value.job) == (code, retryable, job)
    assert isinstance(ended.value, ClientError)


def test_a_later_servers_words_are_passed_over() -> None:
    job = {"id": "job_1", "phase": "paused", "colour": "red", "progress": {"percent": 3.5, "speed": 9}, "links": {}}
    wire = Wire(lambda request: told(200, job))
    known = wire.run(wire.flows.get("job_1"))
    assert (known.phase, known.progress.percent, known.is_final) == ("paused", 3.5, False)
    job["finalized_at"] = "2031-03-04T05:06:07.089Z"
    assert wire.run(wire.flows.get("job_1")).is_final


def test_a_refused_job_of_a_batch_says_when_to_come_back():
    problem = {"code": "backlog_full", "detail": "full"}
    results = [{"index": 0, "status": 429, "error": problem, "retry_after_s": 7}]
    wire = Wire(lambda _: told(200, {"results": results}))
    [refused] = wire.run(wire.flows.submit_many([{"kind": "echo"}], is_atomic=False))
    assert isinstance(refused, RateLimited) and refused.retry_after_s == 7
