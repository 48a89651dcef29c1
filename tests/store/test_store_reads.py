"""G11 and G12: only its owner reads a job, and the event log is complete and in order."""

import pytest
from store_ledger import BROKEN, DONE, FLAKY, SHUTDOWN, WAIT_S, Ledger, decide

from jobwire.domain.states import Event, Reason, State
from jobwire.store.contract import JobFilter, Wake


def find(ledger: Ledger, owner: int = 1, **fields: object) -> list[int]:
    return [row.number for row in ledger.store.find(owner, JobFilter(**fields)).result(WAIT_S)]


def test_a_job_is_found_by_its_key_and_by_its_number(ledger: Ledger) -> None:
    job = ledger.new()
    number = ledger.receive(job)[0].number
    assert ledger.store.get(1, key=job.key).result(WAIT_S) == ledger.row(number)
    assert ledger.store.get(1, key=job.key[::-1]).result(WAIT_S) is None
    assert ledger.store.get(1, number=number + 1).result(WAIT_S) is None


def test_g11_another_owner_gets_nothing_by_key(ledger: Ledger) -> None:
    job = ledger.new(owner=1)
    ledger.receive(job)
    assert ledger.store.get(2, key=job.key).result(WAIT_S) is None


def test_g11_another_owner_gets_nothing_by_number(ledger: Ledger) -> None:
    number = ledger.submit(owner=1)
    assert ledger.store.get(2, number=number).result(WAIT_S) is None


def test_g11_another_owner_finds_nothing(ledger: Ledger) -> None:
    ledger.submit(owner=1)
    assert find(ledger, owner=2) == []


def test_g11_another_owner_cancels_nothing(ledger: Ledger) -> None:
    waiting, running = ledger.submit(owner=1, priority=9), ledger.submit(owner=1, priority=0)
    assert ledger.claim_one().number == running
    before = [ledger.row(number) for number in (waiting, running)]
    assert ledger.store.cancel(2, [waiting, running]).result(WAIT_S) == [None, None]
    assert [ledger.row(number) for number in (waiting, running)] == before


def test_a_list_is_newest_first_and_goes_on_below_a_job(ledger: Ledger) -> None:
    numbers = ledger.submit_many(5)
    assert find(ledger, limit=2) == numbers[:2:-1]
    assert find(ledger, limit=2, before=numbers[3]) == [numbers[2], numbers[1]]
    assert find(ledger, limit=9, before=numbers[1]) == [numbers[0]]
    assert find(ledger, before=numbers[0]) == []


def test_a_list_is_filtered_by_each_field_and_by_all_together(ledger: Ledger) -> None:
    early = ledger.submit(kind="print", tags='["red","a%"]')
    ledger.clock.advance(10)
    done, failed, retrying = ledger.submit_many(3)
    for outcome in (BROKEN, FLAKY, SHUTDOWN):
        claim = ledger.claim_one()
        assert ledger.settle(claim, outcome)
    states = {number: ledger.row(number) for number in (early, done, failed, retrying)}
    for value in State:
        expected = [number for number, row in states.items() if row.state == value]
        assert find(ledger, states=(value,)) == expected[::-1]
    assert find(ledger, states=(State.FAILED, State.QUEUED)) == [
        number for number, row in reversed(states.items()) if row.state in (State.FAILED, State.QUEUED)
    ]
    assert find(ledger, kind="print") == [early]
    assert find(ledger, kind="prin") == []
    assert find(ledger, tag="red") == [early]
    assert find(ledger, tag="re") == find(ledger, tag="a") == []
    assert find(ledger, tag="a%") == [early]
    assert find(ledger, created_after=ledger.clock.now - 10) == [retrying, failed, done]
    for reason in Reason:
        assert find(ledger, reason=reason) == [n for n, row in reversed(states.items()) if row.reason == reason]
    due = [number for number, row in states.items() if row.run_at is None]
    assert find(ledger, is_due=True) == due[::-1]
    assert find(ledger, is_due=False) == [number for number in reversed(states) if number not in due]
    assert find(ledger, kind="print", tag="red", states=(states[early].state,), before=done, limit=1) == [early]


def test_a_list_without_a_filter_is_everything_of_the_owner(ledger: Ledger) -> None:
    mine = ledger.submit_many(3, owner=1)
    ledger.submit_many(3, owner=2)
    assert find(ledger) == mine[::-1]


