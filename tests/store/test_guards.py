"""Each guard of the statements is needed: with the guard taken out, a named test of the suite fails."""

# ruff: noqa: E501 - a guard a line: the table is read by its columns

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest
import test_store_cancel as cancels
import test_store_caps as caps
import test_store_churn as churn
import test_store_claims as claims
import test_store_leases as leases
import test_store_order as order
import test_store_policies as policies
import test_store_reads as reads
import test_store_settlement as settlement
import test_store_submission as submission
import test_store_time as time
from store_engines import SQLITE_MEMORY
from store_ledger import BROKEN, DONE, FLAKY, Ledger, decide

from jobwire.store.statements import load_statements
from manual_clock import ManualClock

Killer = Callable[[Ledger], object]
BROKEN_WAIT_S = 3


@dataclass(frozen=True)
class Guard:
    """`text` of `statement` in sql/`file`.sql, what it is weakened to, and the test that must notice."""

    file: str
    statement: str
    text: str
    weakened: str
    killer: Killer

    def __str__(self) -> str:
        return f"{self.file}.{self.statement}: {self.text}"


def stale_alone(ledger: Ledger) -> None:
    settlement.test_g5_a_stale_fence_is_refused_and_kept_in_the_attempt_log(ledger, DONE)


def stale_completion_in_a_batch(ledger: Ledger) -> None:
    settlement.test_g5_a_stale_fence_is_refused_beside_settlements_that_are_accepted(ledger, DONE)


def stale_failure_in_a_batch(ledger: Ledger) -> None:
    settlement.test_g5_a_stale_fence_is_refused_beside_settlements_that_are_accepted(ledger, BROKEN)


def settled_twice(ledger: Ledger) -> None:
    settlement.test_g3_a_lease_settles_once_and_a_final_state_never_changes(ledger, DONE, BROKEN)


def completed_after_its_end_in_a_batch(ledger: Ledger) -> None:
    _settle_a_final_job_beside_another(ledger, DONE)


def failed_after_its_end_in_a_batch(ledger: Ledger) -> None:
    _settle_a_final_job_beside_another(ledger, BROKEN)


def _settle_a_final_job_beside_another(ledger: Ledger, outcome: object) -> None:
    ended, other = ledger.submit_many(2)
    first, second = ledger.claim(2)
    assert ledger.settle(first, DONE if outcome is BROKEN else BROKEN)
    before = ledger.row(ended)
    accepted = ledger.settle_all(decide(first, outcome), decide(second, outcome)).accepted
    assert accepted == [other]
    assert ledger.row(ended) == before


def interrupted(ledger: Ledger) -> None:
    settlement.test_an_interrupted_job_keeps_its_place_and_its_attempts(ledger)


def losses_in_a_row(ledger: Ledger) -> None:
    leases.test_g8_losses_count_only_in_a_row(ledger, FLAKY)


def cancel_before_retry(ledger: Ledger) -> None:
    cancels.test_g7_a_job_whose_cancel_was_asked_never_fails_nor_goes_back_to_its_queue(
        ledger, FLAKY, worker_knows=False
    )


def started_before_its_deadline(ledger: Ledger) -> None:
    time.test_a_deadline_does_not_touch_a_job_that_was_started_before_it(ledger, None)


def step_of_a_final_job(ledger: Ledger) -> None:
    settlement.test_g3_nothing_moves_a_final_job(ledger, DONE)


def late_in_small_rounds(ledger: Ledger) -> None:
    time.test_every_late_job_expires_even_in_rounds_smaller_than_their_number(ledger)


def small_churn(ledger: Ledger) -> None:
    churn.compare_under_churn(ledger, Random(7), samples=1_500)


def scopes_of_one_name(ledger: Ledger) -> None:
    caps.test_a_rate_and_a_cap_of_one_key_are_counted_apart(ledger)


def key_cap_raised(ledger: Ledger) -> None:
    caps.test_a_cap_that_is_raised_or_dropped_lets_go_what_it_held(ledger, caps.KEY_CAP, is_dropped=False)


