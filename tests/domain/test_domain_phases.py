"""What a customer is shown, for every stored row there can be."""

from itertools import product

from jobwire.domain.job import JobRow
from jobwire.domain.phases import FINAL_PHASES, Phase, phase_of
from jobwire.domain.states import FINAL_STATES, Reason, State

ROWS = list(product(State, Reason, (0, 1, 4), (False, True), (False, True)))


def show(state: State, reason: Reason, attempt: int, is_due: bool, cancel_requested: bool) -> Phase:
    return phase_of(state, reason=reason, attempt=attempt, is_due=is_due, cancel_requested=cancel_requested)


def test_every_row_has_a_phase_and_every_phase_has_a_row() -> None:
    assert {show(*row) for row in ROWS} == set(Phase)


def test_a_phase_is_final_exactly_when_the_state_is() -> None:
    assert all((show(*row) in FINAL_PHASES) == (row[0] in FINAL_STATES) for row in ROWS)


def test_a_waiting_job_is_scheduled_retrying_or_waiting() -> None:
    for reason, cancel_requested in product(Reason, (False, True)):
        shown = [show(State.QUEUED, reason, attempt, is_due, cancel_requested) for attempt, is_due in (
            (0, False), (1, False), (0, True), (1, True),
        )]  # fmt: skip
        assert shown == [Phase.SCHEDULED, Phase.RETRYING, Phase.WAITING, Phase.WAITING]


def test_a_running_job_is_cancelling_once_its_cancel_was_asked() -> None:
    for reason, attempt, is_due in product(Reason, (1, 2), (False, True)):
        assert show(State.RUNNING, reason, attempt, is_due, False) is Phase.RUNNING
        assert show(State.RUNNING, reason, attempt, is_due, True) is Phase.CANCELLING


def test_only_a_job_whose_deadline_passed_is_shown_as_expired() -> None:
    expired = {row[1] for row in ROWS if show(*row) is Phase.EXPIRED}
    assert expired == {Reason.EXPIRED}
    assert {row[0] for row in ROWS if show(*row) is Phase.EXPIRED} == {State.FAILED}


def test_a_row_shows_its_phase() -> None:
    empty = JobRow._make([None] * len(JobRow._fields))
    queued = empty._replace(state=0, reason=0, attempt=0)
    assert queued.phase is Phase.WAITING
    assert queued._replace(run_at=5).phase is Phase.SCHEDULED
    assert queued._replace(state=1, cancel_requested_at=5).phase is Phase.CANCELLING
    assert queued._replace(state=3, reason=int(Reason.EXPIRED)).phase is Phase.EXPIRED
