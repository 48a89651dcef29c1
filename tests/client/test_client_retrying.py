"""A call is repeated only after what may pass, never too early, and not for ever."""

import pytest
from client_world import run
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwire.client.answers import RETRY_AFTER_S_MAX, find_fault, read_retry_after
from jobwire.client.errors import (
    CallRefused,
    ClientError,
    Conflict,
    ConnectionLost,
    Forbidden,
    Gone,
    InvalidRequest,
    NotFound,
    RateLimited,
    ServerFault,
    Unauthorized,
    Unavailable,
    Unprocessable,
)
from jobwire.client.retrying import Retries, Session, make_call
from jobwire.client.steps import Answer, Cut, Pause, Request, Send

OK = Answer(200, {}, b"{}")
LOST, UNSENT, LASTING = Cut("reset"), Cut("refused", may_have_arrived=False), Cut("bad certificate", is_lasting=True)


def refusal(status: int, code: str = "x", **headers: str) -> Answer:
    return Answer(status, {"content-type": "application/problem+json"} | headers, b'{"code": "%s"}' % code.encode())


BUSY = refusal(429, "rate_limited", **{"retry-after": "7"})
TOLD = st.sampled_from([
    OK, LOST, UNSENT, LASTING, BUSY, refusal(429, "backlog_full", **{"retry-after": "7"}),
    refusal(503, "unavailable", **{"retry-after": "2"}), refusal(503, "overloaded"), Answer(502, {}), Answer(504, {}),
    refusal(500, "internal"), refusal(400), refusal(409, "conflict"), refusal(422),
    refusal(409, "in_flight", **{"retry-after": "1"}), Answer(302, {"location": "/x"}),
])  # fmt: skip


class Script:
    """Answers in their order, and what was asked when."""

    def __init__(self, *told) -> None:
        self.told = list(told)
        self.now = 0.0
        self.sent: list[float] = []
        self.paused: list[float] = []

    def perform(self, step):
        if isinstance(step, Pause):
            self.now += step.seconds
            self.paused.append(step.seconds)
            return None
        assert isinstance(step, Send)
        self.sent.append(self.now)
        self.now += 0.1
        return self.told[len(self.sent) - 1]


def call(request: Request, *told, retries: Retries | None = None, draw: float = 0.5, call_s: float = 120.0):
    script = Script(*told)
    session = Session(lambda: script.now, lambda: draw, retries or Retries(), call_s=call_s)
    try:
        return run(make_call(request, session), script)[0], script
    except ClientError as error:
        return error, script


READ = Request("GET", "/jobs/x")
SUBMIT = Request("POST", "/jobs", body=b"{}")


@pytest.mark.slow
@settings(max_examples=400)
@given(st.sampled_from([READ, SUBMIT]), st.lists(TOLD, min_size=5, max_size=5), st.floats(0, 0.999))
def test_repetitions_are_late_enough_and_few(request: Request, told: list, draw: float) -> None:
    came, script = call(request, *told, draw=draw)
    used = told[: len(script.sent)]
    assert len(used) <= 5
    assert isinstance(came, Answer) == (used[-1] is OK)
    assert OK not in used[:-1]
    assert LASTING not in used[:-1]
    for answer, pause_s in zip(used, script.paused, strict=False):
        asked_s = 0 if isinstance(answer, Cut) else float(answer.headers.get("retry-after", 0))
        assert pause_s >= max(asked_s, 0.25)
        assert pause_s <= max(asked_s * 1.1, 30)


REPEATED = [
    ("a lost answer to a read", READ, LOST, True),
    ("a lost answer to a submission with its key", SUBMIT, LOST, True),
    ("a bad certificate", READ, LASTING, False),
    ("too many calls", SUBMIT, BUSY, True),
    ("a full backlog is the answer", SUBMIT, refusal(429, "backlog_full"), False),
    ("a wait that would be too long is the answer", SUBMIT, refusal(503, "overloaded"), False),
    ("a closed ledger", SUBMIT, refusal(503, "unavailable"), True),
    ("a gateway", READ, Answer(502, {}), True),
    ("the first with this key is under way", SUBMIT, refusal(409, "in_flight", **{"retry-after": "1"}), True),
    ("a conflict", SUBMIT, refusal(409, "conflict"), False),
    ("a fault of the server", READ, refusal(500, "internal"), False),
    ("a wrong field", SUBMIT, refusal(400), False),
]


