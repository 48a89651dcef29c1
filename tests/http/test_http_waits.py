"""Calls that wait: answered at the end of the job, or with what is when their time is up, never with an error."""

import socket

import pytest
from http_house import open_house
from waiting_callers import Callers, until

from jobwire.dialects.spec import WAIT_S_MAX
from jobwire.domain.outcome import PublicError
from jobwire.service import watching as service_watching
from jobwire.service.seats import Seats

SUBMISSION = {"kind": "echo", "input": {"text": "hi"}}
LONG = {"wait": "30"}


@pytest.fixture
def callers(house):
    opened = Callers(house)
    yield opened
    house.app.end_waits()
    opened.close()


@pytest.fixture
def path(client):
    return client.post("/v1/jobs", json=SUBMISSION).headers["location"]


def test_a_read_that_waits_is_answered_when_the_job_ends(house, client, callers, path):
    answer = callers.call(client, "GET", path, params=LONG)
    house.complete()
    told = answer.result(20)
    assert (told.status_code, told.json()["phase"], told.json()["result"]) == (200, "completed", {"text": "hi"})
    assert "retry-after" not in told.headers and "preference-applied" not in told.headers
    assert house.services.watching.waits.taken == 0 == house.services.watching.tail.open_watches


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_every_end_is_an_end(house, client, callers, path, end):
    answer = callers.call(client, "GET", path, params=LONG)
    if end == "fail":
        house.fail(PublicError("broken", "It broke"))
    else:
        client.post(f"{path}/cancel")
    assert answer.result(20).json()["phase"] == {"fail": "failed", "cancel": "cancelled"}[end]


def test_when_the_time_is_up_the_job_is_told_as_it_is(house, client, path):
    told = client.get(path, params={"wait": "0.05"})
    assert (told.status_code, told.json()["phase"], told.headers["retry-after"]) == (200, "waiting", "1")
    house.claim()
    assert client.get(path, params={"wait": "0.05s"}).json()["phase"] == "running"


def test_a_job_that_has_ended_is_told_at_once(house, client, path):
    house.complete()
    for wait in ("0", "60", "60s", "59.5"):
        assert client.get(path, params={"wait": wait}).json()["phase"] == "completed"


def test_who_names_what_it_has_seen_is_told_the_first_change(house, client, callers, path):
    seen = {"If-None-Match": client.get(path).headers["etag"]}
    answer = callers.call(client, "GET", path, params=LONG, headers=seen)
    [claim] = house.claim()
    assert answer.result(20).json()["phase"] == "running"
    seen = {"If-None-Match": answer.result().headers["etag"]}
    answer = callers.call(client, "GET", path, params=LONG, headers=seen)
    house.report(claim, '{"percent": 40.0}')
    assert answer.result(20).json()["progress"]["percent"] == 40.0


def test_who_has_seen_something_older_is_told_at_once_and_who_sees_no_change_gets_304(client, path):
    assert client.get(path, params=LONG, headers={"If-None-Match": '"0"'}).status_code == 200
    seen = {"If-None-Match": client.get(path).headers["etag"]}
    assert client.get(path, params={"wait": "0.05"}, headers=seen).status_code == 304


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=5", "wait=5"), ("Wait = 5", "wait=5"), ('wait="5"', "wait=5"), ("respond-async, wait=5", "wait=5"),
        (f"wait={WAIT_S_MAX}", f"wait={WAIT_S_MAX}"), (f"wait={WAIT_S_MAX + 1}", f"wait={WAIT_S_MAX}"),
        ("wait=" + "9" * 40, f"wait={WAIT_S_MAX}"), ("wait=5, wait=7", "wait=5"), ("wait=5; x=1", "wait=5"),
        ("wait=soon", None), ("wait=-1", None), ("wait", None), ("handling=strict", None), ("wait=1.5", None),
        ("wait=٣", None),
    ],
)  # fmt: skip
def test_a_preference_is_followed_as_far_as_it_can_be(house, client, path, prefer, applied):
    house.complete()
    told = client.get(path, headers={"Prefer": prefer.encode()})
    assert (told.status_code, told.headers.get("preference-applied")) == (200, applied)


def test_the_field_beats_the_preference(house, client, path):
    house.complete()
    told = client.get(path, params={"wait": "1"}, headers={"Prefer": "wait=2"})
    assert "preference-applied" not in told.headers


@pytest.mark.parametrize("wait", [str(WAIT_S_MAX + 1), "60.1", "-1", "soon", "", "1e1", "NaN", "9" * 30, "1m", "٣"])
def test_a_wait_that_is_none_is_refused_with_its_bounds(house, client, path, wait):
    refused = client.get(path, params={"wait": wait})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    [fault] = refused.json()["errors"]
    assert fault["pointer"] == "/wait" and f"0 to {WAIT_S_MAX}" in fault["detail"]
    assert client.post("/v1/jobs", json=SUBMISSION, params={"wait": wait}).status_code == 400
    assert len(client.get("/v1/jobs").json()["jobs"]) == 1


def test_a_submission_that_waits_is_answered_with_the_finished_job(house, client, callers):
    answer = callers.call(client, "POST", "/v1/jobs", json=SUBMISSION, params=LONG)
    house.complete()
    told = answer.result(20)
    assert (told.status_code, told.json()["phase"]) == (200, "completed")
    assert told.headers["location"] == told.json()["links"]["self"] and "retry-after" not in told.headers


