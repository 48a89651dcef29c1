"""G8 and the fence: only a lease that ran out is rescued; whoever lost it writes nothing any more."""

import pytest
from store_ledger import BROKEN, DONE, FLAKY, LATER, LEASE_MS, SHUTDOWN, WAIT_S, Ledger, lease_of

from jobwire.domain.settlement import LOSSES_MAX, Lease
from jobwire.domain.states import Event, Reason, State
from jobwire.store.contract import Claim, ClaimRequest, HeldLease, LeaseLost, ProgressReport


def lose_and_reclaim(ledger: Ledger) -> tuple[Claim, Claim]:
    ledger.submit()
    stale = ledger.claim_one(worker="lost")
    assert ledger.lose_worker() == 1
    return stale, ledger.claim_one(worker="w2")


def test_g8_a_job_is_rescued_when_its_lease_has_run_out_and_not_a_millisecond_before(ledger: Ledger) -> None:
    number = ledger.submit()
    ledger.claim_one()
    ledger.clock.advance(LEASE_MS - 1)
    assert ledger.store.rescue().result(WAIT_S) == 0
    assert ledger.state(number) is State.RUNNING
    ledger.clock.advance(1)
    assert ledger.store.rescue().result(WAIT_S) == 1
    row = ledger.row(number)
    assert (row.state, row.reason, row.attempt, row.fence) == (State.QUEUED, Reason.WORKER_LOST, 1, 2)
    assert ledger.attempts(number) == [(1, "rescued")]
    assert ledger.store.rescue().result(WAIT_S) == 0


def test_g8_a_worker_that_renews_is_never_rescued_however_old_its_job(ledger: Ledger) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    for _ in range(20):
        ledger.clock.advance(LEASE_MS - 1)
        ledger.beat()
        assert ledger.store.rescue().result(WAIT_S) == 0
    assert ledger.row(number).fence == claim.fence
    assert ledger.settle(claim, DONE)


def test_g8_an_idle_worker_keeps_its_right_to_lease_while_it_renews(ledger: Ledger) -> None:
    ledger.beat("w1")
    ledger.store.rescue().result(WAIT_S)
    ledger.submit()
    settled = ledger.store.settle([], ClaimRequest("w1", "q", 1)).result(WAIT_S)
    assert len(settled.claims) == 1
    assert ledger.store.rescue().result(WAIT_S) == 0


def test_g8_only_the_lost_worker_s_jobs_are_rescued(ledger: Ledger) -> None:
    lost, kept = ledger.submit_many(2)
    ledger.claim_one(worker="lost")
    ledger.claim_one(worker="w2")
    ledger.clock.advance(LEASE_MS - 1)
    ledger.beat("w2")
    ledger.clock.advance(1)
    assert ledger.store.rescue().result(WAIT_S) == 1
    assert (ledger.state(lost), ledger.state(kept)) == (State.QUEUED, State.RUNNING)


def test_a_rescue_takes_no_more_than_its_limit(ledger: Ledger) -> None:
    ledger.submit_many(5)
    ledger.claim(5)
    ledger.clock.advance(LEASE_MS)
    assert [ledger.store.rescue(2).result(WAIT_S) for _ in range(4)] == [2, 2, 1, 0]


def test_g8_a_rescued_job_keeps_its_place_in_the_order(ledger: Ledger) -> None:
    numbers = ledger.submit_many(4)
    ledger.claim(2)
    assert ledger.lose_worker() == 2
    assert [claim.number for claim in ledger.claim(4)] == numbers


def test_g8_three_losses_in_a_row_poison_the_job(ledger: Ledger) -> None:
    number = ledger.submit(attempts_max=9)
    for _ in range(LOSSES_MAX):
        assert ledger.state(number) is State.QUEUED
        ledger.claim_one()
        assert ledger.lose_worker() == 1
    row = ledger.row(number)
    assert (row.state, row.reason) == (State.FAILED, Reason.POISON)
    assert "worker_lost" in (row.error or "")
    assert [event for _, event in ledger.attempts(number)] == ["rescued", "rescued", "failed"]


