"""Claims: each ready job goes to exactly one, in the order; a claim that finds nothing waits for work."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event as Signal

import pytest
from store_ledger import BROKEN, DONE, FLAKY, WAIT_S, Ledger

from jobwire.domain.errors import RequestError
from jobwire.domain.states import Event, State
from jobwire.store.contract import Claim, ClaimRequest


def test_a_claim_carries_what_a_worker_needs_and_starts_the_attempt(ledger: Ledger) -> None:
    number = ledger.submit(input='{"n":1}', attempts_max=3, kind="print", owner=4)
    created_at = ledger.clock.now
    ledger.clock.advance(50)
    claim = ledger.claim_one()
    row = ledger.row(number, owner=4)
    assert claim == Claim(number, 1, row.key, 4, "print", 1, 3, 0, created_at, '{"n":1}')
    assert (row.state, row.fence, row.attempt, row.started_at) == (State.RUNNING, 1, 1, created_at + 50)
    assert ledger.events(number) == [Event.SUBMITTED, Event.CLAIMED]


def test_jobs_are_claimed_by_priority_then_turn_then_number(ledger: Ledger) -> None:
    low = ledger.submit_many(2, priority=9)
    high = ledger.submit_many(2, priority=0)
    middle = ledger.submit_many(2)
    assert [claim.number for claim in ledger.claim(10)] == [*high, *middle, *low]


def test_a_claim_takes_no_more_than_its_limit_and_leaves_the_rest_in_order(ledger: Ledger) -> None:
    numbers = ledger.submit_many(5)
    assert [claim.number for claim in ledger.claim(2)] == numbers[:2]
    assert [claim.number for claim in ledger.claim(2)] == numbers[2:4]
    assert [claim.number for claim in ledger.claim(2)] == numbers[4:]
    assert ledger.claim(2) == []


def test_a_claim_takes_from_its_own_queue_only(ledger: Ledger) -> None:
    before, here, after = (ledger.submit(queue=queue) for queue in ("a", "b", "c"))
    assert [claim.number for claim in ledger.claim(9, queue="b")] == [here]
    assert ledger.query("SELECT number FROM ready ORDER BY number") == [(before,), (after,)]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_claim_of_nothing_is_refused_where_it_is_written(limit: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1 job, got {limit}"):
        ClaimRequest("w1", "q", limit)


def test_two_workers_never_get_the_same_job(ledger: Ledger) -> None:
    numbers = ledger.submit_many(400)

    def work(worker: str) -> list[int]:
        mine: list[int] = []
        while claims := ledger.claim(7, worker=worker):
            mine += [claim.number for claim in claims]
        return mine

    with ThreadPoolExecutor(8) as pool:
        claimed = [number for mine in pool.map(work, [f"w{n}" for n in range(8)]) for number in mine]
    assert sorted(claimed) == numbers


def test_a_second_attempt_has_a_greater_fence_and_counts(ledger: Ledger) -> None:
    number = ledger.submit()
    ledger.run(FLAKY)
    ledger.clock.advance(60_000)
    ledger.store.promote().result(WAIT_S)
    again = ledger.claim_one()
    assert (again.number, again.fence, again.attempt) == (number, 2, 2)


def test_a_settle_can_claim_for_the_slots_it_frees_without_waiting(ledger: Ledger) -> None:
    numbers = ledger.submit_many(3)
    first = ledger.claim_one()
    assert ledger.settle(first, DONE)
    claims = ledger.store.settle([], ClaimRequest("w1", "q", 5)).result(WAIT_S).claims
    assert [claim.number for claim in claims] == numbers[1:]
    assert ledger.store.settle([], ClaimRequest("w1", "q", 5)).result(WAIT_S).claims == []


def test_a_parked_claim_is_served_at_once_when_there_is_work(ledger: Ledger) -> None:
    number = ledger.submit()
    assert [claim.number for claim in ledger.park().result(WAIT_S)] == [number]


def test_a_parked_claim_is_served_in_the_submission_s_own_commit(ledger: Ledger) -> None:
    parked = ledger.park(limit=5)
    assert not parked.is_done
    numbers = ledger.submit_many(2)
    assert [claim.number for claim in parked.result(WAIT_S)] == numbers
    assert all(ledger.state(number) is State.RUNNING for number in numbers)
    log = ledger.store.events(0).result(WAIT_S)
    assert [row.event for row in log] == [Event.SUBMITTED] * 2 + [Event.CLAIMED] * 2


def test_parked_claims_are_served_in_the_order_they_came(ledger: Ledger) -> None:
    first, second, third = ledger.park(limit=2), ledger.park(worker="w2", limit=1), ledger.park(worker="w3")
    numbers = ledger.submit_many(3)
    assert [claim.number for claim in first.result(WAIT_S)] == numbers[:2]
    assert [claim.number for claim in second.result(WAIT_S)] == numbers[2:]
    assert not third.is_done
    (last,) = ledger.submit_many(1)
    assert [claim.number for claim in third.result(WAIT_S)] == [last]


def test_a_parked_claim_hears_only_of_its_own_queue(ledger: Ledger) -> None:
    parked, other = ledger.park(queue="a"), ledger.park(queue="b")
    number = ledger.submit(queue="b")
    assert [claim.number for claim in other.result(WAIT_S)] == [number]
    assert not parked.is_done


def test_a_withdrawn_claim_is_answered_with_nothing_and_takes_nothing(ledger: Ledger) -> None:
    first, second = ledger.park(), ledger.park(worker="w2")
    ledger.store.withdraw(first)
    assert first.result(WAIT_S) == []
    number = ledger.submit()
    assert [claim.number for claim in second.result(WAIT_S)] == [number]


def test_withdrawing_a_claim_that_was_served_changes_nothing(ledger: Ledger) -> None:
    parked = ledger.park()
    number = ledger.submit()
    parked.result(WAIT_S)
    ledger.store.withdraw(parked)
    ledger.beat()
    assert [claim.number for claim in parked.result(WAIT_S)] == [number]


def test_a_claim_withdrawn_before_the_ledger_saw_it_is_answered(ledger: Ledger) -> None:
    parked = ledger.store.claim(ClaimRequest("w1", "q", 1))
    ledger.store.withdraw(parked)
    assert parked.result(WAIT_S) == []
    ledger.submit()
    assert ledger.query("SELECT count(*) FROM ready") == [(1,)]


@pytest.mark.parametrize("how", ["promoted", "rescued", "retried and promoted", "submitted in a transaction"])
def test_a_parked_claim_is_served_however_work_becomes_ready(ledger: Ledger, how: str) -> None:
    if how == "promoted":
        number = ledger.submit(run_at=ledger.clock.now + 10)
    elif how == "rescued":
        number = ledger.submit()
        ledger.claim_one(worker="lost")
    elif how == "retried and promoted":
        number = ledger.submit()
        ledger.run(FLAKY)
    parked = ledger.park(worker="w9")
    ledger.clock.advance(60_000)
    ledger.beat("w9")
    if how == "rescued":
        assert ledger.store.rescue().result(WAIT_S) == 1
    elif how == "submitted in a transaction":
        number = ledger.store.write(lambda tx: tx.submit([ledger.new()])[0].number).result(WAIT_S)
    else:
        ledger.store.promote().result(WAIT_S)
    assert [claim.number for claim in parked.result(WAIT_S)] == [number]


def test_a_group_that_fails_as_a_whole_leaves_parked_claims_waiting_in_their_order(ledger: Ledger) -> None:
    first, second = ledger.park(), ledger.park(worker="w2")

    def break_off(tx: object) -> None:
        tx.submit([ledger.new()])
        raise RequestError("conflict", "undone")

    with pytest.raises(RequestError, match="undone"):
        ledger.store.write(break_off).result(WAIT_S)
    assert not first.is_done and not second.is_done
    numbers = ledger.submit_many(2)
    assert [first.result(WAIT_S)[0].number, second.result(WAIT_S)[0].number] == numbers


def test_a_claim_is_served_although_the_only_write_beside_it_fails(ledger: Ledger) -> None:
    number = ledger.submit()
    ledger.beat()
    stands_still, go_on = Signal(), Signal()
    # The writer stands still inside one commit, so that the next two come in one group.
    ledger.store.write(lambda tx: [stands_still.set(), go_on.wait(WAIT_S)])
    assert stands_still.wait(WAIT_S)
    claimed = ledger.store.claim(ClaimRequest("w1", "q", 1))
    failing = ledger.store.write(lambda tx: 1 // 0)
    go_on.set()
    with pytest.raises(ZeroDivisionError):
        failing.result(WAIT_S)
    assert [claim.number for claim in claimed.result(WAIT_S)] == [number]


def test_a_permanent_failure_is_never_claimed_again(ledger: Ledger) -> None:
    ledger.submit()
    ledger.run(BROKEN)
    ledger.clock.advance(10**9)
    ledger.store.promote().result(WAIT_S)
    assert ledger.store.rescue().result(WAIT_S) == 0
    assert ledger.claim(5) == []
