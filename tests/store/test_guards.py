"""Each guard of the statements is needed: with the guard taken out, a named test of the suite fails."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import test_store_cancel as cancels
import test_store_claims as claims
import test_store_hooks as hooks
import test_store_leases as leases
import test_store_order as order
import test_store_reads as reads
import test_store_settlement as settlement
import test_store_submission as submission
import test_store_time as time
from manual_clock import ManualClock
from store_engines import SQLITE_MEMORY
from store_ledger import BROKEN, DONE, FLAKY, Ledger

from jobwire.store.statements import load_statements

Killer = Callable[[Ledger], object]


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
    accepted = ledger.settle_all(settlement.decide(first, outcome), settlement.decide(second, outcome)).accepted
    assert accepted == [other]
    assert ledger.row(ended) == before


def losses_in_a_row(ledger: Ledger) -> None:
    leases.test_g8_losses_count_only_in_a_row(ledger, FLAKY)


def cancel_before_retry(ledger: Ledger) -> None:
    cancels.test_g7_a_job_whose_cancel_was_asked_never_goes_back_to_its_queue(ledger, FLAKY, worker_knows=False)


def started_before_its_deadline(ledger: Ledger) -> None:
    time.test_a_deadline_does_not_touch_a_job_that_was_started_before_it(ledger, None)


GUARDS = (
    # Settle: the fence and the state, in the statement that accepts and in those that write.
    Guard("settle", "accepted", "s.fence = r.value ->> 1 AND", "", stale_alone),
    Guard("settle", "accepted", " AND s.state = 1", "", settled_twice),
    Guard("settle", "complete", " AND state.fence = r.fence", "", stale_completion_in_a_batch),
    Guard("settle", "complete", " AND state.state = 1", "", completed_after_its_end_in_a_batch),
    Guard("settle", "decide", " AND state.fence = r.fence", "", stale_failure_in_a_batch),
    Guard("settle", "decide", " AND state.state = 1", "", failed_after_its_end_in_a_batch),
    Guard("settle", "decide", "state.fence + r.moves_fence", "state.fence", leases.test_g8_a_rescued_job_keeps_its_place_in_the_order),
    Guard("settle", "decide", "CASE WHEN r.loss THEN state.losses + 1 ELSE 0 END", "state.losses + r.loss", losses_in_a_row),
    Guard("settle", "asked", " AND cancel_requested_at IS NOT NULL", "", cancels.test_a_cancel_asked_of_one_job_does_not_touch_its_neighbour_in_the_batch),
    Guard("settle", "asked", "IS NOT NULL", "IS NULL AND false", cancel_before_retry),
    Guard("settle", "end_live", "WHERE number IN (SELECT value FROM json_each(:numbers))", "WHERE false AND :numbers", submission.test_one_live_job_holds_its_unique_key_until_it_is_final),
    Guard("settle", "final_jobs", "WHERE j.kind IN (SELECT value FROM json_each(:kinds))", "WHERE :kinds IS NOT NULL", None),
    # Leases: heartbeat, progress, steps, rescue.
    Guard("heartbeat", "progressed", "s.fence = r.value ->> 1 AND", "", leases.test_progress_of_a_stale_fence_is_ignored),
    Guard("heartbeat", "progressed", " AND s.state = 1", "", leases.test_progress_of_a_final_job_is_ignored_beside_progress_that_counts),
    Guard("heartbeat", "progress", " AND state.fence = r.fence", "", leases.test_progress_of_a_stale_fence_is_ignored_beside_progress_that_counts),
    Guard("heartbeat", "progress", " AND state.state = 1", "", leases.test_progress_of_a_final_job_is_ignored_beside_progress_that_counts),
    Guard("heartbeat", "held", "l.worker = :worker", ":worker IS NOT NULL", leases.test_a_heartbeat_tells_exactly_the_worker_s_own_leases),
    Guard("heartbeat", "retire", "WHERE id = :worker", "WHERE id < :worker", leases.test_a_worker_that_retires_is_rescued_at_once),
    Guard("heartbeat", "forget_workers", "expires_at <= :now AND", ":now IS NOT NULL AND", leases.test_g8_an_idle_worker_keeps_its_right_to_lease_while_it_renews),
    Guard("rescue", "expired", "w.expires_at <= :now", ":now IS NOT NULL", leases.test_g8_a_worker_that_renews_is_never_rescued_however_old_its_job),
    Guard("rescue", "expired", "w.expires_at <= :now", "w.expires_at < :now", leases.test_g8_a_job_is_rescued_when_its_lease_has_run_out_and_not_a_millisecond_before),
    Guard("rescue", "expired", "w.id IS NULL OR", "", leases.test_a_worker_that_retires_is_rescued_at_once),
    Guard("get", "save_step", " AND fence = :fence", " AND :fence IS NOT NULL", leases.test_steps_are_kept_under_the_fence_and_survive_the_attempt),
    Guard("get", "save_step", " AND state = 1", "", settlement_of_a_step := None),
    Guard("get", "holds", " AND fence = :fence", " AND :fence IS NOT NULL", leases.test_a_write_with_a_lease_commits_only_while_it_is_current),
    Guard("get", "holds", " AND state = 1", "", leases.test_a_write_with_a_lease_commits_only_while_it_is_current),
)