@pytest.mark.parametrize(("request_", "told", "is_repeated"), [c[1:] for c in REPEATED], ids=[c[0] for c in REPEATED])
def test_what_is_repeated(request_: Request, told, is_repeated: bool) -> None:
    came, script = call(request_, told, OK)
    assert (len(script.sent) == 2) == is_repeated
    assert isinstance(came, Answer) == is_repeated


@pytest.mark.parametrize("attempts_max", [1, 3])
def test_there_are_at_most_so_many_attempts(attempts_max: int) -> None:
    came, script = call(READ, *[LOST] * 10, retries=Retries(attempts_max=attempts_max))
    assert isinstance(came, ConnectionLost) and came.may_have_arrived
    assert len(script.sent) == attempts_max


def test_pauses_double_to_the_longest() -> None:
    retries = Retries(attempts_max=7, first_s=1, longest_s=8)
    assert call(READ, *[LOST] * 7, retries=retries, draw=0.0)[1].paused == [0.5, 1, 2, 4, 4, 4]


def test_a_call_does_not_sleep_beyond_its_time() -> None:
    came, script = call(READ, refusal(429, "rate_limited", **{"retry-after": "7"}), OK, call_s=7.4)
    assert isinstance(came, RateLimited) and came.retry_after_s == 7
    assert script.paused == []
    assert isinstance(call(READ, BUSY, OK, call_s=7.5)[0], Answer)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidRequest), (401, Unauthorized), (403, Forbidden), (404, NotFound), (405, InvalidRequest),
        (409, Conflict), (410, Gone), (413, InvalidRequest), (415, InvalidRequest), (422, Unprocessable),
        (429, RateLimited), (500, ServerFault), (501, ServerFault), (502, Unavailable), (503, Unavailable),
        (504, Unavailable),
    ],
)  # fmt: skip
def test_every_status_has_its_error(status: int, error: type[CallRefused]) -> None:
    fault = find_fault(refusal(status, "some_code"))
    assert type(fault) is error
    assert (fault.status, fault.code) == (status, "some_code")


def test_an_error_carries_all_that_the_server_told() -> None:
    body = (
        b'{"title":"Bad Request","status":400,"code":"invalid_request","detail":"/kind: unknown",'
        b'"request_id":"req_1","errors":[{"pointer":"/kind","detail":"unknown"}],"details":{"limit":3}}'
    )
    fault = find_fault(Answer(400, {"content-type": "application/problem+json", "retry-after": "3"}, body))
    assert isinstance(fault, InvalidRequest)
    assert fault.errors == ({"pointer": "/kind", "detail": "unknown"},)
    assert (fault.details, fault.retry_after_s, fault.request_id) == ({"limit": 3}, 3.0, "req_1")
    assert str(fault) == "/kind: unknown (400 invalid_request, request req_1)"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"code": 7, "errors": 3, "details": []}', b'{"x": "\xff"}', b"null"]
)
def test_a_strange_refusal_is_an_error_all_the_same(body: bytes) -> None:
    fault = find_fault(Answer(503, {"content-type": "application/json", "x-request-id": "req_9"}, body))
    assert isinstance(fault, Unavailable)
    assert fault.request_id == "req_9"
    assert fault.errors == () and fault.details == {}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0),
        ({"retry-after": " 12 "}, 12),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": str(RETRY_AFTER_S_MAX)}, RETRY_AFTER_S_MAX),
        ({"retry-after": str(RETRY_AFTER_S_MAX + 1)}, RETRY_AFTER_S_MAX),
        ({"retry-after": "9" * 400}, RETRY_AFTER_S_MAX),
        ({"retry-after": "Tue, 04 Mar 2031 05:06:37 GMT", "date": "Tue, 04 Mar 2031 05:06:07 GMT"}, 30),
        ({"retry-after": "Tue, 04 Mar 2031 05:06:00 GMT", "date": "Tue, 04 Mar 2031 05:06:07 GMT"}, 0),
        ({"retry-after": "Tue, 04 Mar 2031 05:06:37 GMT"}, None),
    ],
)
def test_retry_after_is_read_as_a_number_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers) == seconds
