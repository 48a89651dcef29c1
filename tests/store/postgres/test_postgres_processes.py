"""Several processes on one ledger: nothing twice, nothing missed, whoever is faster."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from store_ledger import DONE, FLAKY, WAIT_S, Ledger, decide

from jobwire.domain.caps import Cap
from jobwire.domain.errors import RequestError
from jobwire.domain.states import State
from jobwire.store import policies
from jobwire.store.contract import ClaimRequest, EventRow, Wake
from jobwire.store.postgres import doorbell, engine
from jobwire.store.postgres.session import Session

THREADS = 4


def together(*works: Callable[[], object]) -> list[object]:
    """Run the works at the same time; their results in their order."""
    start = Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        start.wait(WAIT_S)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [answer.result(WAIT_S * 3) for answer in [pool.submit(run, work) for work in works]]


def submit_until(ledger: Ledger, rung: Event) -> int:
    """Submit until the other process, which may not listen yet, has heard of it; how often it took."""
    for times in range(1, 100):
        ledger.submit()
        if rung.wait(WAIT_S / 100):
            return times
    raise AssertionError("the other process hears nothing")


def test_two_processes_never_claim_the_same_job(ledger: Ledger, other: Ledger) -> None:
    numbers = ledger.submit_many(600)

    def drain(mine: Ledger, worker: str) -> list[int]:
        taken: list[int] = []
        while claims := mine.claim(7, worker=worker):
            taken += [claim.number for claim in claims]
            mine.settle_all(*[decide(claim, DONE) for claim in claims])
        return taken

    taken = together(*[lambda n=n: drain((ledger, other)[n % 2], f"w{n}") for n in range(THREADS)])
    assert sorted(number for mine in taken for number in mine) == numbers
    assert {row[0] for row in ledger.query("SELECT state FROM state")} == {State.COMPLETED}


def test_a_parked_claim_is_served_by_what_another_process_submits(ledger: Ledger, other: Ledger) -> None:
    parked = other.park(worker="w2")
    number = ledger.submit()
    assert [claim.number for claim in parked.result(WAIT_S)] == [number]


def test_a_parked_claim_is_served_although_nobody_rings(ledger: Ledger, other: Ledger) -> None:
    ledger.store._writer.tell_others = lambda wake: None
    ledger.store._engine.take_turn = lambda queues: None
    parked = other.park(worker="w2")
    number = ledger.submit()
    assert [claim.number for claim in parked.result(WAIT_S)] == [number]


def test_a_listener_hears_of_another_process_s_commits_and_tells_nobody_further(
    ledger: Ledger, other: Ledger
) -> None:
    heard_here: list[Wake] = []
    rung = Event()
    ledger.store.listen(heard_here.append)
    other.store.listen(lambda wake: rung.set() if wake == Wake(frozenset({"q"}), changed=True) else None)
    times = submit_until(ledger, rung)
    other.submit(queue="back")
    ledger.submit(queue="q")
    assert [wake.queues for wake in heard_here].count(frozenset({"q"})) == times + 1


def test_a_commit_tells_others_by_itself_when_it_is_time_to(
    ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung = Event()
    other.store.listen(lambda wake: rung.set() if wake.queues else None)
    submit_until(ledger, rung)
    rung.clear()
    monkeypatch.setattr(doorbell, "READY_INTERVAL_S", 0.0)
    monkeypatch.setattr(ledger.store._doorbell, "ring", lambda wake: None)
    ledger.submit()
    assert ledger.store._engine.has_rung
    assert rung.wait(WAIT_S)
    monkeypatch.setattr(doorbell, "READY_INTERVAL_S", 60.0)
    ledger.submit()
    assert not ledger.store._engine.has_rung


@pytest.mark.parametrize("is_closed", [False, True], ids=["said-again", "connection-lost"])
def test_a_commit_stands_although_it_could_not_be_told(
    ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch, *, is_closed: bool
) -> None:
    told = []
    ends = (
        "pg_terminate_backend(pg_backend_pid())::text"
        if is_closed
        else "(1 / (length(:payload) - length(:payload)))::text"
    )
    monkeypatch.setattr(engine, "RING", f"SELECT {ends}, :channel::text, :payload::text")
    monkeypatch.setattr(ledger.store._doorbell, "ring", told.append)
    ledger.store._engine.take_turn = lambda queues: {"channel": "c", "payload": "p"}
    number = ledger.submit()
    assert [wake.queues for wake in told] == [{"q"}]
    assert ledger.query("SELECT number FROM job") == [(number,)]
    ledger.store._engine.take_turn = lambda queues: None
    assert ledger.submit() > number


def test_what_another_process_has_declared_holds_for_the_next_transaction(ledger: Ledger, other: Ledger) -> None:
    for owner in (1, 2):
        ledger.submit_many(3, owner=owner)
    assert ledger.claim_one().owner == 1
    other.set_cap(Cap("owner", "2", 1))
    assert [claim.owner for claim in ledger.claim(5)] == [2, 1, 1]
    other.store.write(lambda tx: policies.keep_fairness(tx, {"plain": False})).result(WAIT_S)
    numbers = [ledger.submit(owner=owner, queue="plain") for owner in (3, 3, 4)]
    assert [ledger.position(number, owner=owner) for number, owner in zip(numbers, (3, 3, 4), strict=True)] == [
        0,
        1,
        2,
    ]


def test_a_submission_waits_for_two_answers_and_a_claim_too(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.submit_many(2)
    ledger.claim_one()
    trips: list[int] = []
    take = Session._take_results
    monkeypatch.setattr(Session, "_take_results", lambda session: trips.append(1) or take(session))
    monkeypatch.setattr(Session, "execute_script", None)
    ledger.submit()
    assert len(trips) == 2
    ledger.store.claim(ClaimRequest("w1", "q", 1)).result(WAIT_S)
    assert len(trips) == 4


def test_a_batch_that_no_socket_takes_at_once_is_kept(ledger: Ledger) -> None:
    ledger.submit()
    jobs = [ledger.new(input=f'"{"x" * 2_000_000}"') for _ in range(4)]
    assert len(ledger.receive(*jobs)) == 4


def test_a_submission_that_the_tables_refuse_fails_alone(ledger: Ledger) -> None:
    stands_still, go_on = Event(), Event()

    def hold(tx: object) -> None:
        stands_still.set()
        assert go_on.wait(WAIT_S)

    ledger.store.write(hold)
    assert stands_still.wait(WAIT_S)
    answers = [ledger.store.submit([ledger.new(priority=priority)]) for priority in (5, 10, 5)]
    go_on.set()
    with pytest.raises(RequestError, match="cannot be written"):
        answers[1].result(WAIT_S)
    kept = sorted(answers[index].result(WAIT_S)[0].number for index in (0, 2))
    assert sorted(number for (number,) in ledger.query("SELECT number FROM job")) == kept


def test_g2_twins_in_flight_through_several_processes_come_to_one_job(ledger: Ledger, other: Ledger) -> None:
    for keys in ({"idempotency_key": "k", "fingerprint": "f"}, {"unique_key": "u"}):
        works = [lambda n=n, keys=keys: (ledger, other)[n % 2].receive(ledger.new(**keys))[0] for n in range(THREADS)]
        receipts = together(*works)
        assert len({receipt.number for receipt in receipts}) == 1
        assert sum(receipt.is_new for receipt in receipts) == 1


def test_g1_a_submission_sent_again_through_another_process_gives_the_receipt_it_gave(
    ledger: Ledger, other: Ledger
) -> None:
    jobs = [ledger.new() for _ in range(3)]
    first = ledger.receive(*jobs)
    fresh = ledger.new()
    *again, new = other.receive(*jobs, fresh)
    assert [receipt.number for receipt in again] == [receipt.number for receipt in first]
    assert not any(receipt.is_new for receipt in again)
    assert new.is_new


def test_g7_cancels_and_claims_of_several_processes_agree_on_every_job(ledger: Ledger, other: Ledger) -> None:
    numbers = ledger.submit_many(200)

    def claim_all() -> list[int]:
        taken: list[int] = []
        while claims := other.claim(3, worker="w2"):
            taken += [claim.number for claim in claims]
        return taken

    def cancel_all() -> list[int]:
        order = numbers[::-1]
        replies = [ledger.store.cancel(1, order[n : n + 5]).result(WAIT_S) for n in range(0, len(order), 5)]
        flat = dict(zip(order, [reply for batch in replies for reply in batch], strict=True))
        return [number for number, reply in flat.items() if reply is not None and reply.state is State.QUEUED]

    claimed, cancelled = together(claim_all, cancel_all)
    assert sorted([*claimed, *cancelled]) == numbers
    for number in numbers:
        assert ledger.state(number) is (State.CANCELLED if number in set(cancelled) else State.RUNNING)


def test_locks_taken_in_opposite_orders_are_no_error(ledger: Ledger, other: Ledger) -> None:
    ledger.store.write(lambda tx: tx.execute("CREATE TABLE note (id BIGINT PRIMARY KEY, n BIGINT)")).result(WAIT_S)
    ledger.store.write(lambda tx: tx.execute("INSERT INTO note VALUES (1, 0), (2, 0)")).result(WAIT_S)
    runs: list[int] = []
    both_hold = Barrier(2)

    def write(mine: Ledger, first: int, second: int) -> None:
        def work(tx: object) -> None:
            runs.append(first)
            tx.execute("UPDATE note SET n = n + 1 WHERE id = :id", id=first)
            if runs.count(first) == 1:
                both_hold.wait(WAIT_S)
            tx.execute("UPDATE note SET n = n + 1 WHERE id = :id", id=second)

        mine.store.write(work).result(WAIT_S)

    together(lambda: write(ledger, 1, 2), lambda: write(other, 2, 1))
    assert len(runs) >= 3
    assert ledger.query("SELECT n FROM note ORDER BY id") == [(2,), (2,)]


def test_a_cap_holds_over_all_processes(ledger: Ledger, other: Ledger) -> None:
    ledger.store.write(lambda tx: tx.set_cap(Cap("owner", "1", 3))).result(WAIT_S)
    numbers = ledger.submit_many(60)
    most: list[int] = []

    def work(mine: Ledger, worker: str) -> list[int]:
        done: list[int] = []
        idle = 0
        while idle < 50:
            claims = mine.claim(2, worker=worker)
            idle = 0 if claims else idle + 1
            most.append(mine.query("SELECT count(*) FROM lease")[0][0])
            mine.settle_all(*[decide(claim, DONE) for claim in claims])
            done += [claim.number for claim in claims]
        return done

    done = together(lambda: work(ledger, "w1"), lambda: work(other, "w2"))
    assert sorted(number for mine in done for number in mine) == numbers
    assert 1 <= max(most) <= 3


def test_g12_a_reader_of_the_log_misses_no_process_that_commits_late(ledger: Ledger, other: Ledger) -> None:
    """A transaction that logged first and commits last is behind the reader's place only if its number says so."""
    logged, go_on = Event(), Event()

    def slow(tx: object) -> int:
        number = tx.submit([ledger.new(queue="slow")])[0].number
        logged.set()
        assert go_on.wait(WAIT_S)
        return number

    late = ledger.store.write(slow)
    assert logged.wait(WAIT_S)
    early = other.submit_many(3, queue="early")
    seen = other.store.events(0).result(WAIT_S)
    assert [row.number for row in seen] == early
    go_on.set()
    number = late.result(WAIT_S)
    assert [row.number for row in other.store.events(seen[-1].no).result(WAIT_S)] == [number]


