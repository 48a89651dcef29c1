"""Each guard of PostgreSQL's statements is needed: with the guard taken out, a named test of the suite fails."""

# ruff: noqa: E501 - a guard a line: the table is read by its columns

import pytest
import test_guards as guards
import test_store_cancel as cancels
import test_store_caps as caps
import test_store_claims as claims
import test_store_leases as leases
import test_store_order as order
import test_store_reads as reads
import test_store_settlement as settlement
import test_store_submission as submission
import test_store_time as time
from store_ledger import WAIT_S, Ledger
from test_guards import Guard

from jobwire.store.postgres import open_postgres
from jobwire.store.statements import load_statements
from manual_clock import ManualClock
from postgres_server import new_ledger

NUMBERS = "number = ANY (translate(:numbers, '[]', '{}')::bigint[])"


def flood_in_single_submissions(ledger: Ledger) -> None:
    for _ in range(10):
        ledger.submit(owner=1)
    newcomer = ledger.submit(owner=2)
    assert newcomer in [claim.number for claim in ledger.claim(2)]


def positions_behind_claimed_jobs(ledger: Ledger) -> None:
    rows = [ledger.row(number) for number in ledger.submit_many(40)]
    ledger.claim(20)
    assert ledger.store.position(rows[-1]).result(WAIT_S).position == 19


def backlog_far_ahead(ledger: Ledger) -> None:
    order.test_g10_an_owner_that_was_away_gets_no_credit_for_it(ledger)