@pytest.mark.parametrize("outcome", [FLAKY, LATER, SHUTDOWN], ids=["retried", "snoozed", "interrupted"])
def test_g8_losses_count_only_in_a_row(ledger: Ledger, outcome: object) -> None:
    number = ledger.submit(attempts_max=20)
    for _ in range(3):
        for _ in range(LOSSES_MAX - 1):
            ledger.claim_one()
            assert ledger.lose_worker() == 1
        ledger.run(outcome)
        ledger.clock.advance(60_000)
        ledger.store.promote().result(WAIT_S)
    assert ledger.state(number) is State.QUEUED
    assert ledger.claim_one().losses == 0


def test_g8_a_loss_at_the_last_attempt_ends_the_job(ledger: Ledger) -> None:
    number = ledger.submit(attempts_max=1)
    ledger.claim_one()
    assert ledger.lose_worker() == 1
    row = ledger.row(number)
    assert (row.state, row.reason) == (State.FAILED, Reason.ATTEMPTS_EXHAUSTED)
    assert '"retryable":true' in (row.error or "")


def test_a_worker_that_retires_is_rescued_at_once(ledger: Ledger) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    ledger.store.retire("w1").result(WAIT_S)
    assert ledger.store.rescue().result(WAIT_S) == 1
    assert ledger.state(number) is State.QUEUED
    assert not ledger.settle(claim, DONE)


def test_a_worker_that_retires_takes_no_other_with_it(ledger: Ledger) -> None:
    ledger.submit_many(2)
    ledger.claim_one()
    kept = ledger.claim_one(worker="w2")
    ledger.store.retire("w1").result(WAIT_S)
    assert ledger.store.rescue().result(WAIT_S) == 1
    assert ledger.settle(kept, DONE)


def test_a_claim_without_any_heartbeat_has_no_lease_to_stand_on(ledger: Ledger) -> None:
    ledger.submit()
    ledger.store.settle([], ClaimRequest("w1", "q", 1)).result(WAIT_S)
    assert ledger.store.rescue().result(WAIT_S) == 1


def test_a_late_heartbeat_keeps_what_was_not_rescued_yet(ledger: Ledger) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    ledger.clock.advance(LEASE_MS * 5)
    assert ledger.beat() == [HeldLease(number, claim.fence, 0)]
    assert ledger.store.rescue().result(WAIT_S) == 0
    assert ledger.settle(claim, DONE)


def test_a_heartbeat_tells_exactly_the_worker_s_own_leases(ledger: Ledger) -> None:
    first, second, third = ledger.submit_many(3)
    mine = ledger.claim(2)
    ledger.claim_one(worker="w2")
    assert [lease.number for lease in ledger.beat("w2")] == [third]
    assert sorted(ledger.beat()) == [HeldLease(claim.number, claim.fence, 0) for claim in mine]
    ledger.cancel(second)
    assert ledger.settle(mine[0], BROKEN)
    assert ledger.beat() == [HeldLease(second, 1, 1)]
    assert ledger.state(first) is State.FAILED


def test_a_rescued_lease_is_gone_from_the_heartbeat_of_the_worker_that_lost_it(ledger: Ledger) -> None:
    stale, current = lose_and_reclaim(ledger)
    assert ledger.beat("lost") == []
    assert ledger.beat("w2") == [HeldLease(current.number, current.fence, 0)]
    assert stale.fence < current.fence


def test_progress_is_written_under_the_fence_and_shown(ledger: Ledger) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    ledger.beat(progress=[ProgressReport(number, claim.fence, '{"percent":40,"message":"ș \\u0000"}')])
    row = ledger.row(number)
    assert (row.progress, row.version) == ('{"percent":40,"message":"ș \\u0000"}', 3)
    assert ledger.events(number)[-1] is Event.PROGRESSED


def test_progress_of_a_stale_fence_is_ignored(ledger: Ledger) -> None:
    stale, current = lose_and_reclaim(ledger)
    before = ledger.row(stale.number)
    ledger.beat("lost", progress=[ProgressReport(stale.number, stale.fence, '{"percent":99}')])
    assert ledger.row(stale.number) == before
    assert ledger.settle(current, DONE)