@pytest.mark.slow
def test_g12_tails_of_several_processes_see_every_event_once_and_in_one_order(ledger: Ledger, other: Ledger) -> None:
    stop = Event()

    def tail(mine: Ledger) -> list[EventRow]:
        seen: list[EventRow] = []
        while True:
            is_last = stop.is_set()
            page = mine.store.events(seen[-1].no if seen else 0, limit=7).result(WAIT_S)
            seen += page
            if is_last and not page:
                return seen

    def write(mine: Ledger, worker: str) -> None:
        for _ in range(40):
            mine.submit_many(2)
            for claim in mine.claim(2, worker=worker):
                assert mine.settle(claim, DONE if claim.number % 3 else FLAKY)

    with ThreadPoolExecutor(6) as pool:
        tails = [pool.submit(tail, mine) for mine in (ledger, other)]
        writers = [pool.submit(write, (ledger, other)[n % 2], f"w{n}") for n in range(THREADS)]
        for writer in writers:
            writer.result(WAIT_S * 3)
        stop.set()
        first, second = (answer.result(WAIT_S) for answer in tails)
    assert first == second == ledger.store.events(0, limit=10_000).result(WAIT_S)
    versions: dict[int, int] = {}
    for row in first:
        assert row.version == versions.get(row.number, 0) + 1
        versions[row.number] = row.version


