"""The events of a job over HTTP, as a stream and as lists: resumed without a gap, cut off where nobody reads."""

import asyncio
import itertools
import json
import socket

import pytest
from http_house import LEASE_MS, WORKER
from waiting_callers import Callers, read_frames, until

from jobwire.domain.outcome import Failed, PublicError
from jobwire.http import events as http_events
from jobwire.http.body import ClientGone
from jobwire.http.events import EventStream
from jobwire.service import watching as service_watching
from jobwire.service.call import Call, Principal
from jobwire.service.seats import Seats
from jobwire.store.contract import ProgressReport

SUBMISSION = {"kind": "echo", "input": {"text": "hi"}}
LIST = {"Accept": "application/json"}


@pytest.fixture
def path(client):
    return client.post("/v1/jobs", json=SUBMISSION).headers["location"] + "/events"


def read_all(client, path, **options):
    """The events of a stream that ends: (id, name, data)."""
    with client.stream("GET", path, timeout=20, **options) as answer:
        assert answer.status_code == 200, answer.read()
        frames = [frame for frame in read_frames(answer.iter_lines()) if "id" in frame]
    return [(int(frame["id"]), frame["event"], json.loads(frame["data"])) for frame in frames]


def test_the_stream_of_a_finished_job_tells_all_and_ends(house, client, path):
    [claim] = house.claim()
    house.report(claim, '{"percent": 40.0}')
    house.settle(claim, Failed(PublicError("broken", "It broke"), internal=""))
    told = read_all(client, path)
    assert [name for _, name, _ in told] == ["submitted", "claimed", "progressed", "failed"]
    assert [data["phase"] for _, _, data in told] == ["waiting", "running", "running", "failed"]
    assert [data["version"] for _, _, data in told] == [1, 2, 3, 4]
    assert sorted({number for number, _, _ in told}) == [number for number, _, _ in told]
    assert [data["event"] for _, _, data in told] == [name for _, name, _ in told]
    assert told[0][2]["at"].endswith("Z") and ["job" in data for _, _, data in told] == [False, False, False, True]
    assert told[-1][2]["job"] == client.get(path.removesuffix("/events")).json()
    assert house.services.watching.streams.taken == 0 == house.services.watching.tail.open_watches


