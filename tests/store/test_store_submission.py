"""G1 and G2: what was acknowledged is there, once, whatever keys it came with and whoever came with it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from store_ledger import DONE, WAIT_S, Ledger, lease_of

from jobwire.domain.errors import RequestError
from jobwire.domain.job import IDEMPOTENCY_MS, show_new
from jobwire.domain.states import Event, State

SEED = 20_300
NASTY = '{"text":"\\u0000 \\\\ \\" \' -- ; :now %s Chișinău Кишинёв \U0001f3e0 \u2028","n":-0.0,"deep":[[[]]]}'


def test_a_submitted_job_reads_back_as_it_was_given(ledger: Ledger) -> None:
    job = ledger.new(
        input=NASTY,
        priority=2,
        attempts_max=7,
        deadline_at=ledger.clock.now + 9_000,
        tags='["a","b"]',
        rerun_of=4,
        root=3,
    )
    (receipt,) = ledger.receive(job)
    row = ledger.row(receipt.number)
    assert (row.key, row.owner, row.kind, row.queue, row.priority) == (job.key, 1, "convert", "q", 2)
    assert (row.attempts_max, row.deadline_at, row.tags) == (7, job.deadline_at, job.tags)
    assert (row.rerun_of, row.root, row.created_at) == (4, 3, ledger.clock.now)
    assert (row.state, row.version, row.fence, row.attempt) == (State.QUEUED, 1, 0, 0)
    assert ledger.store.input_of(receipt.number).result(WAIT_S) == NASTY
    assert ledger.claim_one().input == NASTY


def test_a_new_job_is_shown_without_being_read_as_it_would_be_read(ledger: Ledger) -> None:
    now = ledger.clock.now
    origin = ledger.submit()
    save = ledger.store.save_step(lease_of(ledger.claim_one()), name="a", output="1")
    assert save.result(WAIT_S)
    jobs = [
        ledger.new(),
        ledger.new(priority=1, attempts_max=2, tags='["a"]', owner=3, queue="other"),
        ledger.new(deadline_at=now + 9_000, run_at=now + 500),
        ledger.new(run_at=now - 500, unique_key="u", idempotency_key="i", fingerprint="f", concurrency_key="c"),
        ledger.new(run_at=now),
        ledger.new(rerun_of=origin, root=origin, kept_steps=("a",)),
        *(ledger.new() for _ in range(5)),
    ]
    for job, receipt in zip(jobs, ledger.receive(*jobs), strict=True):
        assert show_new(job, receipt) == ledger.row(receipt.number, owner=job.owner)


def test_numbers_grow_in_the_order_of_submission_and_receipts_keep_the_order_of_the_batch(ledger: Ledger) -> None:
    jobs = [ledger.new(queue=f"q{index % 3}", owner=index % 2 + 1) for index in range(20)]
    receipts = ledger.receive(*jobs)
    assert [receipt.key for receipt in receipts] == [job.key for job in jobs]
    assert [receipt.number for receipt in receipts] == list(range(receipts[0].number, receipts[0].number + 20))
    assert ledger.receive() == []


def test_g1_a_submission_sent_again_gives_the_receipt_it_gave(ledger: Ledger) -> None:
    jobs = [ledger.new(), ledger.new()]
    first = ledger.receive(*jobs)
    again = ledger.receive(ledger.new(), *jobs)
    assert [(r.number, r.key, r.is_new, r.conflict) for r in again[1:]] == [
        (r.number, r.key, False, False) for r in first
    ]
    assert again[0].is_new
    assert ledger.query("SELECT count(*) FROM job") == [(3,)]


def test_another_owner_s_job_key_is_never_answered_with(ledger: Ledger) -> None:
    job = ledger.new(owner=1)
    ledger.receive(job)
    twin = ledger.new(owner=2, key=job.key)
    with pytest.raises(RequestError) as refused:
        ledger.receive(twin)
    assert refused.value.code == "unavailable"
    assert ledger.query("SELECT count(*) FROM job") == [(1,)]


def test_g2_the_same_idempotency_key_and_body_give_the_same_job(ledger: Ledger) -> None:
    (first,) = ledger.receive(ledger.new(idempotency_key="k", fingerprint="f"))
    (again,) = ledger.receive(ledger.new(idempotency_key="k", fingerprint="f"))
    assert (again.number, again.key, again.is_new, again.conflict) == (first.number, first.key, False, False)
    ledger.run(DONE)
    (later,) = ledger.receive(ledger.new(idempotency_key="k", fingerprint="f"))
    assert (later.number, later.is_new) == (first.number, False)


def test_g2_the_same_idempotency_key_with_another_body_is_a_conflict(ledger: Ledger) -> None:
    (first,) = ledger.receive(ledger.new(idempotency_key="k", fingerprint="f"))
    (other,) = ledger.receive(ledger.new(idempotency_key="k", fingerprint="g"))
    assert (other.number, other.is_new, other.conflict) == (first.number, False, True)
    assert ledger.query("SELECT count(*) FROM job") == [(1,)]


def test_g2_an_idempotency_key_belongs_to_its_owner(ledger: Ledger) -> None:
    (mine,) = ledger.receive(ledger.new(owner=1, idempotency_key="k", fingerprint="f"))
    (theirs,) = ledger.receive(ledger.new(owner=2, idempotency_key="k", fingerprint="g"))
    assert theirs.is_new and theirs.number != mine.number and not theirs.conflict
    other, twin = ledger.receive(*[ledger.new(owner=3, idempotency_key="k", fingerprint="h") for _ in range(2)])
    assert other.is_new and twin.number == other.number and not (other.conflict or twin.conflict)


def test_g2_twins_in_one_batch_come_to_one_job(ledger: Ledger) -> None:
    first, twin, other, free = ledger.receive(
        ledger.new(idempotency_key="k", fingerprint="f"),
        ledger.new(idempotency_key="k", fingerprint="f"),
        ledger.new(idempotency_key="k", fingerprint="g"),
        ledger.new(idempotency_key="l", fingerprint="f"),
    )
    assert [first.is_new, twin.is_new, other.is_new, free.is_new] == [True, False, False, True]
    assert (twin.number, twin.key, twin.conflict) == (first.number, first.key, False)
    assert (other.number, other.conflict) == (first.number, True)


def test_g2_an_idempotency_key_is_remembered_for_a_day(ledger: Ledger) -> None:
    (first,) = ledger.receive(ledger.new(idempotency_key="k", fingerprint="f"))
    ledger.clock.advance(IDEMPOTENCY_MS - 1)
    assert ledger.receive(ledger.new(idempotency_key="k", fingerprint="f"))[0].number == first.number
    ledger.clock.advance(1)
    (fresh,) = ledger.receive(ledger.new(idempotency_key="k", fingerprint="g"))
    assert fresh.is_new and not fresh.conflict
    assert ledger.receive(ledger.new(idempotency_key="k", fingerprint="g"))[0].number == fresh.number


def test_g2_a_submission_that_was_answered_with_a_live_job_is_answered_with_it_for_ever(ledger: Ledger) -> None:
    (live,) = ledger.receive(ledger.new(unique_key="u"))
    (joined,) = ledger.receive(ledger.new(unique_key="u", idempotency_key="k", fingerprint="f"))
    ledger.run(DONE)
    (again,) = ledger.receive(ledger.new(unique_key="u", idempotency_key="k", fingerprint="f"))
    assert joined.number == again.number == live.number
    assert not again.is_new and not again.conflict


def test_one_live_job_holds_its_unique_key_until_it_is_final(ledger: Ledger) -> None:
    (first,) = ledger.receive(ledger.new(unique_key="u", input='{"n":1}'))
    (again,) = ledger.receive(ledger.new(unique_key="u", input='{"n":2}'))
    assert (again.number, again.is_new, again.conflict) == (first.number, False, False)
    claim = ledger.claim_one()
    assert ledger.receive(ledger.new(unique_key="u"))[0].number == first.number
    assert ledger.settle(claim, DONE)
    assert ledger.receive(ledger.new(unique_key="u"))[0].is_new


def test_a_unique_key_is_the_owner_s_and_the_kind_s(ledger: Ledger) -> None:
    receipts = ledger.receive(
        ledger.new(unique_key="u"),
        ledger.new(unique_key="u", owner=2),
        ledger.new(unique_key="u", kind="print"),
        ledger.new(unique_key="v"),
        # A twin of the one before.
        ledger.new(unique_key="v"),
    )
    assert [receipt.is_new for receipt in receipts] == [True, True, True, True, False]
    assert ledger.receive(ledger.new(unique_key="v", owner=2))[0].is_new


@pytest.mark.parametrize("end", ["cancelled", "expired", "poisoned", "failed"])
def test_a_unique_key_is_free_again_however_its_job_ended(ledger: Ledger, end: str) -> None:
    number = ledger.submit(unique_key="u", deadline_at=ledger.clock.now + 10, attempts_max=1)
    if end == "cancelled":
        ledger.cancel(number)
    elif end == "expired":
        ledger.clock.advance(10)
        ledger.store.promote().result(WAIT_S)
    else:
        ledger.claim_one()
        ledger.lose_worker()
    assert ledger.row(number).finalized_at is not None
    assert ledger.receive(ledger.new(unique_key="u"))[0].is_new


def test_unique_twins_with_idempotency_keys_of_their_own_are_no_conflict(ledger: Ledger) -> None:
    first, second, third = ledger.receive(
        ledger.new(unique_key="u", idempotency_key="a", fingerprint="1"),
        ledger.new(unique_key="u", idempotency_key="b", fingerprint="2"),
        ledger.new(idempotency_key="b", fingerprint="2"),
    )
    assert {first.number, second.number, third.number} == {first.number}
    assert not (second.conflict or third.conflict)


def test_a_batch_with_keys_comes_to_what_its_jobs_would_come_to_one_by_one(ledger: Ledger) -> None:
    fields = [
        {"idempotency_key": "a", "fingerprint": "1"},
        {"idempotency_key": "a", "fingerprint": "1", "unique_key": "u"},
        {"unique_key": "u"},
        {"unique_key": "u", "idempotency_key": "a", "fingerprint": "2"},
        {},
    ]
    batch = ledger.receive(*[ledger.new(owner=1, **each) for each in fields])
    single = [ledger.receive(ledger.new(owner=2, **each))[0] for each in fields]
    assert [(r.is_new, r.conflict) for r in batch] == [(r.is_new, r.conflict) for r in single]
    assert len({r.number for r in batch}) == len({r.number for r in single}) == 3


def test_any_batch_comes_to_what_its_jobs_would_come_to_one_by_one(ledger: Ledger) -> None:
    random = Random(SEED)

    def draw() -> dict[str, str]:
        sent = {
            "idempotency_key": random.choice(["a", "b", "c", ""]),
            "unique_key": random.choice(["u", "v", ""]),
            "kind": random.choice(["scan", "print"]),
            "fingerprint": random.choice(["1", "2"]),
        }
        return {name: value for name, value in sent.items() if value}

    for turn in range(25):
        batches = [[draw() for _ in range(random.randint(1, 8))] for _ in range(2)]
        told = []
        # What one owner sends in batches another one sends job by job.
        for owner, is_batch in ((2 * turn + 10, True), (2 * turn + 11, False)):
            receipts = []
            for batch in batches:
                jobs = [ledger.new(owner=owner, **fields) for fields in batch]
                receipts += ledger.receive(*jobs) if is_batch else [ledger.receive(job)[0] for job in jobs]
            numbers = [receipt.number for receipt in receipts]
            told.append([(numbers.index(r.number), r.is_new, r.conflict) for r in receipts])
        assert told[0] == told[1], (SEED, turn, batches)


def test_another_owner_s_keys_name_nothing_in_a_batch_with_known_ones(ledger: Ledger) -> None:
    ledger.receive(ledger.new(owner=1, idempotency_key="k"), ledger.new(owner=1, unique_key="u"))
    known = ledger.new(owner=2, idempotency_key="known")
    ledger.receive(known)
    jobs = [ledger.new(owner=2, idempotency_key="k"), ledger.new(owner=2, unique_key="u")]
    assert [receipt.is_new for receipt in ledger.receive(known, *jobs)] == [False, True, True]


def test_a_submission_with_an_impossible_value_is_refused_and_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(RequestError):
        ledger.receive(ledger.new(), ledger.new(priority=10))
    with pytest.raises(RequestError):
        ledger.receive(ledger.new(), ledger.new(attempts_max=0))
    assert ledger.query("SELECT count(*) FROM job") == [(0,)]
    assert ledger.events(1) == []


def test_everything_acknowledged_to_many_submitters_at_once_is_there_once(ledger: Ledger) -> None:
    def submit(thread: int) -> list[int]:
        pending = [ledger.store.submit([ledger.new(owner=thread + 1) for _ in range(3)]) for _ in range(25)]
        return [receipt.number for answer in pending for receipt in answer.result(WAIT_S)]

    with ThreadPoolExecutor(16) as pool:
        acked = [number for numbers in pool.map(submit, range(16)) for number in numbers]
    assert len(set(acked)) == len(acked) == 16 * 75
    assert sorted(number for (number,) in ledger.query("SELECT number FROM job")) == sorted(acked)
    assert len(ledger.claim(2_000)) == len(acked)


def test_g2_twins_in_flight_from_many_threads_come_to_one_job(ledger: Ledger) -> None:
    def submit(_: int) -> tuple[int, bool]:
        (receipt,) = ledger.receive(ledger.new(idempotency_key="k", fingerprint="f"))
        return receipt.number, receipt.is_new

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(submit, range(64)))
    assert len({number for number, _ in answers}) == 1
    assert sum(is_new for _, is_new in answers) == 1


def test_an_operation_that_fails_in_a_group_does_not_hurt_its_neighbours(ledger: Ledger) -> None:
    hold = [ledger.store.submit([ledger.new()])]
    bad = [ledger.store.submit([ledger.new(), ledger.new(priority=11)]) for _ in range(5)]
    good = [ledger.store.submit([ledger.new()]) for _ in range(20)]
    raising = ledger.store.write(lambda tx: [tx.submit([ledger.new()]), 1 // 0])
    last = ledger.store.submit([ledger.new()])
    acked = [receipt.number for answer in (*hold, *good, last) for receipt in answer.result(WAIT_S)]
    for answer in bad:
        with pytest.raises(RequestError):
            answer.result(WAIT_S)
    with pytest.raises(ZeroDivisionError):
        raising.result(WAIT_S)
    assert [number for (number,) in ledger.query("SELECT number FROM job ORDER BY number")] == acked


def test_answers_can_be_awaited(ledger: Ledger) -> None:
    async def work() -> State:
        receipts = await asyncio.gather(*[_await(ledger.store.submit([ledger.new()])) for _ in range(5)])
        row = await ledger.store.get(1, number=receipts[-1][0].number)
        assert row is not None
        return State(row.state)

    async def _await(pending: object) -> list:
        return await pending

    assert asyncio.run(work()) is State.QUEUED


def test_jobs_submitted_inside_a_transaction_come_and_go_with_it(ledger: Ledger) -> None:
    ledger.store.write(lambda tx: tx.execute("CREATE TABLE note (text TEXT)")).result(WAIT_S)

    def keep(tx: object) -> int:
        tx.execute("INSERT INTO note VALUES (:text)", text="kept")
        return tx.submit([ledger.new()])[0].number

    def undo(tx: object) -> None:
        keep(tx)
        raise KeyError("undone")

    number = ledger.store.write(keep).result(WAIT_S)
    with pytest.raises(KeyError):
        ledger.store.write(undo).result(WAIT_S)
    assert ledger.query("SELECT text FROM note") == [("kept",)]
    assert ledger.query("SELECT number FROM job") == [(number,)]
    assert ledger.events(number) == [Event.SUBMITTED]
