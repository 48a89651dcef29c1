"""Queues and caps as a program declares them: kept in the ledger when it opens, for every process on it."""

import json
from pathlib import Path

import pytest

from jobwire import Jobwire, Queue
from jobwire.cli.main import main
from jobwire.store import policies
from jobwire.store.contract import ClaimRequest


def make_app(path: Path, *, is_fair: bool, running_max: int | None) -> Jobwire:
    app = Jobwire(db=str(path), queues=[Queue("bulk", fair=is_fair)], systems="none")

    @app.job("send", queue="bulk", running_max=running_max)
    def send(to: str) -> None: ...

    return app


def claim(app: Jobwire, limit: int) -> list[str]:
    store = app.open().store
    store.heartbeat("w", lease_ms=60_000).result(20)
    claims = store.settle([], ClaimRequest("w", "bulk", limit)).result(20).claims
    return [json.loads(taken.input)["to"] for taken in claims]


def test_a_program_s_queues_and_caps_hold_for_another_process(tmp_path: Path) -> None:
    path = tmp_path / "jobwire.db"
    first, second = (make_app(path, is_fair=False, running_max=2) for _ in range(2))
    try:
        for to, owner in (("1", "a"), ("2", "a"), ("3", "b")):
            first.submit_sync("send", owner=owner, input={"to": to})
        assert claim(second, 5) == ["1", "2"]
        assert claim(first, 5) == []
    finally:
        first.close()
        second.close()


def test_what_a_program_no_longer_declares_ends_with_its_next_start(tmp_path: Path) -> None:
    path = tmp_path / "jobwire.db"
    strict = make_app(path, is_fair=False, running_max=1)
    for to, owner in (("1", "a"), ("2", "a"), ("3", "b")):
        strict.submit_sync("send", owner=owner, input={"to": to})
    assert claim(strict, 5) == ["1"]
    strict.close()
    free = make_app(path, is_fair=True, running_max=None)
    try:
        free.submit_sync("send", owner="c", input={"to": "4"})
        assert claim(free, 5) == ["4", "2", "3"]
        assert free.open().store.read(policies.list_caps).result(20) == {}
    finally:
        free.close()


def test_a_concurrency_key_is_given_with_the_submission(tmp_path: Path) -> None:
    app = Jobwire(db=str(tmp_path / "jobwire.db"), systems="none")

    @app.job("send", queue="bulk", key_running_max=1)
    def send(to: str) -> None: ...

    try:
        for to, key in (("1", "x"), ("2", "x"), ("3", "y"), ("4", None)):
            app.submit_sync("send", input={"to": to}, concurrency_key=key)
        assert claim(app, 5) == ["1", "3", "4"]
    finally:
        app.close()


def test_the_command_sets_an_owner_s_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOBWIRE_DB", str(tmp_path / "jobwire.db"))

    def jobwire(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["jobwire", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return capsys.readouterr().out

    jobwire("keys", "create", "--owner", "acme")
    jobwire("owners", "set", "acme", "--weight", "3", "--running-max", "20")
    (line,) = jobwire("owners", "list", "--json").splitlines()
    assert (json.loads(line)["weight"], json.loads(line)["running_max"]) == (3, 20)
    assert jobwire("owners", "list").splitlines()[1].split() == ["1", "acme", "active", "3", "20"]