def test_a_worker_of_another_process_is_rescued_by_whoever_looks(ledger: Ledger, other: Ledger) -> None:
    ledger.submit_many(50)
    assert len(other.claim(50, worker="lost")) == 50
    ledger.clock.advance(10**6)
    rescued = together(*[lambda n=n: (ledger, other)[n % 2].store.rescue(7).result(WAIT_S) for n in range(THREADS)])
    left = ledger.store.rescue(100).result(WAIT_S)
    assert sum(rescued) + left == 50
    assert ledger.query("SELECT DISTINCT losses, fence FROM state") == [(1, 2)]


def test_settles_of_one_lease_through_two_processes_count_once(ledger: Ledger, other: Ledger) -> None:
    for _ in range(10):
        ledger.submit()
        claim = ledger.claim_one()
        accepted = together(lambda c=claim: ledger.settle(c, DONE), lambda c=claim: other.settle(c, FLAKY))
        assert sum(accepted) == 1
        ledger.clock.advance(10**6)
        ledger.store.promote().result(WAIT_S)
        ledger.store.settle([], ClaimRequest("w1", "q", 100)).result(WAIT_S)


def test_what_another_program_says_on_the_channel_hurts_nobody(ledger: Ledger, other: Ledger) -> None:
    parked = other.park(worker="w2")
    heard = Event()
    other.store.listen(lambda wake: heard.set())
    notify = "SELECT pg_notify('jobwire_' || 'ready'::regclass::oid, 'not for you')"
    ledger.store.write(lambda tx: tx.query(notify)).result(WAIT_S)
    assert heard.wait(WAIT_S)
    number = ledger.submit()
    assert [claim.number for claim in parked.result(WAIT_S)] == [number]
