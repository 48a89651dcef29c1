"""What an operator may read of a failure never reaches a customer: every route of every dialect is asked."""

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from http_house import House, open_house
from waiting_callers import read_frames

from jobwire.dialects.azure import AZURE
from jobwire.dialects.google import GOOGLE
from jobwire.dialects.native import NATIVE
from jobwire.dialects.spec import Dialect
from jobwire.domain.outcome import Failed, PublicError
from jobwire.service.jobs import Jobs
from jobwire.systems.rentix.dialect import RENTIX
from shop_dialect import SHOP

SECRET = "hunter2"
DIALECTS = (NATIVE, SHOP, AZURE, GOOGLE)
INTERNAL = f'Traceback (most recent call last):\n  File "/srv/{SECRET}.py", line 7\nValueError: {SECRET}'


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[tuple[House, dict[str, str]]]:
    """A house with jobs that failed, were late and will be tried again, each with a secret in its attempt log."""
    with open_house(tmp_path, *DIALECTS) as house, house.client(house.make_key("ada")) as client:
        names = {}
        for retryable in (False, True):
            job = client.post("/v1/jobs", json={"kind": "echo"}).json()
            [claim] = house.claim()
            public = PublicError("broken", "It broke", retryable=retryable, details='{"step":"cut"}')
            house.settle(claim, Failed(public, internal=INTERNAL))
            attempts = house.services.store.attempts(claim.number).result(10)
            assert SECRET in attempts[0].internal
            names[str(claim.number)] = job["id"]
        yield house, names


def calls(dialect: Dialect, number: str, job_id: str) -> Iterator[tuple[str, str]]:
    """Every route, asked for the job."""
    name = number if dialect.job_reference.style == "number" else job_id
    for route in dialect.routes:
        path = route.path.replace("{id}", name)
        query = f"?{dialect.job_reference.name}={name}" if dialect.job_reference.place == "query" else ""
        yield route.method, f"{dialect.mount}{path}{query}"


def test_no_answer_of_any_route_shows_what_is_internal_and_no_log_what_is_secret(
    broken: tuple[House, dict[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    house, names = broken
    key, seen = house.make_key("ada"), 0
    caplog.set_level(logging.DEBUG)
    for dialect in DIALECTS:
        scheme = "ApiKey" if dialect is SHOP else "Bearer"
        # Events come as a list then; the stream of a job that lives has no end.
        headers = {"Authorization": f"{scheme} {key}", "Accept": "application/json"}
        with httpx.Client(base_url=house.url, headers=headers) as client:
            for number, job_id in names.items():
                for method, path in calls(dialect, number, job_id):
                    for body in (None, {"kind": "echo", "phase": "failed"}, [{"kind": "nope"}]):
                        # Who sends no time to the wait of an operation waits long.
                        sent = {"timeout": 0} if path.endswith(":wait") else body
                        answer = client.request(method, path, json=sent)
                        assert answer.status_code < 500
                        assert SECRET not in answer.text and "Traceback" not in answer.text, (method, path)
                        assert SECRET not in str(answer.headers)
                        assert answer.headers["x-request-id"]
                        seen += answer.status_code < 300
    assert seen > 20
    ours = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpcore"))
    assert ours and SECRET not in ours and key not in ours and key.split("_")[2] not in ours


def test_no_stream_of_events_shows_what_is_internal(
    broken: tuple[House, dict[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    house, names = broken
    key = house.make_key("ada")
    caplog.set_level(logging.DEBUG)
    told, mounts = [], set()
    for dialect in DIALECTS:
        for route in dialect.routes:
            if route.action != "events":
                continue
            mounts.add(dialect.mount)
            with house.client(key, headers={"Accept": "text/event-stream"}) as client:
                for job_id in names.values():
                    path = f"{dialect.mount}{route.path.replace('{id}', job_id)}"
                    with client.stream("GET", path, timeout=20) as answer:
                        assert answer.headers["content-type"].startswith("text/event-stream")
                        frames = read_frames(answer.iter_lines())
                        # The stream of a job that will be tried again has no end: it is left at its newest event.
                        lines = [next(frames)]
                        while lines[-1].get("event") not in ("failed", "retried"):
                            lines.append(next(frames))
                    told += lines
                    assert SECRET not in str(answer.headers)
    assert mounts == {"/v1"}
    assert [frame["event"] for frame in told if "event" in frame] == [
        "submitted", "claimed", "failed", "submitted", "claimed", "retried",
    ]  # fmt: skip
    assert SECRET not in str(told) and "Traceback" not in str(told) and "It broke" in str(told)
    ours = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpcore"))
    assert SECRET not in ours and key not in ours


def test_an_accident_of_ours_is_told_by_its_request_id_alone(
    house: House, client: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr(Jobs, "find", fail)
    with caplog.at_level(logging.ERROR):
        answer = client.get("/v1/jobs", headers={"X-Request-Id": "ask-the-log-1"})
    assert (answer.status_code, answer.json()["request_id"]) == (500, "ask-the-log-1")
    assert SECRET not in answer.text and "ask-the-log-1" in caplog.text and SECRET in caplog.text


def test_the_columns_a_dialect_can_show_have_nothing_internal() -> None:
    for dialect in (*DIALECTS, RENTIX):
        assert not [item for item in dialect.job if "internal" in str(item.source) or item.source == "attempts"]


@pytest.mark.parametrize(
    ("sent", "is_kept"),
    [
        ("12345678", True), ("a" * 64, True), ("A.b_c:d-9", True), ("1234567", False), ("a" * 65, False),
        ("with space", False), ("semi;colon", False), ("ünïcödé-id", False), ("", False),
    ],
)  # fmt: skip
def test_a_request_id_is_kept_if_it_is_sane_and_else_replaced_in_every_answer(
    house: House, client: httpx.Client, sent: str, is_kept: bool
) -> None:
    job = client.post("/v1/jobs", json={"kind": "echo"}).json()["links"]["self"]
    paths = [job, "/v1/jobs", "/v1/nowhere", "/healthz", "/readyz", "/openapi.json", "/v1/jobs?limit=-1", "/"]
    for path in paths:
        answer = client.get(path, headers={"X-Request-Id": sent.encode("latin-1")})
        given = answer.headers["x-request-id"]
        assert (given == sent) is is_kept, path
        assert is_kept or given.startswith("req_")
        if answer.status_code >= 400:
            assert answer.json()["request_id"] == given
    with house.client() as nobody:
        refused = nobody.get(job, headers={"X-Request-Id": sent.encode("latin-1")})
        assert (refused.status_code, refused.headers["x-request-id"] == sent) == (401, is_kept)