GUARDS = (
    # Settle: the fence and the state, in the one statement that accepts and writes.
    Guard("settle", "complete", " AND s.fence = r.fence", "", guards.stale_completion_in_a_batch),
    Guard("settle", "complete", " AND s.state = 1", "", guards.completed_after_its_end_in_a_batch),
    Guard("settle", "complete", "WHERE number = ANY (ARRAY(SELECT number FROM settled))),\nfreed", "WHERE false),\nfreed", settlement.test_g6_versions_only_grow_and_by_one_for_each_event),
    Guard("settle", "complete", "DELETE FROM live WHERE number = ANY (ARRAY(SELECT number FROM settled))", "DELETE FROM live WHERE false", submission.test_one_live_job_holds_its_unique_key_until_it_is_final),
    Guard("settle", "decide", " AND s.fence = r.fence", "", guards.stale_failure_in_a_batch),
    Guard("settle", "decide", " AND s.state = 1", "", guards.failed_after_its_end_in_a_batch),
    Guard("settle", "decide", "s.fence + r.moves_fence", "s.fence", guards.interrupted),
    Guard("settle", "decide", "s.losses + 1 ELSE 0", "s.losses + 1 ELSE s.losses", guards.losses_in_a_row),
    Guard("settle", "asked", "WHERE cancel_requested_at IS NOT NULL", "", cancels.test_a_cancel_asked_of_one_job_does_not_touch_its_neighbour_in_the_batch),
    Guard("settle", "asked", "cancel_requested_at IS NOT NULL", "false", guards.cancel_before_retry),
    # Leases: heartbeat, progress, steps, rescue.
    Guard("heartbeat", "progressed", "s.fence = (r.value ->> 1)::bigint AND", "", leases.test_progress_of_a_stale_fence_is_ignored),
    Guard("heartbeat", "progressed", " AND s.state = 1", "", leases.test_progress_of_a_final_job_is_ignored_beside_progress_that_counts),
    Guard("heartbeat", "progress", " AND state.fence = r.fence", "", leases.test_progress_of_a_stale_fence_is_ignored_beside_progress_that_counts),
    Guard("heartbeat", "progress", " AND state.state = 1", "", leases.test_progress_of_a_final_job_is_ignored_beside_progress_that_counts),
    Guard("heartbeat", "held", "l.worker = :worker", "true", leases.test_a_heartbeat_tells_exactly_the_worker_s_own_leases),
    Guard("heartbeat", "retire", "id = :worker", "true", leases.test_a_worker_that_retires_takes_no_other_with_it),
    Guard("heartbeat", "forget_workers", "expires_at <= :now AND", "", leases.test_g8_an_idle_worker_keeps_its_right_to_lease_while_it_renews),
    Guard("rescue", "expired", "OR w.expires_at <= :now", "OR true", leases.test_g8_a_worker_that_renews_is_never_rescued_however_old_its_job),
    Guard("rescue", "expired", "w.expires_at <= :now", "w.expires_at < :now", leases.test_g8_a_job_is_rescued_when_its_lease_has_run_out_and_not_a_millisecond_before),
    Guard("rescue", "expired", "w.id IS NULL OR", "", leases.test_a_worker_that_retires_is_rescued_at_once),
    Guard("get", "save_step", " AND fence = :fence", "", leases.test_steps_are_kept_under_the_fence_and_survive_the_attempt),
    Guard("get", "save_step", " AND state = 1", "", guards.step_of_a_final_job),
    Guard("get", "holds", " AND fence = :fence", "", leases.test_a_write_with_a_lease_commits_only_while_it_is_current),
    Guard("get", "holds", " AND state = 1", "", leases.test_a_write_with_a_lease_commits_only_while_it_is_current),
    # Owners: reads have a second wall (test_postgres_wall.py), writes do not.
    Guard("cancel", "found", "j.owner = :owner", "true", reads.test_g11_another_owner_cancels_nothing),
    Guard("submit", "known", "i.expires_at > :now", "true", submission.test_g2_an_idempotency_key_is_remembered_for_a_day),
    Guard("submit", "known", "i.key = r.value ->> 1", "false", submission.test_g2_the_same_idempotency_key_and_body_give_the_same_job),
    Guard("submit", "live", "l.unique_key = r.value ->> 2", "false", submission.test_one_live_job_holds_its_unique_key_until_it_is_final),
    Guard("submit", "keep_keys", "OR i.number IN (SELECT number FROM left_over)", "", time.test_a_pruned_job_frees_its_idempotency_key),
    # Order: what is claimed, where a job stands, how turns move on.
    Guard("claim", "claim", "queue = :queue AND", "", claims.test_a_claim_takes_from_its_own_queue_only),
    Guard("claim", "claim", "ORDER BY priority, turn, number LIMIT", "ORDER BY number LIMIT", order.test_g10_two_backlogged_owners_are_served_in_turn),
    Guard("claim", "claim", "fence = s.fence + 1", "fence = greatest(s.fence, 1)", claims.test_a_second_attempt_has_a_greater_fence_and_counts),
    Guard("claim", "claim", "s.progress, s.priority", "NULL, s.priority", leases.test_a_new_attempt_is_told_what_the_last_one_reported),
    Guard("claim", "claim", "SELECT queue, priority, turn >> 23, -count(*)", "SELECT queue, priority, turn >> 23, 0", positions_behind_claimed_jobs),
    Guard("submit", "take_places", "ORDER BY turn DESC", "ORDER BY turn", backlog_far_ahead),
    Guard("submit", "take_places", "greatest(excluded.last_turn, o.last_turn + excluded.advance)", "excluded.last_turn", flood_in_single_submissions),
    Guard("submit", "take_places", "greatest(excluded.last_turn, o.last_turn + excluded.advance)", "o.last_turn + excluded.advance", backlog_far_ahead),
    Guard("cells", "position", "AND (turn, number) < (:turn, :number)", "AND (turn, number) <= (:turn, :number)", order.test_g9_a_queue_s_positions_know_nothing_of_another_queue),
    Guard("cells", "position", "WHERE queue = :queue AND (priority, cell) < (:priority, (:turn", "WHERE (priority, cell) < (:priority, (:turn", order.test_g9_a_queue_s_positions_know_nothing_of_another_queue),
    Guard("submit", "insert", "FROM r WHERE run_at IS NULL", "FROM r", time.test_a_promoted_job_enters_the_order_it_was_given_at_submission),
    # Time: what is due, late, old.
    Guard("promote", "due", "run_at <= :now", "true", time.test_a_scheduled_job_becomes_ready_when_its_time_has_come_and_not_before),
    Guard("promote", "late", "d.at <= :now AND", "", time.test_a_job_not_claimed_before_its_deadline_expires),
    Guard("promote", "pass_deadlines", "d.at <= :now AND", "", time.test_a_deadline_holds_again_for_a_job_that_went_back_before_it),
    Guard("prune", "old", " AND finalized_at < :before", "", time.test_prune_deletes_what_ended_before_the_given_time_with_all_that_belongs_to_it),
    Guard("prune", "idempotency", "expires_at <= :now", "true", time.test_prune_forgets_idempotency_keys_that_expired_and_no_others),
    Guard("ring", "survive", "OR EXISTS", "AND EXISTS", time.test_prune_never_deletes_a_job_that_is_not_final),
    # The event log.
    Guard("events", "sequence", "ORDER BY no", "ORDER BY no DESC", reads.test_g12_the_event_log_has_every_event_of_every_job_in_commit_order),
    Guard("events", "tail", "no > :after", "true", reads.test_g12_a_reader_that_goes_on_where_it_stopped_misses_nothing_and_sees_nothing_twice),
    Guard("events", "of_job", "e.no > :after AND", "", reads.test_g12_one_job_s_events_are_its_part_of_the_log),
    Guard("events", "of_job", " AND (j.value ->> 0)::bigint = :number", "", reads.test_g12_one_job_s_events_are_its_part_of_the_log),
    # Caps.
    Guard("caps", "needs", "c.name = n.owner::text", "true", caps.test_a_cap_holds_back_only_whom_it_concerns),
    Guard("caps", "needs", "AND c.name = n.kind", "", caps.test_a_cap_holds_back_only_whom_it_concerns),
    Guard("caps", "taken", " AND p.name = w.value ->> 1", "", caps.test_a_concurrency_key_belongs_to_its_owner_and_kind),
    Guard("caps", "end_leased", "ends_at IS NULL AND", "", caps.test_a_rate_counts_starts_in_a_window_that_moves_exact_on_both_sides),
    Guard("caps", "end_leased", NUMBERS, "true", caps.test_no_settlement_gives_back_another_job_s_permit),
    Guard("caps", "end_windows", "ends_at <= :now", "ends_at < :now", caps.test_a_rate_counts_starts_in_a_window_that_moves_exact_on_both_sides),
    Guard("caps", "first_held", "AND queue = :queue", "", caps.test_a_slot_that_frees_goes_to_the_first_who_waits_for_it_in_each_queue),
    Guard("caps", "count_running", "THEN j.owner::text = :name", "THEN true", caps.test_what_runs_already_counts_under_a_new_cap),
)  # fmt: skip


def keeps_its_promise(guard: Guard) -> bool:
    clock = ManualClock()
    ledger = Ledger(open_postgres(new_ledger(), clock=clock), clock)
    try:
        guard.killer(ledger)
        ledger.check()
    except (Exception, pytest.fail.Exception):
        return False
    finally:
        ledger.close()
    return True


@pytest.mark.slow
@pytest.mark.parametrize("guard", GUARDS, ids=str)
def test_a_postgres_ledger_without_this_guard_breaks_a_promise(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    statements = load_statements("postgres", guard.file)
    sql = statements[guard.statement]
    assert guard.text in sql
    assert keeps_its_promise(guard)
    monkeypatch.setitem(statements, guard.statement, sql.replace(guard.text, guard.weakened, 1))
    assert not keeps_its_promise(guard)