GUARDS = (
    # Settle: the fence and the state, in the statement that accepts and in those that write.
    Guard("settle", "accepted", "s.fence = r.value ->> 1 AND", "", stale_alone),
    Guard("settle", "accepted", " AND s.state = 1", "", settled_twice),
    Guard("settle", "complete", " AND state.fence = r.fence", "", stale_completion_in_a_batch),
    Guard("settle", "complete", " AND state.state = 1", "", completed_after_its_end_in_a_batch),
    Guard("settle", "decide", " AND state.fence = r.fence", "", stale_failure_in_a_batch),
    Guard("settle", "decide", " AND state.state = 1", "", failed_after_its_end_in_a_batch),
    Guard("settle", "decide", "state.fence + r.moves_fence", "state.fence", interrupted),
    Guard("settle", "decide", "state.losses + 1 ELSE 0", "state.losses + 1 ELSE state.losses", losses_in_a_row),
    Guard("settle", "asked", " AND cancel_requested_at IS NOT NULL", "", cancels.test_a_cancel_asked_of_one_job_does_not_touch_its_neighbour_in_the_batch),
    Guard("settle", "asked", "cancel_requested_at IS NOT NULL", "false", cancel_before_retry),
    Guard("settle", "end_live", "IN (SELECT value FROM json_each(:numbers))", "IS NULL", submission.test_one_live_job_holds_its_unique_key_until_it_is_final),
    # Leases: heartbeat, progress, steps, rescue.
    Guard("heartbeat", "progressed", "s.fence = r.value ->> 1 AND", "", leases.test_progress_of_a_stale_fence_is_ignored),
    Guard("heartbeat", "progressed", " AND s.state = 1", "", leases.test_progress_of_a_final_job_is_ignored_beside_progress_that_counts),
    Guard("heartbeat", "progress", " AND state.fence = r.fence", "", leases.test_progress_of_a_stale_fence_is_ignored_beside_progress_that_counts),
    Guard("heartbeat", "progress", " AND state.state = 1", "", leases.test_progress_of_a_final_job_is_ignored_beside_progress_that_counts),
    Guard("heartbeat", "held", "l.worker = :worker", "true", leases.test_a_heartbeat_tells_exactly_the_worker_s_own_leases),
    Guard("heartbeat", "retire", "id = :worker", "false", leases.test_a_worker_that_retires_is_rescued_at_once),
    Guard("heartbeat", "retire", "id = :worker", "true", leases.test_a_worker_that_retires_takes_no_other_with_it),
    Guard("heartbeat", "forget_workers", "expires_at <= :now AND", "", leases.test_g8_an_idle_worker_keeps_its_right_to_lease_while_it_renews),
    Guard("rescue", "expired", "OR w.expires_at <= :now", "OR true", leases.test_g8_a_worker_that_renews_is_never_rescued_however_old_its_job),
    Guard("rescue", "expired", "w.expires_at <= :now", "w.expires_at < :now", leases.test_g8_a_job_is_rescued_when_its_lease_has_run_out_and_not_a_millisecond_before),
    Guard("rescue", "expired", "w.id IS NULL OR", "", leases.test_a_worker_that_retires_is_rescued_at_once),
    Guard("get", "save_step", " AND fence = :fence", "", leases.test_steps_are_kept_under_the_fence_and_survive_the_attempt),
    Guard("get", "save_step", " AND state = 1", "", step_of_a_final_job),
    Guard("get", "holds", " AND fence = :fence", "", leases.test_a_write_with_a_lease_commits_only_while_it_is_current),
    Guard("get", "holds", " AND state = 1", "", leases.test_a_write_with_a_lease_commits_only_while_it_is_current),
    # Owners: nobody reads or moves another's job.
    Guard("get", "by_key", " AND j.owner = :owner", "", reads.test_g11_another_owner_gets_nothing_by_key),
    Guard("get", "by_number", " AND j.owner = :owner", "", reads.test_g11_another_owner_gets_nothing_by_number),
    Guard("get", "find", "j.owner = :owner", "true", reads.test_g11_another_owner_finds_nothing),
    Guard("get", "find", "j.number < :before", "true", reads.test_a_list_is_newest_first_and_goes_on_below_a_job),
    Guard("cancel", "found", "j.owner = :owner", "true", reads.test_g11_another_owner_cancels_nothing),
    Guard("submit", "sent", "j.key = k.value", "false", submission.test_g1_a_submission_sent_again_gives_the_receipt_it_gave),
    Guard("submit", "known", "i.expires_at > :now", "true", submission.test_g2_an_idempotency_key_is_remembered_for_a_day),
    Guard("submit", "known", "i.key = r.value ->> 1", "false", submission.test_g2_the_same_idempotency_key_and_body_give_the_same_job),
    Guard("submit", "live", "l.unique_key = r.value ->> 2", "false", submission.test_one_live_job_holds_its_unique_key_until_it_is_final),
    # Order: what is claimed, where a job stands, how turns move on.
    Guard("claim", "pick", "queue = :queue", "true", claims.test_a_claim_takes_from_its_own_queue_only),
    Guard("claim", "pick", "ORDER BY priority, turn, number", "ORDER BY number", claims.test_jobs_are_claimed_by_priority_then_turn_then_number),
    Guard("claim", "take", "queue = :queue AND", "", claims.test_a_claim_takes_from_its_own_queue_only),
    Guard("claim", "take", "<=", "<", claims.test_a_claim_carries_what_a_worker_needs_and_starts_the_attempt),
    Guard("claim", "start", "fence = fence + 1", "fence = max(fence, 1)", claims.test_a_second_attempt_has_a_greater_fence_and_counts),
    Guard("claim", "claimed", "s.progress", "NULL", leases.test_a_new_attempt_is_told_what_the_last_one_reported),
    Guard("claim", "move_lane", "max(now_turn, excluded.now_turn)", "excluded.now_turn", order.test_g10_a_job_that_comes_back_does_not_turn_its_queue_back),
    Guard("cells", "add", "n + excluded.n", "excluded.n", small_churn),
    Guard("cells", "lanes_of", "s.run_at IS NULL", "true", small_churn),
    Guard("cells", "position", "queue = :queue AND level = 3", "level = 3", small_churn),
    Guard("cells", "position", "(priority, cell) < (:priority, :turn >> 41)", "cell < :turn >> 41", small_churn),
    Guard("cells", "position", "level = 2 AND priority = :priority", "level = 2", small_churn),
    Guard("cells", "position", "cell >= (:turn >> 41) << 6 AND", "", small_churn),
    Guard("cells", "position", "cell >= (:turn >> 35) << 6 AND", "", small_churn),
    Guard("cells", "position", "cell >= (:turn >> 29) << 6 AND", "", small_churn),
    Guard("cells", "position", "AND cell < (:turn + 4194304) >> 23", "AND cell < :turn >> 23", small_churn),
    Guard("cells", "position", "AND turn >= ((:turn + 4194304) >> 23) << 23", "", small_churn),
    Guard("cells", "position", "AND turn < ((:turn + 4194304) >> 23) << 23", "", small_churn),
    Guard("cells", "position", "+ (SELECT count(*) FROM blocked", "+ 0 * (SELECT count(*) FROM blocked", small_churn),
    Guard("cells", "position", "- (SELECT count(*) FROM blocked", "- 0 * (SELECT count(*) FROM blocked", small_churn),
    Guard("cells", "fold", "n = 0", "true", small_churn),
    Guard("submit", "insert_ready", " AND s.run_at IS NULL", "", time.test_a_promoted_job_enters_the_order_it_was_given_at_submission),
    Guard("submit", "take_numbers", "WHERE is_fair = 0", "", policies.test_an_owner_s_jobs_stay_in_order_when_a_queue_becomes_fair_and_newcomers_get_their_turn),
    Guard("submit", "insert_concurrency", "coalesce(w.value ->> 1, k.key)", "w.value ->> 1", caps.test_a_rerun_has_its_origin_s_concurrency_key),
    # Caps: whom they concern, what counts, what comes back, to whom.
    Guard("caps", "needs", "c.name = CAST(n.owner AS TEXT)", "true", caps.test_a_cap_holds_back_only_whom_it_concerns),
    Guard("caps", "needs", "AND c.name = n.kind", "", caps.test_a_cap_holds_back_only_whom_it_concerns),
    Guard("caps", "needs", "n.owner || '/' ||", "", caps.test_a_concurrency_key_belongs_to_its_owner_and_kind),
    Guard("caps", "needs", "n.kind || '/' ||", "'' ||", caps.test_a_concurrency_key_belongs_to_its_owner_and_kind),
    Guard("caps", "taken", "p.scope = w.value ->> 0 AND", "", scopes_of_one_name),
    Guard("caps", "taken", " AND p.name = w.value ->> 1", "", caps.test_a_concurrency_key_belongs_to_its_owner_and_kind),
    Guard("caps", "end_leased", "ends_at IS NULL AND", "", caps.test_a_rate_counts_starts_in_a_window_that_moves_exact_on_both_sides),
    Guard("caps", "end_leased", "number IN (SELECT value FROM json_each(:numbers))", "true", caps.test_no_settlement_gives_back_another_job_s_permit),
    Guard("caps", "end_windows", "ends_at <= :now", "ends_at < :now", caps.test_a_rate_counts_starts_in_a_window_that_moves_exact_on_both_sides),
    Guard("caps", "end_windows", "ends_at <= :now", "true", caps.test_a_rate_counts_starts_in_a_window_that_moves_exact_on_both_sides),
    Guard("caps", "held_queues", "b.queue > h.queue", "false", caps.test_a_slot_that_frees_goes_to_the_first_who_waits_for_it_in_each_queue),
    Guard("caps", "first_held", "AND queue = :queue", "", caps.test_a_slot_that_frees_goes_to_the_first_who_waits_for_it_in_each_queue),
    Guard("caps", "first_held", "ORDER BY priority, turn, number", "ORDER BY number", caps.test_a_slot_that_frees_goes_to_the_first_who_waits_for_it_in_each_queue),
    Guard("caps", "all_held", " OR (name > :name || '/' AND name < :name || '0')", "", key_cap_raised),
    Guard("caps", "count_running", "THEN CAST(j.owner AS TEXT) = :name", "THEN true", caps.test_what_runs_already_counts_under_a_new_cap),
    Guard("caps", "count_running", "THEN j.kind = :name", "THEN true", caps.test_what_runs_already_counts_under_a_new_cap),
    Guard("caps", "drop_permits", "name = :name OR", "", caps.test_a_cap_that_comes_back_knows_nothing_of_what_has_ended_without_it),
    Guard("caps", "drop_permits", " OR (name > :name || '/' AND name < :name || '0')", "", caps.test_a_cap_that_comes_back_knows_nothing_of_what_has_ended_without_it),
    Guard("promote", "next_due", " AND EXISTS (SELECT 1 FROM blocked WHERE scope = 'rate')", "", caps.test_a_rate_counts_starts_in_a_window_that_moves_exact_on_both_sides),
    # Time: what is due, late, old.
    Guard("promote", "due", "run_at <= :now", "true", time.test_a_scheduled_job_becomes_ready_when_its_time_has_come_and_not_before),
    Guard("promote", "late", "d.at <= :now AND", "", time.test_a_job_not_claimed_before_its_deadline_expires),
    Guard("promote", "late", " AND s.state = 0", "", started_before_its_deadline),
    Guard("promote", "pass_deadlines", "at <= :now AND", "", time.test_a_deadline_holds_again_for_a_job_that_went_back_before_it),
    Guard("promote", "pass_deadlines", " AND number NOT IN (SELECT number FROM state WHERE number = deadline.number AND state = 0)", "", late_in_small_rounds),
    Guard("prune", "old", " AND finalized_at < :before", "", time.test_prune_deletes_what_ended_before_the_given_time_with_all_that_belongs_to_it),
    Guard("prune", "idempotency", "expires_at <= :now", "true", time.test_prune_forgets_idempotency_keys_that_expired_and_no_others),
    Guard("prune", "event", " AND NOT EXISTS (SELECT 1 FROM job WHERE number BETWEEN e.lo AND e.hi)", "", time.test_prune_never_deletes_a_job_that_is_not_final),
    # The event log.
    Guard("events", "tail", "no > :after", "true", reads.test_g12_a_reader_that_goes_on_where_it_stopped_misses_nothing_and_sees_nothing_twice),
    Guard("events", "of_job", "e.no > :after AND", "", reads.test_g12_one_job_s_events_are_its_part_of_the_log),
    Guard("events", "of_job", " AND j.value ->> 0 = :number", "", reads.test_g12_one_job_s_events_are_its_part_of_the_log),
)  # fmt: skip


def keeps_its_promise(guard: Guard, clock: ManualClock) -> bool:
    ledger = Ledger(SQLITE_MEMORY.open(":memory:", clock), clock)
    try:
        guard.killer(ledger)
        ledger.check()
    except (Exception, pytest.fail.Exception):
        return False
    finally:
        ledger.close()
    return True


# Those of cells are broken by whole histories only; the other one waits.
MARKED = [
    pytest.param(guard, marks=pytest.mark.slow) if guard.killer is key_cap_raised or guard.file == "cells" else guard
    for guard in GUARDS
]


@pytest.mark.parametrize("guard", MARKED, ids=str)
def test_a_ledger_without_this_guard_breaks_a_promise(
    guard: Guard, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = load_statements("sqlite", guard.file)
    sql = statements[guard.statement]
    assert guard.text in sql
    assert keeps_its_promise(guard, clock)
    monkeypatch.setitem(statements, guard.statement, sql.replace(guard.text, guard.weakened, 1))
    # One waits for a claim that does not come then.
    monkeypatch.setattr(caps, "WAIT_S", BROKEN_WAIT_S)
    assert not keeps_its_promise(guard, clock)
