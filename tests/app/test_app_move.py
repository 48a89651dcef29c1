"""`jobwire move`: what it prints and refuses, and that a moved ledger serves its customers as before."""

import asyncio
import json
import re
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from app_tasks import app as tasks

from jobwire.cli.main import main
from jobwire.config import SettingError, is_postgres, read_settings
from jobwire.serving import run_house
from jobwire.wiring import House, open_house
from postgres_server import is_left_out, new_ledger

WAIT_S = 20


class Ran(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


@pytest.fixture
def jobwire(monkeypatch, capsys) -> Callable[..., Ran]:
    """Run a command in this process."""

    def run(*words: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["jobwire", *words])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def target(ledger: str, tmp_path: Path) -> str:
    """An empty place on the other engine."""
    return str(tmp_path / "moved.db") if is_postgres(ledger) or is_left_out() else new_ledger()


def open_tasks(address: str) -> House:
    return open_house(read_settings(db=address, systems="none"), tasks.kinds)


async def read_job(house: House, key: str, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(house.build_app())
    async with httpx.AsyncClient(
        transport=transport, base_url="http://jobs", headers={"Authorization": f"Bearer {key}"}
    ) as client:
        return await client.get(path)


async def run_jobs(house: House, key: str, path: str) -> dict:
    """Work until the job is final; returns how it is shown."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    moved = asyncio.Event()
    end_listening = house.store.listen(lambda _: loop.call_soon_threadsafe(moved.set))
    running = asyncio.create_task(run_house(house, listener=None, stop=stop))
    async with asyncio.timeout(WAIT_S):
        while (shown := (await read_job(house, key, path)).json())["phase"] not in ("completed", "failed"):
            await moved.wait()
            moved.clear()
    end_listening()
    stop.set()
    await running
    return shown


async def submit(house: House, owner: int, text: str) -> str:
    receipt = await house.services.jobs.submit(owner, "count_words", {"text": text})
    return f"/v1/jobs/job_{receipt.key}"


async def serve_before(house: House) -> tuple[str, str, bytes, str]:
    """A key, a finished job's path, what reading it says, and the path of a job that waits."""
    owner = await house.services.owners.create_owner("acme")
    key = (await house.services.owners.create_key("acme")).key
    done = await submit(house, owner.id, "to be")
    assert (await run_jobs(house, key, done))["phase"] == "completed"
    return key, done, (await read_job(house, key, done)).content, await submit(house, owner.id, "or not to be")


async def serve_after(house: House, key: str, *paths: str) -> tuple[httpx.Response, dict]:
    """What reading the finished job says now, and what becomes of the one that waited."""
    done, waiting = paths
    return await read_job(house, key, done), await run_jobs(house, key, waiting)


@pytest.mark.slow
def test_a_moved_ledger_serves_its_customers_as_before(jobwire, ledger: str, target: str) -> None:
    with closing(open_tasks(ledger)) as house:
        key, done, before, waiting = asyncio.run(serve_before(house))
    ran = jobwire("move", "--from", ledger, "--to", target)
    assert (ran.code, "counts and checksums are the same" in ran.out) == (0, True), ran
    with pytest.raises(SettingError, match="was moved to"):
        open_tasks(ledger)
    with closing(open_tasks(target)) as house:
        after, ran_there = asyncio.run(serve_after(house, key, done, waiting))
    assert (after.status_code, after.content) == (200, before)
    assert ran_there["result"] == {"words": 4, "longest": "not"}


def submit_some(jobwire) -> None:
    for text in ("to be", "or not"):
        ran = jobwire("submit", "count_words", "--app", "app_tasks:app", "--input", json.dumps({"text": text}))
        assert ran.code == 0, ran


@pytest.mark.slow
def test_a_dry_run_shows_what_would_be_moved(jobwire, ledger: str, target: str) -> None:
    submit_some(jobwire)
    ran = jobwire("move", "--from", ledger, "--to", target, "--dry-run")
    assert ran.code == 0, ran
    assert re.search(r"^ *job +2 *$", ran.out, re.MULTILINE)
    assert "Nothing was changed" in ran.out
    shown = json.loads(jobwire("move", "--from", ledger, "--to", target, "--dry-run", "--json").out)
    assert (shown["rows"]["job"], shown["rows"]["ready"], shown["running"]) == (2, 2, 0)
    assert is_postgres(target) or not Path(target).exists()
    submit_some(jobwire)


def test_a_moved_ledger_is_refused_until_it_is_taken_back(jobwire, ledger: str, target: str) -> None:
    submit_some(jobwire)
    words = ("move", "--from", ledger, "--to", target)
    assert jobwire(*words).code == 0
    assert "already" in jobwire(*words).out
    for command in (("jobs",), ("serve", "--port", "0"), ("worker",), ("owners", "list")):
        assert is_one_line_of_error(jobwire(*command), "was moved to", "--take-back")
    assert "serve only one of the two" in jobwire("move", "--from", ledger, "--take-back").out
    assert len(jobwire("jobs", "--json").out.splitlines()) == 2


def test_a_target_with_a_ledger_is_refused_in_one_line(jobwire, ledger: str, target: str) -> None:
    submit_some(jobwire)
    open_tasks(target).close()
    ran = jobwire("move", "--from", ledger, "--to", target)
    assert is_one_line_of_error(ran, "has a ledger already, with 0 jobs", "empty database")
    submit_some(jobwire)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--from", "nowhere.db", "--to", "there.db"), "no ledger at nowhere.db"),
        (("--from", ":memory:", "--to", "there.db"), "in memory"),
        (("--from", "{ledger}"), "--to is missing"),
        (("--from", "{ledger}", "--to", "no/such/folder.db"), "no/such/folder.db"),
        (("--from", "{ledger}", "--to", "postgresql://nobody:hunter2@127.0.0.1:1/x"), "nobody@127.0.0.1:1/x"),
        (("--from", "{ledger}", "--to", "postgresql:x"), "host:port/database"),
        (("--from", "{ledger}", "--take-back"), "nothing to take back"),
    ],
    ids=str,
)
def test_what_cannot_be_moved_is_one_line(
    jobwire, ledger: str, tmp_path: Path, monkeypatch, words: tuple[str, ...], part: str
) -> None:
    submit_some(jobwire)
    monkeypatch.chdir(tmp_path)
    ran = jobwire("move", *(word.format(ledger=ledger) for word in words))
    assert is_one_line_of_error(ran, part)
    assert "hunter2" not in ran.err
    submit_some(jobwire)


def is_one_line_of_error(ran: Ran, *parts: str) -> bool:
    assert (ran.code, ran.out) == (2, ""), ran
    assert re.fullmatch(r"error: [^\n]+\n", ran.err), ran
    for part in parts:
        assert part in ran.err, ran
    return True


def test_the_doctor_says_where_a_ledger_went(jobwire, ledger: str, target: str) -> None:
    open_tasks(ledger).close()
    assert "was moved" not in jobwire("doctor", "--db", ledger).out
    assert jobwire("move", "--from", ledger, "--to", target).code == 0
    told = jobwire("doctor", "--db", ledger)
    (line,) = [line for line in told.out.splitlines() if "was moved to" in line]
    assert (told.code, line.startswith("problem"), "--take-back" in line) == (1, True, True)
    assert "was moved" not in jobwire("doctor", "--db", target).out
