"""A kind's final hook runs once, in the transaction that ended the job, and cannot hold the ledger back."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from store_ledger import BROKEN, DONE, FLAKY, LATER, SHUTDOWN, STOPPED, WAIT_S, Ledger, decide

from jobwire.domain.states import State
from jobwire.kinds.contract import FinalJob
from jobwire.kinds.registry import make_kind
from jobwire.store.final_hooks import find_unheard_kinds, keep_hooked_kinds, run_left_hooks

ENDS = (
    "completed",
    "failed",
    "exhausted",
    "stopped",
    "cancelled while waiting",
    "expired",
    "poisoned",
    "cancel lost",
)


@pytest.fixture
def noted(ledger: Ledger) -> Iterator[Ledger]:
    """A ledger with a hook for `convert` jobs that writes what it sees into a table."""
    ledger.store.write(
        lambda tx: tx.execute("CREATE TABLE note (number INTEGER, completed INTEGER, output TEXT, error TEXT)")
    ).result(WAIT_S)

    def note(tx: object, job: FinalJob) -> None:
        tx.execute(
            "INSERT INTO note VALUES (:number, :completed, :output, :error)",
            number=job.number,
            completed=int(job.completed),
            output=job.output,
            error=job.error_message,
        )

    ledger.store.final_hooks["convert"] = note
    return ledger


def end_job(ledger: Ledger, how: str) -> int:
    number = ledger.submit(deadline_at=ledger.clock.now + 10**9, attempts_max=1 if how == "exhausted" else 5)
    if how == "cancelled while waiting":
        ledger.cancel(number)
    elif how == "expired":
        ledger.clock.advance(10**9)
        ledger.store.promote().result(WAIT_S)
    elif how == "poisoned":
        for _ in range(3):
            ledger.claim_one()
            ledger.lose_worker()
    elif how == "cancel lost":
        ledger.claim_one()
        ledger.cancel(number)
        ledger.lose_worker()
    else:
        ledger.run({"completed": DONE, "failed": BROKEN, "exhausted": FLAKY, "stopped": STOPPED}[how])
    assert ledger.row(number).finalized_at is not None
    return number


@pytest.mark.parametrize("how", ENDS)
def test_the_hook_runs_once_however_the_job_ended_and_sees_how(noted: Ledger, how: str) -> None:
    number = end_job(noted, how)
    ((noted_number, completed, output, error),) = noted.query("SELECT * FROM note")
    assert (noted_number, completed) == (number, how == "completed")
    assert output == (DONE.output if how == "completed" else None)
    assert (error is None) == (how in {"completed", "stopped", "cancelled while waiting", "cancel lost"})


@pytest.mark.parametrize("outcome", [FLAKY, LATER, SHUTDOWN], ids=["retried", "snoozed", "interrupted"])
def test_the_hook_does_not_run_for_a_job_that_goes_on(noted: Ledger, outcome: object) -> None:
    noted.submit()
    noted.run(outcome)
    assert noted.query("SELECT * FROM note") == []


def test_the_hook_of_one_kind_does_not_run_for_another(noted: Ledger) -> None:
    noted.submit(kind="print")
    noted.run(DONE)
    assert noted.query("SELECT * FROM note") == []


def test_the_hook_runs_once_for_a_lease_settled_twice_in_one_batch(noted: Ledger) -> None:
    noted.submit()
    claim = noted.claim_one()
    noted.settle_all(decide(claim, DONE), decide(claim, DONE))
    assert noted.query("SELECT count(*) FROM note") == [(1,)]


def test_the_hook_does_not_run_for_a_result_that_came_too_late(noted: Ledger) -> None:
    noted.submit()
    stale = noted.claim_one()
    noted.lose_worker()
    noted.settle(stale, DONE)
    assert noted.query("SELECT * FROM note") == []


@pytest.mark.parametrize("how", ENDS)
def test_a_hook_that_raises_undoes_only_what_it_wrote(noted: Ledger, how: str) -> None:
    note = noted.store.final_hooks["convert"]

    def fail(tx: object, job: FinalJob) -> None:
        note(tx, job)
        raise RuntimeError("the hook is broken")

    noted.store.final_hooks["convert"] = fail
    noted.store.final_hooks["print"] = note
    end_job(noted, how)
    assert noted.query("SELECT * FROM note") == []
    noted.submit(kind="print")
    noted.run(DONE)
    assert noted.query("SELECT count(*) FROM note") == [(1,)]


def test_a_hook_that_fails_for_one_job_of_a_batch_does_not_touch_the_others(noted: Ledger) -> None:
    bad, *good = noted.submit_many(4)
    note = noted.store.final_hooks["convert"]

    def fail_for_one(tx: object, job: FinalJob) -> None:
        note(tx, job)
        if job.number == bad:
            raise RuntimeError("the hook is broken")

    noted.store.final_hooks["convert"] = fail_for_one
    noted.settle_all(*[decide(claim, DONE) for claim in noted.claim(4)])
    assert [number for (number,) in noted.query("SELECT number FROM note ORDER BY number")] == good
    assert noted.state(bad) is State.COMPLETED


def test_what_a_hook_submits_is_claimed_like_any_other_job(ledger: Ledger) -> None:
    def follow(tx: object, job: FinalJob) -> None:
        tx.submit([ledger.new(kind="follow", input=job.output or "{}")])

    ledger.store.final_hooks["convert"] = follow
    parked = ledger.park(worker="w2", queue="q")
    ledger.submit()
    (claim,) = parked.result(WAIT_S)
    waiting = ledger.park(worker="w3")
    assert ledger.settle(claim, DONE)
    (following,) = waiting.result(WAIT_S)
    assert (following.kind, following.input) == ("follow", DONE.output)


def test_a_hook_s_writes_are_undone_with_the_transaction_they_were_part_of(noted: Ledger) -> None:
    number = noted.submit()

    def undo(tx: object) -> None:
        tx.cancel(1, [number])
        raise KeyError("undone")

    with pytest.raises(KeyError):
        noted.store.write(undo).result(WAIT_S)
    assert noted.query("SELECT * FROM note") == []
    assert noted.state(number) is State.QUEUED


def has_hook(tx: object, job: FinalJob) -> None:
    """The hook of a program that is not here."""


def convert() -> None:
    """The handler of such a program."""


@pytest.fixture
def left(noted: Ledger) -> Ledger:
    """A ledger on which another program has said that it has a hook for `convert` jobs."""
    del noted.store.final_hooks["convert"]
    keep(noted, convert)
    return noted


def keep(ledger: Ledger, *hooked: Callable[[], None], without: Sequence[Callable[[], None]] = ()) -> None:
    kinds = [make_kind(each, on_final=has_hook) for each in hooked] + [make_kind(each) for each in without]
    ledger.store.write(lambda tx: keep_hooked_kinds(tx, kinds)).result(WAIT_S)


def run_left(ledger: Ledger, hook: object, *, limit: int = 100) -> int:
    return ledger.store.write(lambda tx: run_left_hooks(tx, kind="convert", hook=hook, limit=limit)).result(WAIT_S)


def note_number(tx: object, job: FinalJob) -> None:
    tx.execute(
        "INSERT INTO note VALUES (:number, :completed, NULL, NULL)", number=job.number, completed=int(job.completed)
    )


@pytest.mark.parametrize("how", [how for how in ENDS if how != "completed"])
def test_a_hook_that_is_not_here_is_left_to_who_has_it_and_runs_once(left: Ledger, how: str) -> None:
    number = end_job(left, how)
    assert left.query("SELECT * FROM note") == []
    assert left.store.read(find_unheard_kinds).result(WAIT_S) == {"convert"}
    assert [run_left(left, note_number) for _ in range(2)] == [1, 0]
    assert left.query("SELECT number, completed FROM note") == [(number, 0)]
    assert left.store.read(find_unheard_kinds).result(WAIT_S) == set()


def test_no_more_hooks_are_run_at_once_than_asked_for(left: Ledger) -> None:
    for number in left.submit_many(3):
        left.cancel(number)
    assert [run_left(left, note_number, limit=2) for _ in range(3)] == [2, 1, 0]
    assert left.query("SELECT count(*) FROM note") == [(3,)]


def test_a_left_hook_that_fails_is_not_tried_again(left: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    left.cancel(left.submit())

    def fail(tx: object, job: FinalJob) -> None:
        note_number(tx, job)
        raise RuntimeError("the hook is broken")

    assert [run_left(left, fail) for _ in range(2)] == [1, 0]
    assert left.query("SELECT * FROM note") == []
    assert "on_final hook of kind convert failed" in caplog.text


def test_nothing_is_left_of_a_kind_without_a_hook(left: Ledger) -> None:
    left.cancel(left.submit(kind="print"))
    keep(left, without=[convert])
    left.cancel(left.submit())
    assert left.query("SELECT * FROM unheard_end") == []


def test_a_job_that_is_deleted_waits_for_no_hook(left: Ledger) -> None:
    left.cancel(left.submit())
    left.store.prune(left.clock.now + 1).result(WAIT_S)
    assert left.query("SELECT * FROM unheard_end") == []