def test_a_submission_whose_time_is_up_is_accepted(client):
    told = client.post("/v1/jobs", json=SUBMISSION, params={"wait": "0.05"})
    assert (told.status_code, told.json()["phase"], told.headers["retry-after"]) == (202, "waiting", "1")


def test_a_submission_without_a_wait_says_that_it_was_asynchronous(client):
    told = client.post("/v1/jobs", json=SUBMISSION, headers={"Prefer": "respond-async"})
    assert (told.status_code, told.headers["preference-applied"]) == (202, "respond-async")
    told = client.post("/v1/jobs", json=SUBMISSION, headers={"Prefer": "respond-async, wait=0"})
    assert told.headers["preference-applied"] == "respond-async, wait=0"


def test_many_who_wait_for_one_job_are_all_told(house, client, callers, path):
    answers = [callers.call(client, "GET", path, params=LONG) for _ in range(20)]
    assert house.services.watching.waits.taken == 20
    house.complete()
    assert {answer.result(20).json()["phase"] for answer in answers} == {"completed"}


def test_somebody_elses_job_is_not_there_however_long_one_waits(house, stranger, path):
    assert stranger.get(path, params=LONG).status_code == 404


def test_a_key_has_its_share_of_the_waiting_calls(house, client, stranger, callers, path):
    house.services.watching.waits = Seats("waiting calls", all_max=3, key_max=2)
    mine = [callers.call(client, "GET", path, params=LONG) for _ in range(2)]
    refused = client.get(path, params=LONG)
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, "rate_limited", "5")
    assert refused.json()["type"] == "about:blank" and "violated-policies" not in refused.json()
    assert client.get(path).status_code == 200
    theirs = stranger.post("/v1/jobs", json={**SUBMISSION, "delay": 60}).headers["location"]
    mine.append(callers.call(stranger, "GET", theirs, params=LONG))
    refused = stranger.get(theirs, params=LONG)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    # A job that is stored is never answered with a refusal.
    assert stranger.post("/v1/jobs", json=SUBMISSION, params=LONG).status_code == 202
    house.app.end_waits()
    assert [answer.result(20).status_code for answer in mine] == [200] * 3


def test_the_shares_are_as_documented(house):
    watching = house.services.watching
    for _ in range(service_watching.WAITS_KEY_MAX):
        watching.waits.take("k")
    with pytest.raises(Exception, match="2000 open waiting calls and may have 2000"):
        watching.waits.take("k")
    assert service_watching.WAITS_MAX == 20_000 and watching.waits.taken == 2_000


def test_who_hangs_up_gives_its_seat_back(house, client, key, path):
    host, port = house.url.removeprefix("http://").split(":")
    watching = house.services.watching
    with socket.create_connection((host, int(port))) as caller:
        caller.sendall(f"GET {path}?wait=30 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        until(lambda: watching.waits.taken == 1)
    until(lambda: watching.waits.taken == 0 and watching.tail.open_watches == 0)


def test_a_server_that_stops_answers_everyone_who_waits(house, client, callers, path):
    answer = callers.call(client, "GET", path, params=LONG)
    house.app.end_waits()
    assert answer.result(20).json()["phase"] == "waiting"
    assert client.get(path, params=LONG).json()["phase"] == "waiting"


def test_a_final_job_may_be_kept_by_its_caller_and_a_live_one_may_not(house, client, path):
    assert client.get(path).headers["cache-control"] == "private, no-cache"
    house.complete()
    told = client.get(path)
    assert told.headers["cache-control"] == "private, max-age=300"
    assert told.headers["vary"] == "Authorization, X-API-Key"
    assert client.head(path).headers["etag"] == told.headers["etag"]
    again = client.get(path, headers={"If-None-Match": told.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "private, max-age=300")


def test_what_was_polled_is_counted(house, client, path):
    ops = house.make_key("ops", scopes=("metrics:read",))
    client.get(path)
    house.complete()
    client.get(path)
    with house.client(ops) as operator:
        for where in ("/metrics", "/v1/metrics"):
            told = operator.get(where)
            assert told.headers["content-type"].startswith("text/plain; version=0.0.4")
            lines = dict(line.split(" ") for line in told.text.splitlines() if not line.startswith("#"))
            assert (lines["jobwire_polls_total"], lines["jobwire_polls_final_total"]) == ("2", "1")
            assert (lines["jobwire_polls_per_job"], lines["jobwire_waits"]) == ("2", "0")
        assert operator.get(path).status_code == 403
    assert client.get("/metrics").status_code == 403
    with house.client() as nobody:
        assert nobody.get("/metrics").status_code == 401


def test_a_ledger_that_cannot_be_read_ends_a_wait_with_a_refusal_of_its_own(tmp_path):
    with open_house(tmp_path) as house:
        key = house.make_key("ada")
        with house.client(key) as client:
            path = client.post("/v1/jobs", json=SUBMISSION).headers["location"]
            callers = Callers(house)
            answer = callers.call(client, "GET", path, params=LONG)
            house.services.store.close()
            house.app.end_waits()
            assert answer.result(20).status_code == 503
            callers.close()
