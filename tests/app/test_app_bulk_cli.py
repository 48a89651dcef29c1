"""`jobwire submit --batch`, and `cancel` and `rerun` of many."""

import io
import json
import sys
from pathlib import Path

import pytest

from house_engines import open_store
from jobwire.cli.main import main
from jobwire.domain.outcome import Failed, PublicError
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.settlement import AttemptFacts, Lease, settle_outcome
from jobwire.store.contract import ClaimRequest

HERE = Path(__file__).parent
APP = ("--app", "app_tasks:app")


class Ran:
    """What a command came to."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit code {self.code}\n{self.out}\n{self.err}"


@pytest.fixture
def jobwire(monkeypatch, capsys):
    """Run a command in this process."""
    monkeypatch.syspath_prepend(str(HERE))

    def run(*words, stdin=b""):
        monkeypatch.setattr(sys, "argv", ["jobwire", *words])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        return Ran(code, *capsys.readouterr())

    return run


def lines(*jobs):
    return "\n".join(json.dumps(job) for job in jobs).encode()


def listed(jobwire, *words):
    return [json.loads(line) for line in jobwire("jobs", "--json", *words).out.splitlines()]


def fail_all(ledger):
    """What a worker does to jobs that fail for good."""
    store = open_store(ledger)
    try:
        error = PublicError("broken", "It broke", retryable=False)
        while claims := store.settle([], ClaimRequest("w", "default", 10)).result(10).claims:
            for claim in claims:
                facts = AttemptFacts(claim.attempt, claim.attempts_max, claim.losses, cancel_requested=False)
                lease = Lease(claim.number, claim.fence)
                outcome = Failed(error, internal="Traceback")
                store.settle([settle_outcome(lease, outcome, facts=facts, policy=RetryPolicy(), jitter=0.5)]).result(
                    10
                )
    finally:
        store.close()


@pytest.mark.parametrize("source", ["file", "stdin", "array"])
def test_a_file_of_jobs_is_submitted(jobwire, tmp_path, source):
    jobs = [{"kind": "fails"}, {"kind": "waits", "tags": ["x"]}]
    body = json.dumps(jobs).encode() if source == "array" else lines(*jobs)
    (tmp_path / "jobs").write_bytes(body)
    name = "-" if source == "stdin" else str(tmp_path / "jobs")
    ran = jobwire("submit", "--batch", name, *APP, stdin=body)
    assert ran.code == 0, ran
    assert sorted(ran.out.split()) == sorted(job["id"] for job in listed(jobwire))


def test_what_is_refused_of_a_file_is_told_with_its_line(jobwire):
    body = lines({"kind": "fails"}) + b"\n\n{\n" + lines({"kind": "nope"})
    ran = jobwire("submit", "--batch", "-", "--json", *APP, stdin=body)
    assert ran.code == 1, ran
    assert [json.loads(line)["line"] for line in ran.out.splitlines()] == [1]
    assert [line.partition(":")[0] for line in ran.err.splitlines()] == ["line 3", "line 4"]
    assert "line 3" not in ran.err.splitlines()[0].partition(":")[2]


def test_a_repeated_file_with_keys_makes_no_second_jobs(jobwire):
    body = lines({"kind": "fails", "idempotency_key": "a"})
    first, again = (jobwire("submit", "--batch", "-", "--json", *APP, stdin=body) for _ in range(2))
    assert json.loads(again.out)["id"] == json.loads(first.out)["id"]
    assert [json.loads(ran.out)["replayed"] for ran in (first, again)] == [False, True]


def test_many_are_cancelled_after_a_dry_run(jobwire):
    jobwire("submit", "--batch", "-", *APP, stdin=lines(*[{"kind": "waits", "tags": ["x"]}] * 3, {"kind": "waits"}))
    jobwire("submit", "--batch", "-", "--owner", "acme", *APP, stdin=lines({"kind": "waits", "tags": ["x"]}))
    dry = jobwire("cancel", "--tag", "x", "--dry-run")
    assert dry.out.splitlines()[-1] == "4 jobs would be cancelled" and len(dry.out.splitlines()) == 5
    assert {job["phase"] for job in listed(jobwire)} == {"waiting"}
    assert jobwire("cancel", "--tag", "x", "--owner", "acme").out == "1 jobs are cancelled, 0 are asked to stop\n"
    assert jobwire("cancel", "--tag", "x").out == "3 jobs are cancelled, 0 are asked to stop\n"
    assert len(listed(jobwire, "--phase", "cancelled")) == 4


def test_many_are_run_again_after_a_dry_run(jobwire, ledger):
    jobwire("submit", "--batch", "-", *APP, stdin=lines(*[{"kind": "fails"}] * 3))
    fail_all(ledger)
    assert jobwire("rerun", "--kind", "fails", "--dry-run", *APP).out.splitlines()[-1] == "3 jobs would run again"
    assert jobwire("rerun", "--kind", "fails", *APP).out == "3 jobs run again\n"
    assert len(listed(jobwire, "--phase", "waiting")) == 3


def test_a_job_is_run_again_with_another_input(jobwire, ledger):
    job_id = jobwire("submit", "double", "--input", '{"value": 2}', *APP).out.strip()
    jobwire("cancel", job_id)
    again = jobwire("rerun", job_id, "--input", '{"value": 3}', *APP).out.strip()
    assert '"value": 3' in jobwire("show", again).out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("submit", *APP), "--batch"),
        (("submit", "fails", "--batch", "-", *APP), "--batch"),
        (("submit", "--batch", "nowhere.ndjson", *APP), "cannot be read"),
        (("cancel",), "at least one of kind"),
        (("cancel", "--dry-run"), "at least one of kind"),
        (("cancel", "1", "--tag", "x"), "not both"),
        (("cancel", "--phase", "completed"), "completed"),
        (("cancel", "--tag", "x", "--owner", "nobody"), "'nobody'"),
        (("cancel", "--created-after", "now"), "created_after"),
        (("rerun", "--tag", "x", "--from-step", "a", *APP), "--from-step"),
        (("rerun", "--phase", "waiting", *APP), "waiting"),
    ],
)
def test_what_cannot_be_meant_is_one_line(jobwire, words, part):
    jobwire("submit", "fails", *APP)
    ran = jobwire(*words)
    assert ran.code == 1 and ran.out == "" and part in ran.err and ran.err.count("\n") == 1, ran
