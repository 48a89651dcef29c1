"""Opening, closing, reopening, and a writer that survives whatever one of its callers does."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from store_engines import Engine
from store_ledger import DONE, FLAKY, LEASE_MS, WAIT_S, Ledger, decide, lease_of

from jobwire.domain.errors import RequestError
from jobwire.domain.job import NewJob
from jobwire.domain.settlement import Lease
from jobwire.domain.states import State
from jobwire.store.contract import ClaimRequest, JobFilter, Store
from manual_clock import ManualClock

CALLS: dict[str, Callable[[Store, NewJob], object]] = {
    "submit": lambda store, job: store.submit([job]).result(WAIT_S),
    "claim": lambda store, job: store.claim(ClaimRequest("w1", "q", 1)).result(WAIT_S),
    "settle": lambda store, job: store.settle([]).result(WAIT_S),
    "heartbeat": lambda store, job: store.heartbeat("w1", lease_ms=1).result(WAIT_S),
    "retire": lambda store, job: store.retire("w1").result(WAIT_S),
    "rescue": lambda store, job: store.rescue().result(WAIT_S),
    "promote": lambda store, job: store.promote().result(WAIT_S),
    "cancel": lambda store, job: store.cancel(1, [1]).result(WAIT_S),
    "save_step": lambda store, job: store.save_step(Lease(1, 1), name="s", output="1").result(WAIT_S),
    "steps": lambda store, job: store.steps(1).result(WAIT_S),
    "write": lambda store, job: store.write(lambda tx: None).result(WAIT_S),
    "read": lambda store, job: store.read(lambda reader: None).result(WAIT_S),
    "get": lambda store, job: store.get(1, number=1).result(WAIT_S),
    "find": lambda store, job: store.find(1, JobFilter()).result(WAIT_S),
    "input_of": lambda store, job: store.input_of(1).result(WAIT_S),
    "events": lambda store, job: store.events(0).result(WAIT_S),
    "attempts": lambda store, job: store.attempts(1).result(WAIT_S),
    "prune": lambda store, job: store.prune(0).result(WAIT_S),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_closed_ledger_refuses_politely(ledger: Ledger, call: str) -> None:
    ledger.row(ledger.submit())
    ledger.close()
    with pytest.raises(RequestError) as refused:
        CALLS[call](ledger.store, ledger.new())
    assert refused.value.code == "unavailable"
    assert refused.value.retry_after_s is not None


def test_closing_answers_everything_that_was_posted_before(ledger: Ledger) -> None:
    parked = ledger.park(queue="empty")
    posted = [ledger.store.submit([ledger.new()]) for _ in range(600)]
    ledger.close()
    assert len({receipt.number for answer in posted for receipt in answer.result(0)}) == 600
    assert parked.result(0) == []
    ledger.close()


def test_readers_and_writers_at_work_while_the_ledger_closes_are_answered_or_refused(ledger: Ledger) -> None:
    number = ledger.submit()

    def work(_: int) -> str:
        while True:
            try:
                ledger.store.get(1, number=number).result(WAIT_S)
                ledger.store.events(0).result(WAIT_S)
                ledger.store.submit([ledger.new()]).result(WAIT_S)
            except RequestError as refusal:
                return refusal.code

    with ThreadPoolExecutor(4) as pool:
        codes = [pool.submit(work, n) for n in range(4)]
        ledger.beat()
        ledger.close()
        assert [code.result(WAIT_S) for code in codes] == ["unavailable"] * 4


def test_everything_is_there_after_a_reopening(durable_engine: Engine, tmp_path: Path, clock: ManualClock) -> None:
    address = durable_engine.address(tmp_path)
    before = Ledger(durable_engine.open(address, clock), clock)
    waiting = before.submit_many(3, owner=2, tags='["a"]')
    running = before.submit(priority=0, unique_key="u", idempotency_key="k", fingerprint="f")
    claim = before.claim_one()
    assert before.store.save_step(lease_of(claim), name="s", output="1").result(WAIT_S)
    retrying = before.submit(priority=0)
    before.run(FLAKY)
    scheduled = before.submit(run_at=clock.now + 10**7, deadline_at=clock.now + 10**8)
    owners = {**dict.fromkeys(waiting, 2), running: 1, retrying: 1, scheduled: 1}
    rows = {number: before.row(number, owner=owner) for number, owner in owners.items()}
    events, attempts = before.store.events(0).result(WAIT_S), before.attempts(retrying)
    before.close()

    after = Ledger(durable_engine.open(address, clock), clock)
    assert {number: after.row(number, owner=owner) for number, owner in owners.items()} == rows
    assert (after.store.events(0).result(WAIT_S), after.attempts(retrying)) == (events, attempts)
    assert after.store.steps(running).result(WAIT_S) == {"s": "1"}
    assert after.receive(after.new(unique_key="u"))[0].number == running
    assert after.receive(after.new(idempotency_key="k", fingerprint="f"))[0].number == running
    assert [claim.number for claim in after.claim(9)] == waiting
    assert after.settle(claim, DONE)
    assert after.submit() == max(owners) + 1
    after.check()
    after.close()


def test_time_does_not_go_back_across_a_reopening(durable_engine: Engine, tmp_path: Path, clock: ManualClock) -> None:
    address = durable_engine.address(tmp_path)
    before = Ledger(durable_engine.open(address, clock), clock)
    number = before.submit()
    before.claim_one()
    before.close()
    started = clock.now
    clock.advance(-(10**9))
    after = Ledger(durable_engine.open(address, clock), clock)
    after.beat()
    assert after.row(after.submit()).created_at == started
    assert after.store.rescue().result(WAIT_S) == 0
    clock.advance(10**9 + LEASE_MS)
    assert after.store.rescue().result(WAIT_S) == 1
    assert after.state(number) is State.QUEUED
    after.close()


def test_a_callback_that_raises_does_not_stop_the_ledger(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.store.submit([ledger.new()]).on_done(lambda: 1 // 0)
    ledger.park().on_done(lambda: 1 // 0)
    number = ledger.submit()
    assert ledger.row(number).number == number


def test_work_that_raises_anything_is_raised_to_its_caller_alone(ledger: Ledger) -> None:
    class Odd(BaseException):
        pass

    def raise_odd(tx: object) -> None:
        tx.submit([ledger.new()])
        raise Odd

    with pytest.raises(Odd):
        ledger.store.write(raise_odd).result(WAIT_S)
    assert ledger.query("SELECT count(*) FROM job") == [(0,)]
    assert ledger.state(ledger.submit()) is State.QUEUED


def test_answers_of_one_caller_come_in_the_order_of_its_calls(ledger: Ledger) -> None:
    numbers = [ledger.store.submit([ledger.new()]) for _ in range(50)]
    claims = ledger.store.settle([], ClaimRequest("w1", "q", 100))
    got = claims.result(WAIT_S).claims
    assert [claim.number for claim in got] == [answer.result(0)[0].number for answer in numbers]
    settled = ledger.store.settle([decide(claim, DONE) for claim in got])
    rows = [ledger.store.write(lambda tx: tx.query("SELECT count(*) FROM state WHERE state = 2")) for _ in range(2)]
    assert [row.result(WAIT_S) for row in rows] == [[(50,)], [(50,)]]
    assert len(settled.result(0).accepted) == 50


def test_the_contract_is_small_and_every_method_says_what_it_guarantees() -> None:
    methods = [method for name, method in vars(Store).items() if callable(method) and not name.startswith("_")]
    assert 20 < len(methods) <= 25
    assert [method.__name__ for method in methods if not method.__doc__] == []
