"""Jobs of a server as its customers follow them: `jobwire watch --url`, and the client beside a real worker."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobwire.cli.main import main
from jobwire.cli.remote import split_url
from jobwire.client import AsyncJobwireClient, JobFailed, JobwireClient, WaitTimeout
from jobwire.config import SettingError

HERE = Path(__file__).parent
JOBWIRE = str(Path(sys.executable).with_name("jobwire"))
DEADLINE_S = 60


@pytest.fixture
def server(ledger: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """The URL of `jobwire serve` with a worker, and a key."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    made = subprocess.run(
        [JOBWIRE, "keys", "create", "--owner", "acme", "--json"], capture_output=True, text=True, check=True
    )
    process = subprocess.Popen(
        [JOBWIRE, "serve", "app_tasks:app", "--port", "0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    assert process.stderr is not None
    found = next(found for line in process.stderr if (found := re.search(r"listens on (\S+)", line)))
    drain = threading.Thread(target=process.stderr.read, daemon=True)
    drain.start()
    try:
        yield found[1], json.loads(made.stdout)["key"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE_S)
        drain.join(DEADLINE_S)
        process.stderr.close()


@pytest.fixture
def jobwire(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command in this process: exit code, stdout, stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["jobwire", *words])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return (code, *capsys.readouterr())

    return run


@pytest.mark.slow
def test_a_job_of_a_server_is_watched_with_a_key(server, jobwire, monkeypatch: pytest.MonkeyPatch) -> None:
    url, key = server
    with JobwireClient(url, key) as client:
        good = client.submit("count_words", {"text": "to be or not"})
        bad = client.submit("fails")
    code, out, err = jobwire("watch", good.id, "--url", url, "--api-key", key)
    assert (code, json.loads(out)["result"]) == (0, {"words": 4, "longest": "not"})
    assert "completed" in err
    monkeypatch.setenv("JOBWIRE_API_KEY", key)
    code, out, err = jobwire("watch", f"{url}/v1/jobs/{bad.id}")
    assert (code, json.loads(out)["phase"]) == (1, "failed")
    assert "hunter2" not in out + err
    monkeypatch.setenv("JOBWIRE_URL", url)
    assert jobwire("watch", good.id)[0] == 0
    code, out, err = jobwire("watch", "job_" + "0" * 26)
    assert (code, out) == (1, "")
    assert re.fullmatch(r"error: [^\n]+404 not_found[^\n]+\n", err)


@pytest.mark.slow
def test_the_client_waits_for_jobs_that_really_run(server) -> None:
    url, key = server
    changes = []
    with JobwireClient(url, key) as client:
        job = client.wait(client.submit("double", {"value": 21}), timeout=DEADLINE_S, on_change=changes.append)
        assert job.result == 42
        assert changes[-1] == job
        with pytest.raises(JobFailed) as failed:
            client.result(client.submit("fails"), timeout=DEADLINE_S)
        assert "hunter2" not in repr(failed.value.job)
        endless = client.submit("waits")
        with pytest.raises(WaitTimeout) as late:
            client.wait(endless, timeout=1)
        assert late.value.job is not None and not late.value.job.is_final
        assert client.cancel(endless).phase in ("cancelling", "cancelled")
        events = list(client.stream(endless))
        assert events[-1].phase == "cancelled"

    async def use() -> list[int]:
        async with AsyncJobwireClient(url, key) as client:
            drafts = [{"kind": "double", "input": {"value": value}} for value in range(8)]
            jobs = await client.submit_many(drafts)
            return await asyncio.gather(*[client.result(job, timeout=DEADLINE_S) for job in jobs])

    assert asyncio.run(use()) == [value * 2 for value in range(8)]


def test_a_job_may_be_named_by_its_own_url() -> None:
    assert split_url("job_1", None) == ("job_1", None)
    assert split_url("job_1", "http://a") == ("job_1", "http://a")
    assert split_url("http://a/v1/jobs/job_1", None) == ("job_1", "http://a")
    assert split_url("https://a/sub/v1/jobs/job_1", "https://a/sub/v1/") == ("job_1", "https://a/sub")


def test_the_key_of_one_server_is_not_sent_to_another() -> None:
    with pytest.raises(SettingError, match=r"http://evil.*http://a"):
        split_url("http://evil/v1/jobs/job_1", "http://a")


def test_a_server_without_a_key_is_told_how_to_give_one(jobwire) -> None:
    code, out, err = jobwire("watch", "http://127.0.0.1:1/v1/jobs/job_1")
    assert (code, out) == (2, "") and "--api-key" in err


@pytest.mark.slow
def test_a_server_that_is_not_there_is_found_out_in_seconds(jobwire) -> None:
    code, out, err = jobwire("watch", "job_1", "--url", "http://127.0.0.1:1", "--api-key", "k")
    assert (code, out) == (1, "") and re.fullmatch(r"error: [^\n]+\n", err)


def test_what_is_no_server_is_one_line(jobwire) -> None:
    for url in ("nonsense", "ftp://x"):
        code, out, err = jobwire("watch", "job_1", "--url", url, "--api-key", "k")
        assert (code, out) == (2, "")
        assert re.fullmatch(r"error: [^\n]+\n", err)
