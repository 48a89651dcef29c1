"""Calls that are open when their credential ends: they end too, whichever process ended it."""

import asyncio
import subprocess
import sys

import pytest
from token_forge import AUD, HEAD, ISS, SHARED, claims_at, sign
from waiting_callers import Callers, read_frames, until

from house_engines import address_in
from jobwire.service import standing as service_standing
from jobwire.service.issuers import NewIssuer

SUBMISSION = {"kind": "echo", "input": {"text": "hi"}}
LONG = {"wait": "60"}
LIST = {"Accept": "application/json"}
ELSEWHERE = """
import asyncio, sys
from jobwire.config import read_settings
from jobwire.service.owners import Owners
from jobwire.wiring import open_ledger, read_clock

store = open_ledger(read_settings({}, db=sys.argv[1]), read_clock)
owners = Owners(store, read_clock)
asyncio.run(getattr(owners, sys.argv[2])(*sys.argv[3:]))
store.close()
"""
ENDS = [
    ("revoke_key", (), "unauthorized", 401),
    ("suspend", ("ada",), "owner_suspended", 403),
    ("disable_system", ("ada", "native"), "system_disabled", 403),
]


@pytest.fixture
def callers(house):
    opened = Callers(house)
    yield opened
    house.app.end_waits()
    opened.close()


@pytest.fixture
def path(client):
    return client.post("/v1/jobs", json=SUBMISSION).headers["location"]


def key_id(key):
    return key.split("_")[1]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["here", "another process"])
@pytest.mark.parametrize(("act", "words", "code", "status"), ENDS, ids=[end[0] for end in ENDS])
def test_what_ends_a_credential_ends_its_open_calls(
    house, client, stranger, callers, path, key, tmp_path, monkeypatch, *, place, act, words, code, status
):
    if place == "here":
        monkeypatch.setattr(service_standing, "LOOK_S", 3_600.0)
    words = words or (key_id(key),)
    theirs = stranger.post("/v1/jobs", json=SUBMISSION).headers["location"]
    other = callers.call(stranger, "GET", theirs, params=LONG)
    seen = client.get(f"{path}/events", headers=LIST).json()["after"]
    waiting = callers.call(client, "GET", path, params=LONG)
    listing = callers.call(client, "GET", f"{path}/events", headers=LIST, params={"after": seen, **LONG})
    with client.stream("GET", f"{path}/events", timeout=20) as stream:
        frames = read_frames(stream.iter_lines())
        assert [next(frames).get("event") for _ in range(2)] == [None, "submitted"]
        if place == "here":
            house.change(getattr(house.services.owners, act)(*words))
        else:
            address = address_in(tmp_path)
            subprocess.run([sys.executable, "-c", ELSEWHERE, address, act, *words], check=True, timeout=60)
        assert next(frames, None) is None
    for answer in (waiting, listing):
        told = answer.result(20)
        assert (told.status_code, told.json()["code"]) == (status, code)
    assert client.get(f"{path}/events").status_code == status
    assert not other.done()
    house.services.store.cancel(2, [2]).result(10)
    assert other.result(20).json()["phase"] == "cancelled"
    callers.close()
    watching = house.services.watching
    until(lambda: watching.streams.taken == 0)


def test_a_token_that_is_taken_back_ends_its_open_calls(house, client, callers, path, monkeypatch):
    monkeypatch.setattr(service_standing, "LOOK_S", 0.01)
    issuers = house.services.owners.issuers
    scopes = ("jobs:read", "jobs:write")
    house.change(issuers.add(NewIssuer(ISS, AUD, "HS256", scopes, key=SHARED)))
    tokens = [
        sign(HEAD | {"alg": "HS256"}, claims_at(house.clock.now, jti=jti), "HS256") for jti in ("stolen", "kept")
    ]
    with house.client(tokens[0]) as stolen, house.client(tokens[1]) as kept:
        ended = callers.call(stolen, "GET", path, params=LONG)
        other = callers.call(kept, "GET", path, params=LONG)
        house.change(issuers.revoke_token(ISS, "stolen"))
        assert ended.result(20).status_code == 401
        assert not other.done()
        house.change(issuers.remove(ISS))
        assert other.result(20).status_code == 401


def test_a_submission_that_waits_is_answered_with_its_job(house, client, callers, key):
    made = callers.call(client, "POST", "/v1/jobs", json=SUBMISSION, headers={"Prefer": "wait=60"})
    house.change(house.services.owners.revoke_key(key_id(key)))
    assert (made.result(20).status_code, made.result().json()["phase"]) == (202, "waiting")


def test_a_ledger_that_cannot_be_asked_ends_no_call_and_is_asked_again(
    house, client, callers, path, key, monkeypatch
):
    monkeypatch.setattr(service_standing, "LOOK_S", 0.01)
    read_mark, failures = service_standing.accounts.read_mark, iter(range(3))

    def fail_at_first(reader):
        if next(failures, None) is not None:
            raise OSError("away")
        return read_mark(reader)

    monkeypatch.setattr(service_standing.accounts, "read_mark", fail_at_first)
    waiting = callers.call(client, "GET", path, params=LONG)
    until(lambda: next(failures, None) is None)
    assert not waiting.done()
    house.change(house.services.owners.revoke_key(key_id(key)))
    assert waiting.result(20).status_code == 401


def test_nobody_looks_while_no_call_is_open(house, client, callers, path, monkeypatch):
    monkeypatch.setattr(service_standing, "LOOK_S", 0.01)
    standing = house.services.owners.standing
    assert standing._task is None
    waiting = callers.call(client, "GET", path, params=LONG)
    until(lambda: standing._task is not None)
    house.complete()
    assert waiting.result(20).status_code == 200
    until(standing._task.done)


def test_who_was_judged_before_a_change_is_judged_anew(house, key, monkeypatch):
    """A judgement that is under way when credentials change is not remembered."""
    owners = house.services.owners
    judge, looked = owners._credentials.judge, []

    async def run():
        async def judge_slowly(token, now):
            known = await judge(token, now)
            if not looked:
                looked.append(known)
                await owners.revoke_key(key_id(key))
            return known

        monkeypatch.setattr(owners._credentials, "judge", judge_slowly)
        with pytest.raises(Exception, match="not valid"):
            await owners.authenticate(key)
        assert owners.known(key) is None

    asyncio.run(run())