def test_g12_the_event_log_has_every_event_of_every_job_in_commit_order(ledger: Ledger) -> None:
    first, second = ledger.submit_many(2)
    claims = ledger.claim(2)
    ledger.settle_all(decide(claims[0], DONE), decide(claims[1], FLAKY))
    ledger.cancel(second)
    log = [(Event(row.event), row.number, row.version) for row in ledger.store.events(0).result(WAIT_S)]
    assert log == [
        (Event.SUBMITTED, first, 1),
        (Event.SUBMITTED, second, 1),
        (Event.CLAIMED, first, 2),
        (Event.CLAIMED, second, 2),
        (Event.COMPLETED, first, 3),
        (Event.RETRIED, second, 3),
        (Event.CANCELLED, second, 4),
    ]


def test_g12_a_reader_that_goes_on_where_it_stopped_misses_nothing_and_sees_nothing_twice(ledger: Ledger) -> None:
    for size in (3, 1, 4):
        ledger.submit_many(size)
    for claim in ledger.claim(6):
        assert ledger.settle(claim, DONE)
    everything = ledger.store.events(0).result(WAIT_S)
    for limit in (1, 2, 5):
        seen, after = [], 0
        for _ in everything:
            page = ledger.store.events(after, limit=limit).result(WAIT_S)
            seen += page
            after = page[-1].no if page else after
        assert seen == everything
    assert ledger.store.events(everything[-1].no).result(WAIT_S) == []


def test_g12_one_job_s_events_are_its_part_of_the_log(ledger: Ledger) -> None:
    numbers = ledger.submit_many(5)
    for claim in ledger.claim(5):
        assert ledger.settle(claim, FLAKY if claim.number % 2 else DONE)
    everything = ledger.store.events(0).result(WAIT_S)
    for number in numbers:
        mine = ledger.store.events(0, number=number).result(WAIT_S)
        assert mine == [row for row in everything if row.number == number]
        assert ledger.store.events(mine[0].no, number=number).result(WAIT_S) == mine[1:]
        assert ledger.store.events(0, number=number, limit=2).result(WAIT_S) == mine[:2]
        assert [row.version for row in mine] == list(range(1, len(mine) + 1))


def test_g12_a_commit_that_is_undone_leaves_no_event(ledger: Ledger) -> None:
    number = ledger.submit()

    def undo(tx: object) -> None:
        tx.cancel(1, [number])
        raise KeyError

    with pytest.raises(KeyError):
        ledger.store.write(undo).result(WAIT_S)
    assert ledger.events(number) == [Event.SUBMITTED]


def test_a_listener_hears_which_queues_have_work_and_that_jobs_moved(ledger: Ledger) -> None:
    heard: list[Wake] = []
    end = ledger.store.listen(heard.append)
    ledger.submit(queue="a")
    ledger.beat()
    assert heard == [Wake(frozenset({"a"}), changed=True)]
    ledger.claim_one(queue="a")
    ledger.beat()
    assert heard[1:] == [Wake(frozenset(), changed=True)]
    end()
    ledger.submit(queue="a")
    ledger.beat()
    assert len(heard) == 2


def test_a_listener_does_not_hear_of_a_heartbeat_or_of_a_claim_that_waits(ledger: Ledger) -> None:
    heard: list[Wake] = []
    ledger.store.listen(heard.append)
    ledger.beat()
    parked = ledger.park()
    ledger.store.withdraw(parked)
    ledger.store.promote().result(WAIT_S)
    ledger.store.rescue().result(WAIT_S)
    assert heard == []


def test_a_listener_that_raises_hurts_neither_the_ledger_nor_the_others(ledger: Ledger) -> None:
    heard: list[Wake] = []

    def fail(_: Wake) -> None:
        raise ValueError("deaf")

    ledger.store.listen(fail)
    ledger.store.listen(heard.append)
    ledger.submit()
    ledger.submit()
    ledger.beat()
    assert len(heard) == 2


def test_a_read_is_one_snapshot_and_its_errors_are_the_caller_s(ledger: Ledger) -> None:
    numbers = ledger.submit_many(3)
    rows = ledger.store.read(lambda r: [r.query("SELECT number FROM job WHERE number >= :low", low=numbers[1])])
    assert rows.result(WAIT_S) == [[(numbers[1],), (numbers[2],)]]
    with pytest.raises(ZeroDivisionError):
        ledger.store.read(lambda r: 1 // 0).result(WAIT_S)
    assert ledger.query("SELECT count(*) FROM job") == [(3,)]
