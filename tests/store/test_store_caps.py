"""Caps: never more than they allow, never less than could run, in the order, at any interleaving."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import ENGINES, Engine
from store_ledger import BROKEN, DONE, FLAKY, LATER, SHUTDOWN, WAIT_S, Ledger

from jobwire.domain.caps import Cap
from jobwire.domain.states import State
from jobwire.store.capping import SCANNED_MAX
from jobwire.store.contract import Claim
from manual_clock import ManualClock

KIND_CAP = Cap("kind", "convert", 2)
OWNER_CAP = Cap("owner", "1", 2)
KEY_CAP = Cap("concurrency_key", "convert", 1)
RATE_CAP = Cap("rate", "convert", 2, 10_000)
EVERY_CAP = (KIND_CAP._replace(count_max=4), OWNER_CAP, KEY_CAP, RATE_CAP)


def numbers_of(claims: list[Claim]) -> list[int]:
    return [claim.number for claim in claims]


@pytest.mark.parametrize(
    ("cap", "fields"),
    [(KIND_CAP, {}), (OWNER_CAP, {}), (KEY_CAP._replace(count_max=2), {"concurrency_key": "a"})],
    ids=lambda value: value.scope if isinstance(value, Cap) else "",
)
def test_no_more_jobs_run_than_a_cap_allows_and_a_slot_that_frees_is_filled(
    ledger: Ledger, cap: Cap, fields: dict[str, str]
) -> None:
    ledger.set_cap(cap)
    jobs = ledger.submit_many(5, **fields)
    first, second = ledger.claim(5)
    assert [first.number, second.number] == jobs[:2]
    assert ledger.claim(5) == []
    assert [ledger.place(number) for number in jobs[2:]] == [(0, cap.scope), (1, cap.scope), (2, cap.scope)]
    assert ledger.settle(second, DONE)
    assert ledger.place(jobs[2]) == (0, None)
    assert numbers_of(ledger.claim(5)) == [jobs[2]]
    assert ledger.place(jobs[3]) == (0, cap.scope)


@pytest.mark.parametrize("outcome", [DONE, BROKEN, FLAKY, LATER, SHUTDOWN])
def test_every_end_of_a_lease_gives_its_permit_back(ledger: Ledger, outcome: object) -> None:
    ledger.set_cap(KIND_CAP._replace(count_max=1))
    first, second = ledger.submit_many(2)
    claim = ledger.claim_one()
    assert ledger.claim() == []
    assert ledger.settle(claim, outcome)
    assert ledger.claim_one().number == (first if outcome is SHUTDOWN else second)


def test_a_lost_worker_s_permit_comes_back_with_its_rescue(ledger: Ledger) -> None:
    ledger.set_cap(KIND_CAP._replace(count_max=1))
    first, second = ledger.submit_many(2)
    ledger.claim_one()
    assert ledger.claim(worker="w2") == []
    assert ledger.lose_worker() == 1
    assert numbers_of(ledger.claim(2, worker="w2")) == [first]
    assert ledger.place(second) == (0, "kind")


def test_a_worker_that_waits_is_given_the_slot_that_frees(ledger: Ledger) -> None:
    ledger.set_cap(KIND_CAP._replace(count_max=1))
    _, second = ledger.submit_many(2)
    claim = ledger.claim_one()
    parked = ledger.park(worker="w2")
    assert not parked.is_done
    assert ledger.settle(claim, DONE)
    assert numbers_of(parked.result(WAIT_S)) == [second]


def test_a_cap_holds_back_only_whom_it_concerns(ledger: Ledger) -> None:
    for cap in (KIND_CAP._replace(count_max=1), OWNER_CAP._replace(count_max=1), KEY_CAP):
        ledger.set_cap(cap)
    held = ledger.submit_many(3, owner=1, concurrency_key="a")
    free = [ledger.submit(owner=2, kind="other", concurrency_key="a") for _ in range(3)]
    assert sorted(numbers_of(ledger.claim(10))) == [held[0], *free]


def test_a_concurrency_key_belongs_to_its_owner_and_kind(ledger: Ledger) -> None:
    ledger.set_cap(KEY_CAP)
    ledger.set_cap(KEY_CAP._replace(name="other"))
    numbers = [
        ledger.submit(owner=owner, kind=kind, concurrency_key="a")
        for owner in (1, 2)
        for kind in ("convert", "other")
    ]
    again = ledger.submit(owner=2, kind="other", concurrency_key="a")
    assert sorted(ledger.claim_one().number for _ in numbers) == numbers
    assert ledger.claim() == []
    assert ledger.place(again, owner=2) == (0, "concurrency_key")


def test_a_rerun_has_its_origin_s_concurrency_key(ledger: Ledger) -> None:
    ledger.set_cap(KEY_CAP)
    origin = ledger.submit(concurrency_key="a")
    ledger.run(DONE)
    running = ledger.submit(concurrency_key="a")
    again = ledger.submit(rerun_of=origin, root=origin)
    assert numbers_of(ledger.claim(2)) == [running]
    assert ledger.place(again) == (0, "concurrency_key")


def test_a_job_that_is_held_back_keeps_its_place(ledger: Ledger) -> None:
    ledger.set_cap(OWNER_CAP._replace(count_max=1))
    mine = ledger.submit_many(3, owner=1)
    others = ledger.submit_many(3, owner=2)
    order = [mine[0], others[0], mine[1], others[1], mine[2], others[2]]
    claim, other = ledger.claim(2)
    assert [claim.number, other.number] == order[:2]
    assert numbers_of(ledger.claim(1)) == [others[1]]
    places = {number: ledger.place(number, owner=owner) for owner, own in ((1, mine), (2, others)) for number in own}
    assert [places[number] for number in (mine[1], mine[2], others[2])] == [(0, "owner"), (1, None), (2, None)]
    assert ledger.settle(claim, DONE)
    assert numbers_of(ledger.claim(1)) == [mine[1]]


def test_a_cancel_and_a_deadline_reach_a_job_that_is_held_back(ledger: Ledger) -> None:
    ledger.set_cap(KIND_CAP._replace(count_max=1))
    deadline_at = ledger.clock.now + 100
    first, second, third = ledger.submit(), ledger.submit(), ledger.submit(deadline_at=deadline_at)
    claim = ledger.claim_one()
    assert ledger.claim() == []
    assert ledger.cancel(second) is not None
    assert ledger.state(second) is State.CANCELLED
    ledger.clock.advance(100)
    ledger.store.promote().result(WAIT_S)
    assert ledger.state(third) is State.FAILED
    assert claim.number == first


def test_a_slot_is_not_lost_when_the_job_it_was_free_for_is_cancelled(ledger: Ledger) -> None:
    ledger.set_cap(KIND_CAP._replace(count_max=1))
    _, second, third = ledger.submit_many(3)
    claim = ledger.claim_one()
    assert ledger.claim() == []
    assert ledger.settle(claim, DONE)
    ledger.cancel(second)
    assert ledger.claim_one().number == third


def test_a_slot_is_not_lost_when_another_cap_holds_the_job_it_was_free_for(ledger: Ledger) -> None:
    ledger.set_cap(KIND_CAP._replace(count_max=1))
    ledger.set_cap(OWNER_CAP._replace(count_max=1))
    ledger.submit(owner=2)
    claim = ledger.claim_one()
    ledger.submit_many(20, owner=1, kind="convert")
    last = ledger.submit(owner=3, priority=9)
    ledger.submit(owner=1, kind="other", priority=0)
    assert len(ledger.claim(5)) == 1
    assert ledger.place(last, owner=3) == (20, "kind")
    assert ledger.settle(claim, DONE)
    assert numbers_of(ledger.claim(5)) == [last]


def test_what_runs_already_counts_under_a_new_cap(ledger: Ledger) -> None:
    others = [ledger.submit(owner=2, kind="other", concurrency_key="a") for _ in range(2)]
    assert numbers_of(ledger.claim(2)) == others
    ledger.submit_many(5, concurrency_key="a")
    claims = ledger.claim(2)
    for cap in (KIND_CAP, OWNER_CAP, KEY_CAP._replace(count_max=2)):
        ledger.set_cap(cap)
    assert ledger.claim(5) == []
    assert ledger.settle(claims[0], DONE)
    assert len(ledger.claim(5)) == 1


def test_a_cap_that_comes_back_knows_nothing_of_what_has_ended_without_it(ledger: Ledger) -> None:
    for cap in (KIND_CAP, KEY_CAP):
        ledger.set_cap(cap._replace(count_max=1))
    ledger.submit_many(2, concurrency_key="a")
    claim = ledger.claim_one()
    for cap in (KIND_CAP, KEY_CAP):
        ledger.drop_cap(cap.scope, cap.name)
    assert ledger.settle(claim, DONE)
    for cap in (KIND_CAP, KEY_CAP):
        ledger.set_cap(cap._replace(count_max=1))
    assert len(ledger.claim(5)) == 1


def test_a_slot_that_frees_goes_to_the_first_who_waits_for_it_in_each_queue(ledger: Ledger) -> None:
    ledger.set_cap(OWNER_CAP._replace(count_max=1))
    ledger.submit()
    claim = ledger.claim_one()
    late, soon = ledger.submit(priority=3), ledger.submit(priority=2)
    elsewhere = ledger.submit_many(2, queue="another")
    stranger = ledger.submit(owner=2, kind="other", priority=9)
    assert numbers_of(ledger.claim(5)) == [stranger]
    assert ledger.claim(5, queue="another") == []
    assert ledger.settle(claim, DONE)
    held = {number: ledger.place(number).blocked_by for number in (late, soon, *elsewhere)}
    assert held == {late: "owner", soon: None, elsewhere[0]: None, elsewhere[1]: "owner"}
    assert numbers_of(ledger.claim(5, queue="another")) == [elsewhere[0]]
    assert ledger.claim(5) == []


@pytest.mark.parametrize("is_dropped", [False, True])
@pytest.mark.parametrize("cap", [KIND_CAP, OWNER_CAP, KEY_CAP, RATE_CAP], ids=lambda cap: cap.scope)
def test_a_cap_that_is_raised_or_dropped_lets_go_what_it_held(ledger: Ledger, cap: Cap, is_dropped: bool) -> None:
    ledger.set_cap(cap._replace(count_max=1))
    jobs = ledger.submit_many(4, concurrency_key="a")
    assert len(ledger.claim(5)) == 1
    parked = ledger.park(worker="w2", limit=5)
    if is_dropped:
        ledger.drop_cap(cap.scope, cap.name)
    else:
        ledger.set_cap(cap._replace(count_max=3))
    assert numbers_of(parked.result(WAIT_S)) == jobs[1 : None if is_dropped else 3]


def test_a_rate_counts_starts_in_a_window_that_moves_exact_on_both_sides(ledger: Ledger) -> None:
    ledger.set_cap(RATE_CAP)
    start = ledger.clock.now
    ledger.run_new(concurrency_key="b")
    assert ledger.store.promote().result(WAIT_S) is None
    jobs = ledger.submit_many(5, concurrency_key="a")
    ledger.run(DONE)
    ledger.clock.advance(4_000)
    ledger.run(DONE)
    assert ledger.claim(5) == []
    assert ledger.place(jobs[2]) == (0, "rate")
    assert ledger.store.promote().result(WAIT_S) == start + 10_000
    ledger.clock.advance(5_999)
    ledger.store.promote().result(WAIT_S)
    assert ledger.claim(5) == []
    ledger.clock.advance(1)
    assert ledger.store.promote().result(WAIT_S) == start + 14_000
    assert numbers_of(ledger.claim(5)) == [jobs[2]]
    ledger.clock.advance(3_999)
    assert ledger.claim(5) == []
    ledger.clock.advance(1)
    assert numbers_of(ledger.claim(5)) == [jobs[3]]


def test_a_rate_and_a_cap_of_one_key_are_counted_apart(ledger: Ledger) -> None:
    ledger.set_cap(RATE_CAP)
    ledger.set_cap(KEY_CAP._replace(count_max=2))
    jobs = ledger.submit_many(3, concurrency_key="a")
    assert [ledger.claim_one().number for _ in range(2)] == jobs[:2]
    assert ledger.claim() == []


def test_no_settlement_gives_back_another_job_s_permit(ledger: Ledger) -> None:
    ledger.set_cap(KIND_CAP)
    ledger.submit_many(2)
    ledger.claim(2)
    other = ledger.submit(kind="other")
    last = ledger.submit()
    claim = ledger.claim_one()
    assert claim.number == other
    assert ledger.settle(claim, DONE)
    assert ledger.claim() == []
    assert ledger.place(last) == (0, "kind")


def test_a_worker_that_waits_is_woken_when_a_rate_s_window_has_moved(ledger: Ledger) -> None:
    ledger.set_cap(RATE_CAP)
    jobs = ledger.submit_many(3, concurrency_key="a")
    assert len(ledger.claim(5)) == 2
    parked = ledger.park(worker="w2")
    due_at = ledger.store.promote().result(WAIT_S)
    assert due_at is not None
    ledger.clock.advance(due_at - ledger.clock.now)
    ledger.store.promote().result(WAIT_S)
    assert numbers_of(parked.result(WAIT_S)) == [jobs[2]]


def test_a_flood_over_its_cap_is_walked_in_bounded_claims_and_ends_at_the_first_that_may_run(ledger: Ledger) -> None:
    ledger.set_cap(OWNER_CAP._replace(count_max=1))
    flood = ledger.submit_many(2 * SCANNED_MAX + 10, owner=1, priority=1)
    other = ledger.submit(owner=2, priority=5)
    assert numbers_of(ledger.claim(1)) == [flood[0]]
    assert ledger.claim(1) == []
    assert ledger.place(flood[1]).blocked_by == "owner"
    assert ledger.place(flood[SCANNED_MAX + 1]).blocked_by is None
    parked = ledger.park(limit=8)
    assert numbers_of(parked.result(WAIT_S)) == [other]
    assert ledger.place(flood[-1]) == (2 * SCANNED_MAX + 8, "owner")


@pytest.mark.slow
def test_a_capped_flood_does_not_slow_another_owner_s_claim(ledger: Ledger) -> None:
    """Measured in what the claim looks at, not in time: each job of the flood is moved aside once."""
    ledger.set_cap(OWNER_CAP._replace(count_max=1))
    ledger.submit_many(10_000, owner=1)
    ledger.claim(1)
    for _ in range(50):
        number = ledger.submit(owner=2)
        assert numbers_of(ledger.claim(1)) == [number]
    (blocked,) = ledger.query("SELECT count(*) FROM blocked")
    assert blocked[0] <= 60


@dataclass
class Model:
    """What may run by the plain reading of the caps, over every waiting job."""

    ledger: Ledger
    caps: tuple[Cap, ...]
    claims: list[Claim] = field(default_factory=list)
    starts: list[tuple[int, int]] = field(default_factory=list)
    scopes: dict[int, list[tuple[str, str]]] = field(default_factory=dict)

    def submit(self, count: int, **fields: object) -> None:
        for number in self.ledger.submit_many(count, **fields):
            owner, kind, key = fields["owner"], fields["kind"], fields["concurrency_key"]
            names = {"owner": str(owner), "kind": kind, "concurrency_key": kind, "rate": kind}
            self.scopes[number] = [
                (cap.scope, cap.name if cap.scope in ("owner", "kind") else f"{kind}/{owner}/{key}")
                for cap in self.caps
                if names[cap.scope] == cap.name and (cap.scope in ("owner", "kind") or key is not None)
            ]

    def claim(self, limit: int) -> None:
        expected = self.expected(limit)
        claims = self.ledger.claim(limit)
        assert numbers_of(claims) == expected
        self.claims += claims
        self.starts += [(number, self.ledger.clock.now) for number in expected]

    def expected(self, limit: int) -> list[int]:
        sizes = {cap.scope: cap.count_max for cap in self.caps}
        now = self.ledger.clock.now
        taken: Counter[tuple[str, str]] = Counter()
        for claim in self.claims:
            taken.update(scope for scope in self.scopes[claim.number] if scope[0] != "rate")
        for number, at in self.starts:
            if at > now - (RATE_CAP.window_ms or 0):
                taken.update(scope for scope in self.scopes[number] if scope[0] == "rate")
        chosen: list[int] = []
        waiting = self.ledger.query(
            "SELECT number FROM job JOIN state USING (number) WHERE state = 0 AND run_at IS NULL AND queue = 'q' "
            "ORDER BY priority, turn, number"
        )
        for (number,) in waiting:
            if len(chosen) < limit and all(taken[scope] < sizes[scope[0]] for scope in self.scopes[number]):
                chosen.append(number)
                taken.update(self.scopes[number])
        return chosen


CAP_MOVES = st.lists(
    st.one_of(
        st.tuples(
            st.just("submit"),
            st.integers(1, 2),
            st.sampled_from(["convert", "other"]),
            st.sampled_from([None, "a", "b"]),
            st.integers(4, 6),
            st.integers(1, 6),
        ),
        st.tuples(st.just("claim"), st.integers(1, 5)),
        st.tuples(st.just("settle"), st.integers(0, 99), st.sampled_from([DONE, BROKEN, FLAKY, LATER, SHUTDOWN])),
        st.tuples(st.just("cancel"), st.integers(0, 99)),
        st.tuples(st.just("pass"), st.sampled_from([1, 2_500, 9_999])),
        st.tuples(st.just("promote")),
    ),
    max_size=40,
)


def replay(ledger: Ledger, moves: list[tuple[object, ...]], caps: tuple[Cap, ...]) -> None:
    model = Model(ledger, caps)
    for cap in caps:
        ledger.set_cap(cap)
    ledger.beat(lease_ms=10**9)
    for move in moves:
        match move:
            case ("submit", owner, kind, key, priority, count):
                model.submit(count, owner=owner, kind=kind, concurrency_key=key, priority=priority)
            case ("claim", limit):
                model.claim(limit)
            case ("settle", pick, outcome) if model.claims:
                assert ledger.settle(model.claims.pop(pick % len(model.claims)), outcome)
            case ("cancel", pick) if model.scopes:
                number = list(model.scopes)[pick % len(model.scopes)]
                for owner in (1, 2):
                    ledger.cancel(number, owner=owner)
            case ("pass", ms):
                ledger.clock.advance(ms)
            case ("promote",):
                ledger.store.promote().result(WAIT_S)
    model.claim(1_000)
    ledger.check()


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@settings(max_examples=60)
@given(moves=CAP_MOVES, chosen=st.sets(st.sampled_from(EVERY_CAP), min_size=1))
@pytest.mark.slow
def test_claims_start_exactly_the_first_jobs_that_every_cap_allows(
    engine: Engine, moves: list[tuple[object, ...]], chosen: set[Cap]
) -> None:
    clock = ManualClock()
    with TemporaryDirectory() as folder:
        ledger = Ledger(engine.open(engine.address(Path(folder)), clock), clock)
        replay(ledger, moves, tuple(sorted(chosen)))
        ledger.close()