def test_progress_of_a_stale_fence_is_ignored_beside_progress_that_counts(ledger: Ledger) -> None:
    stale, _ = lose_and_reclaim(ledger)
    number = ledger.submit()
    claim = ledger.claim_one(worker="w2")
    before = ledger.row(stale.number)
    reports = [ProgressReport(stale.number, stale.fence, "1"), ProgressReport(number, claim.fence, "2")]
    ledger.beat("w2", progress=reports)
    assert ledger.row(stale.number) == before
    assert ledger.row(number).progress == "2"


def test_progress_of_a_stale_attempt_does_not_displace_the_current_one_s(ledger: Ledger) -> None:
    stale, current = lose_and_reclaim(ledger)
    for reports in ([stale, current], [current, stale]):
        ledger.beat("w2", progress=[ProgressReport(c.number, c.fence, str(c.fence)) for c in reports])
        assert ledger.row(current.number).progress == str(current.fence)
    assert ledger.row(current.number).version == 6


def test_progress_of_a_final_job_is_ignored_beside_progress_that_counts(ledger: Ledger) -> None:
    done, number = ledger.submit_many(2)
    final, claim = ledger.claim(2)
    assert ledger.settle(final, DONE)
    before = ledger.row(done)
    ledger.beat(progress=[ProgressReport(done, final.fence, "1"), ProgressReport(number, claim.fence, "2")])
    ledger.beat(progress=[ProgressReport(done, final.fence, "1")])
    assert ledger.row(done) == before


def test_the_last_of_several_reports_of_one_attempt_counts_once(ledger: Ledger) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    ledger.beat(progress=[ProgressReport(number, claim.fence, str(n)) for n in range(3)])
    row = ledger.row(number)
    assert (row.version, row.progress) == (3, "2")


def test_a_new_attempt_is_told_what_the_last_one_reported(ledger: Ledger) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    assert claim.progress is None
    ledger.beat(progress=[ProgressReport(number, claim.fence, '{"percent":40}')])
    assert ledger.settle(claim, SHUTDOWN)
    assert ledger.claim_one().progress == ledger.row(number).progress == '{"percent":40}'


def test_steps_are_kept_under_the_fence_and_survive_the_attempt(ledger: Ledger) -> None:
    stale, current = lose_and_reclaim(ledger)
    assert ledger.store.save_step(lease_of(current), name="a", output='{"n":1}').result(WAIT_S)
    assert ledger.store.save_step(lease_of(current), name="a", output='{"n":2}').result(WAIT_S)
    assert not ledger.store.save_step(lease_of(stale), name="a", output='{"n":3}').result(WAIT_S)
    assert not ledger.store.save_step(Lease(current.number + 99, 1), name="a", output="1").result(WAIT_S)
    assert ledger.store.steps(current.number).result(WAIT_S) == {"a": '{"n":2}'}
    assert ledger.settle(current, SHUTDOWN)
    assert not ledger.store.save_step(lease_of(current), name="b", output="1").result(WAIT_S)
    ledger.claim_one()
    assert ledger.store.steps(current.number).result(WAIT_S) == {"a": '{"n":2}'}


def test_a_write_with_a_lease_commits_only_while_it_is_current(ledger: Ledger) -> None:
    ledger.store.write(lambda tx: tx.execute("CREATE TABLE note (text TEXT)")).result(WAIT_S)
    stale, current = lose_and_reclaim(ledger)

    def write(text: str) -> object:
        return lambda tx: tx.execute("INSERT INTO note VALUES (:text)", text=text)

    assert ledger.store.write(write("kept"), lease=lease_of(current)).result(WAIT_S) == 1
    with pytest.raises(LeaseLost):
        ledger.store.write(write("stale"), lease=lease_of(stale)).result(WAIT_S)
    assert ledger.settle(current, DONE)
    with pytest.raises(LeaseLost):
        ledger.store.write(write("late"), lease=lease_of(current)).result(WAIT_S)
    assert ledger.query("SELECT text FROM note") == [("kept",)]