def test_the_stream_of_a_live_job_tells_each_event_when_it_comes(house, client, path):
    with client.stream("GET", path, timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
        frames = read_frames(answer.iter_lines())
        assert next(frames) == {"retry": "1000"}
        assert next(frames)["event"] == "submitted"
        [claim] = house.claim()
        assert json.loads(next(frames)["data"])["job"]["phase"] == "running"
        house.report(claim, '{"percent": 40.0}')
        assert json.loads(next(frames)["data"])["job"]["progress"]["percent"] == 40.0
        client.post(path.replace("/events", "/cancel"))
        assert json.loads(next(frames)["data"])["phase"] == "cancelling"
        house.report(claim, '{"percent": 50.0}')
        assert json.loads(next(frames)["data"])["phase"] == "cancelling"
        house.complete_claim(claim)
        assert next(frames)["event"] == "completed"
        assert next(frames, None) is None


def test_a_scheduled_job_is_told_as_scheduled(house, client):
    made = client.post("/v1/jobs", json={**SUBMISSION, "delay": 60})
    path = made.headers["location"] + "/events"
    with client.stream("GET", path, timeout=20) as answer:
        frames = read_frames(answer.iter_lines())
        next(frames)
        assert json.loads(next(frames)["data"])["phase"] == "scheduled"
    house.clock.now += 60_000
    house.services.store.promote().result(10)
    house.complete()
    told = read_all(client, path)
    assert [(name, data["phase"]) for _, name, data in told] == [
        ("submitted", "scheduled"), ("promoted", "waiting"), ("claimed", "running"), ("completed", "completed"),
    ]  # fmt: skip


def test_a_stream_is_taken_up_after_any_event(house, client, path):
    house.complete()
    told = read_all(client, path)
    for index, (number, _, _) in enumerate(told[:-1]):
        rest = told[index + 1 :]
        assert read_all(client, path, headers={"Last-Event-ID": str(number)}) == rest
        assert read_all(client, path, params={"after": str(number)}) == rest
    assert read_all(client, path, params={"after": "0"}, headers={"Last-Event-ID": str(told[-1][0])}) == told


def test_whoever_has_seen_the_end_is_told_not_to_come_again(house, client, path):
    house.complete()
    last = read_all(client, path)[-1][0]
    ended = client.get(path, headers={"Last-Event-ID": str(last)})
    assert (ended.status_code, ended.content) == (204, b"")


@pytest.mark.parametrize("sent", ["x", "-1", "1.5", "9" * 19, "job_x", "٣"])
def test_what_is_no_event_is_refused(client, path, sent):
    refused = client.get(path, params={"after": sent})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/after")
    refused = client.get(path, params={"after": "0"}, headers={"Last-Event-ID": sent.encode()})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/Last-Event-ID")


def test_an_after_that_says_nothing_is_refused_and_such_a_header_is_none(client, path):
    refused = client.get(path, headers=LIST, params={"after": ""})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/after")
    assert client.get(path, headers={**LIST, "Last-Event-ID": ""}).status_code == 200


def test_a_list_has_the_next_events_and_waits_for_them(house, client, path):
    first = client.get(path, headers=LIST).json()
    assert ([event["event"] for event in first["events"]], first["is_over"]) == (["submitted"], False)
    assert first["after"] == first["events"][-1]["id"] and first["events"][0]["job"]["phase"] == "waiting"
    nothing = client.get(path, headers=LIST, params={"after": first["after"], "wait": "0.05"}).json()
    assert nothing == {"events": [], "after": first["after"], "is_over": False}
    callers = Callers(house)
    answer = callers.call(client, "GET", path, headers=LIST, params={"after": first["after"], "wait": "30"})
    house.complete()
    last = answer.result(20).json()
    while not last["is_over"]:
        last = client.get(path, headers=LIST, params={"after": last["after"], "wait": "30"}).json()
    assert last["events"][-1]["event"] == "completed"
    assert client.get(path, headers=LIST, params={"after": last["after"], "wait": "30"}).json()["is_over"]
    assert [event["event"] for event in client.get(path, headers=LIST).json()["events"]] == [
        "submitted", "claimed", "completed",
    ]  # fmt: skip
    callers.close()


def test_nobody_elses_events_are_there(stranger, path):
    for headers in ({}, LIST):
        assert stranger.get(path, headers=headers).status_code == 404


def test_head_tells_the_head(house, client, path):
    told = client.head(path)
    assert (told.status_code, told.content) == (200, b"")
    until(lambda: house.services.watching.streams.taken == 0)


def test_a_quiet_stream_shows_that_it_lives_and_ends_after_its_time(house, client, path, monkeypatch):
    monkeypatch.setattr(http_events, "BEAT_S", 0.01)
    monkeypatch.setattr(http_events, "STREAM_S", 0.5)
    with client.stream("GET", path, timeout=20) as answer:
        text = answer.read().decode()
    assert text.count("\n:\n") >= 2 and text.endswith("\n\n")


def test_a_key_has_its_share_of_the_streams(house, client, stranger, path):
    house.services.watching.streams = Seats("event streams", all_max=2, key_max=1)
    with client.stream("GET", path, timeout=20):
        refused = client.get(path)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        theirs = stranger.post("/v1/jobs", json=SUBMISSION).headers["location"] + "/events"
        with stranger.stream("GET", theirs, timeout=20), house.client(house.make_key("bob")) as third:
            mine = third.post("/v1/jobs", json=SUBMISSION).headers["location"] + "/events"
            refused = third.get(mine)
            assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    until(lambda: house.services.watching.streams.taken == 0)


def test_the_shares_of_streams_are_as_documented(house):
    streams = house.services.watching.streams
    for _ in range(service_watching.STREAMS_KEY_MAX):
        streams.take("k")
    with pytest.raises(Exception, match="100 open event streams and may have 100"):
        streams.take("k")
    for number in range(service_watching.STREAMS_MAX - service_watching.STREAMS_KEY_MAX):
        streams.take(f"k{number // service_watching.STREAMS_KEY_MAX}")
    with pytest.raises(Exception, match="holds no more"):
        streams.take("another")


def test_who_hangs_up_gives_its_stream_back(house, key, path):
    host, port = house.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as caller:
        caller.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        until(lambda: house.services.watching.streams.taken == 1)
    until(lambda: house.services.watching.streams.taken == 0 == house.services.watching.tail.open_watches)


def test_a_server_that_stops_ends_its_streams(house, client, path):
    with client.stream("GET", path, timeout=20) as answer:
        frames = read_frames(answer.iter_lines())
        next(frames)
        next(frames)
        house.app.end_waits()
        assert list(frames) == []


class Desk:
    """A stream without a server: what it sends goes where the test says."""

    def __init__(self, house, job_id):
        self.services = house.services
        self.served = next(one for one in house.app._first.served if one.route.action == "events")
        self.row = house.services.store.get(1, key=job_id[4:]).result(10)
        self.aborted = False

    async def run(self, send):
        principal = Principal(self.row.owner, "ada", "k", frozenset())
        self.services.watching.streams.take("k")
        call = Call(principal, self.services, "GET", "/", {}, {}, {}, None, None, "", "r", _stay)
        await EventStream(self.served, call, self.row, 0)(
            {"type": "http", "method": "GET", "extensions": {"jobwire.abort": {"call": self._abort}}}, _stay, send
        )

    def _abort(self):
        self.aborted = True


async def _stay():
    await asyncio.Event().wait()
    raise ClientGone


async def until_read(tail, last):
    while tail.after < last:  # noqa: ASYNC110 - the tail tells its watches, not a test
        await asyncio.sleep(0)


def test_a_reader_that_has_stopped_is_cut_off(house, client, monkeypatch):
    monkeypatch.setattr(http_events, "READER_S", 0.02)
    desk = Desk(house, client.post("/v1/jobs", json=SUBMISSION).json()["id"])
    messages = itertools.count()

    async def take_two(message):
        if next(messages) >= 2:
            await asyncio.Event().wait()

    asyncio.run(desk.run(take_two))
    assert desk.aborted and desk.services.watching.streams.taken == 0


def test_a_reader_that_falls_too_far_behind_is_cut_off_and_misses_nothing(house, client):
    job_id = client.post("/v1/jobs", json=SUBMISSION).json()["id"]
    desk = Desk(house, job_id)
    [claim] = house.claim()
    sent = []

    async def run():
        wanted = house.services.watching.tail

        async def read_slowly(message):
            sent.append(message.get("body", b""))
            if len(sent) == 3:
                # While this reader takes its time the job goes on.
                for step in range(300):
                    await house.services.store.heartbeat(
                        WORKER,
                        lease_ms=LEASE_MS,
                        progress=[ProgressReport(claim.number, claim.fence, json.dumps({"done": step}))],
                    )
                last = (await house.services.store.events(0, number=claim.number, limit=10_000))[-1].no
                await until_read(wanted, last)

        await desk.run(read_slowly)

    asyncio.run(run())
    house.complete_claim(claim)
    seen = [int(line[4:]) for line in b"".join(sent).decode().splitlines() if line.startswith("id: ")]
    rest = read_all(client, f"/v1/jobs/{job_id}/events", params={"after": str(seen[-1])})
    log = [event.no for event in house.services.store.events(0, number=claim.number, limit=10_000).result(10)]
    assert len(seen) < 300 and seen + [number for number, _, _ in rest] == log
