"""A rerun begins with the steps that it keeps, in the same commit as itself, and they stay in their order."""

from store_ledger import BROKEN, DONE, WAIT_S, Ledger, lease_of

from jobwire.store.contract import JobFilter


def save(ledger: Ledger, claim: object, *names: str) -> None:
    for name in names:
        assert ledger.store.save_step(lease_of(claim), name=name, output=f'"{name}"').result(WAIT_S)  # type: ignore[arg-type]


def steps(ledger: Ledger, number: int) -> list[str]:
    return list(ledger.store.steps(number).result(WAIT_S))


def test_steps_of_one_millisecond_stay_in_the_order_they_were_completed_in(ledger: Ledger) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    save(ledger, claim, "b", "c", "a")
    assert steps(ledger, number) == ["b", "c", "a"]
    save(ledger, claim, "c")
    assert steps(ledger, number) == ["b", "c", "a"]


def test_a_rerun_has_the_steps_it_keeps_and_no_others(ledger: Ledger) -> None:
    origin = ledger.submit()
    claim = ledger.claim_one()
    save(ledger, claim, "b", "c", "a")
    assert ledger.settle(claim, BROKEN)
    again = ledger.submit(rerun_of=origin, root=origin, kept_steps=("b", "c", "never"))
    plain = ledger.submit(rerun_of=origin, root=origin)
    assert (steps(ledger, again), steps(ledger, plain)) == (["b", "c"], [])
    assert [ledger.row(number).fence for number in (again, plain)] == [1, 0]
    first, second = ledger.claim(2)
    assert (first.number, first.fence, first.attempt) == (again, 2, 1)
    assert (second.number, second.fence, second.attempt) == (plain, 1, 1)
    save(ledger, first, "d")
    assert steps(ledger, again) == ["b", "c", "d"]
    assert ledger.settle(first, DONE)


def test_a_rerun_whose_origin_was_pruned_begins_anew(ledger: Ledger) -> None:
    origin = ledger.submit()
    claim = ledger.claim_one()
    save(ledger, claim, "a")
    assert ledger.settle(claim, BROKEN)
    ledger.clock.advance(10)
    assert ledger.store.prune(ledger.clock.now).result(WAIT_S) == 1
    again = ledger.submit(rerun_of=origin, root=origin, kept_steps=("a",))
    assert steps(ledger, again) == []


def test_a_list_is_filtered_by_queue_and_by_both_sides_of_time(ledger: Ledger) -> None:
    first = ledger.submit(queue="a")
    ledger.clock.advance(10)
    middle = ledger.clock.now
    second = ledger.submit(queue="a")
    third = ledger.submit(queue="b")

    def find(**fields: object) -> list[int]:
        return [row.number for row in ledger.store.find(1, JobFilter(**fields)).result(WAIT_S)]  # type: ignore[arg-type]

    assert find(queue="a") == [second, first] and find(queue="b") == [third] and find(queue="c") == []
    assert find(created_before=middle) == [first] and find(created_before=middle + 1) == [third, second, first]
    assert find(created_after=middle - 1, created_before=middle + 1) == [third, second]


def test_fresh_keys_go_in_one_batch_and_known_ones_are_found(ledger: Ledger) -> None:
    fresh = [ledger.new(idempotency_key=f"k{n}", fingerprint="f") for n in range(5)]
    fresh += [ledger.new(unique_key=f"u{n}") for n in range(5)]
    first = ledger.receive(*fresh)
    assert [receipt.is_new for receipt in first] == [True] * 10
    again = ledger.receive(
        ledger.new(unique_key="u1"),
        ledger.new(idempotency_key="k1", fingerprint="f"),
        ledger.new(),
        ledger.new(unique_key="u9"),
    )
    assert [receipt.is_new for receipt in again] == [False, False, True, True]
    assert [receipt.number for receipt in again[:2]] == [first[6].number, first[1].number]
    twins = ledger.receive(ledger.new(unique_key="t"), ledger.new(unique_key="t"))
    assert [receipt.is_new for receipt in twins] == [True, False]
