"""What programs and operators decide about order and caps is kept in the ledger, once for every process."""

import pytest
from store_ledger import DONE, SHUTDOWN, WAIT_S, Ledger, give_weight

from jobwire.domain.caps import Cap
from jobwire.kinds.contract import Kind
from jobwire.kinds.registry import make_kind
from jobwire.store import policies


def convert() -> None:
    """A kind's handler."""


def keep(ledger: Ledger, *kinds: Kind) -> None:
    ledger.store.write(lambda tx: policies.keep_caps(tx, kinds)).result(WAIT_S)


def make_fair(ledger: Ledger, is_fair: bool, *, queue: str = "q") -> None:
    ledger.store.write(lambda tx: policies.keep_fairness(tx, {queue: is_fair})).result(WAIT_S)


def caps_of(ledger: Ledger) -> set[Cap]:
    return set(ledger.store.read(policies.list_caps).result(WAIT_S).values())


def test_a_queue_that_is_not_fair_is_served_in_the_order_of_submission(ledger: Ledger) -> None:
    make_fair(ledger, False)
    give_weight(ledger, 2, 7)
    numbers = [ledger.submit(owner=owner) for owner in (1, 1, 1, 2, 1, 2, 3, 1)]
    owners = dict(zip(numbers, (1, 1, 1, 2, 1, 2, 3, 1), strict=True))
    assert [ledger.position(number, owner=owner) for number, owner in owners.items()] == list(range(8))
    claims = ledger.claim(2)
    assert ledger.settle(claims[0], SHUTDOWN)
    numbers.append(ledger.submit(owner=4))
    assert [claim.number for claim in ledger.claim(20)] == [numbers[0], *numbers[2:]]


def test_the_policy_of_one_queue_is_not_another_s(ledger: Ledger) -> None:
    make_fair(ledger, False, queue="another")
    ledger.submit_many(3, owner=1)
    newcomer = ledger.submit(owner=2)
    assert ledger.position(newcomer, owner=2) == 1


def test_who_waits_keeps_its_place_when_a_queue_stops_being_fair(ledger: Ledger) -> None:
    first = ledger.submit_many(4, owner=1)
    other = ledger.submit(owner=2)
    make_fair(ledger, False)
    later = [ledger.submit(owner=owner) for owner in (3, 2, 1)]
    assert [claim.number for claim in ledger.claim(20)] == [first[0], other, *first[1:], *later]


def test_an_owner_s_jobs_stay_in_order_when_a_queue_becomes_fair_and_newcomers_get_their_turn(ledger: Ledger) -> None:
    make_fair(ledger, False)
    old = ledger.submit_many(6, owner=1)
    ledger.claim(2)
    make_fair(ledger, True)
    newest = ledger.submit(owner=1)
    newcomer = ledger.submit(owner=2)
    assert ledger.position(newcomer, owner=2) <= 1
    claimed = [claim.number for claim in ledger.claim(20)]
    assert [number for number in claimed if number != newcomer] == [*old[2:], newest]


def test_a_job_that_waits_for_its_time_keeps_its_owner_s_order_when_a_queue_becomes_fair(ledger: Ledger) -> None:
    make_fair(ledger, False)
    ledger.submit_many(3, owner=2)
    planned = ledger.submit(owner=1, run_at=ledger.clock.now + 10)
    make_fair(ledger, True)
    later = ledger.submit(owner=1)
    ledger.clock.advance(10)
    ledger.store.promote().result(WAIT_S)
    mine = [claim.number for claim in ledger.claim(20) if claim.owner == 1]
    assert mine == [planned, later]


def test_a_weight_of_three_gets_three_times_the_turns(ledger: Ledger) -> None:
    for owner in (1, 2):
        give_weight(ledger, owner, 1)
    assert ledger.store.write(lambda tx: policies.set_weight(tx, "owner 1", 3)).result(WAIT_S)
    assert not ledger.store.write(lambda tx: policies.set_weight(tx, "nobody", 3)).result(WAIT_S)
    for owner in (1, 2):
        ledger.submit_many(100, owner=owner)
    served = [claim.owner for claim in ledger.claim(80)]
    assert abs(served.count(1) - 60) <= 1


def test_the_caps_of_a_kind_are_those_it_was_last_opened_with(ledger: Ledger) -> None:
    other = make_kind(convert, name="other", running_max=9)
    keep(ledger, make_kind(convert, running_max=2, key_running_max=1, key_rate="10/60s"), other)
    declared = {Cap("kind", "convert", 2), Cap("concurrency_key", "convert", 1), Cap("rate", "convert", 10, 60_000)}
    assert caps_of(ledger) == {*declared, Cap("kind", "other", 9)}
    keep(ledger, make_kind(convert, running_max=3, key_rate="10/30s"))
    assert caps_of(ledger) == {
        Cap("kind", "convert", 3),
        Cap("rate", "convert", 10, 30_000),
        Cap("kind", "other", 9),
    }
    keep(ledger, make_kind(convert))
    assert caps_of(ledger) == {Cap("kind", "other", 9)}


def test_a_kind_that_opens_with_the_caps_it_had_changes_nothing(ledger: Ledger) -> None:
    kind = make_kind(convert, running_max=1)
    keep(ledger, kind)
    _, second = ledger.submit_many(2)
    claim = ledger.claim_one()
    assert ledger.claim() == []
    keep(ledger, kind)
    assert ledger.place(second) == (0, "kind")
    assert ledger.settle(claim, DONE)
    assert ledger.claim_one().number == second


@pytest.mark.parametrize("cap", [Cap("owner", "1", 0), Cap("rate", "convert", 1), Cap("kind", "convert", 1, 1_000)])
def test_a_cap_that_makes_no_sense_is_refused_by_the_ledger(ledger: Ledger, cap: Cap) -> None:
    with pytest.raises(Exception, match="cannot be written"):
        ledger.set_cap(cap)
