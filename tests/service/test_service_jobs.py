"""Submit, read, cancel and rerun on the real ledger."""

import asyncio
import dataclasses
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from jobwire.domain.errors import RequestError
from jobwire.domain.ids import ID_LENGTH
from jobwire.domain.job import JobFilter, JobRow, Receipt
from jobwire.domain.outcome import Completed
from jobwire.domain.phases import Phase
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.settlement import AttemptFacts, Lease, settle_outcome
from jobwire.kinds.registry import Registry, make_kind
from jobwire.service.admission import Admission
from jobwire.service.estimates import Estimates
from jobwire.service.jobs import SHARE_MAX, Jobs
from jobwire.service.submission import (
    FIND_LIMIT_MAX,
    HORIZON_DAYS_MAX,
    KEY_CHARS_MAX,
    NUMBER_MAX,
    TAG_CHARS_MAX,
    TAGS_MAX,
)
from jobwire.store.contract import Claim, ClaimRequest
from jobwire.store.sqlite import SqliteStore

T = TypeVar("T")

ALICE, BOB = 1, 2
HORIZON_MS = HORIZON_DAYS_MAX * 24 * 3_600_000


def add(a: int, b: int = 1) -> int:
    return a + b


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@pytest.fixture
def jobs(store: SqliteStore, clock: Any) -> Jobs:
    registry = Registry([make_kind(add, queue="sums", attempts=3)], queues=("bulk", "other", "q" * 64))
    return Jobs(store, registry, clock, Admission(store, Estimates(store, clock)))


def submit(jobs: Jobs, **options: Any) -> JobRow:
    receipt = run(jobs.submit(ALICE, "add", {"a": 1}, **options))
    return run(jobs.read(ALICE, number=receipt.number))


def claim(store: SqliteStore, queue: str = "sums") -> Claim:
    return store.claim(ClaimRequest("w1", queue, 1)).result(5)[0]


def complete(store: SqliteStore) -> None:
    taken = claim(store)
    facts = AttemptFacts(taken.attempt, taken.attempts_max, taken.losses, cancel_requested=False)
    lease = Lease(taken.number, taken.fence)
    settlement = settle_outcome(lease, Completed("2"), facts=facts, policy=RetryPolicy(), jitter=0.0)
    assert store.settle([settlement]).result(5).accepted == [taken.number]


def refusal_of(work: Coroutine[Any, Any, Any]) -> RequestError:
    with pytest.raises(RequestError) as refused:
        run(work)
    return refused.value


def test_a_submission_is_in_the_ledger_with_what_its_kind_says(jobs: Jobs, store: SqliteStore) -> None:
    receipt = run(jobs.submit(ALICE, "add", {"a": 1}))
    row = run(jobs.read(ALICE, key=receipt.key))
    assert receipt.is_new
    assert (row.number, row.kind, row.queue, row.priority, row.attempts_max) == (receipt.number, "add", "sums", 5, 3)
    assert (row.phase, len(row.key), row.tags) == (Phase.WAITING, ID_LENGTH, None)
    assert store.input_of(row.number).result(5) == '{"a":1}'


def test_every_option_of_a_submission_is_kept(jobs: Jobs, store: SqliteStore, clock: Any) -> None:
    now = clock()
    row = submit(
        jobs, queue="bulk", priority=0, run_at=now + 60_000, deadline_at=now + 90_000, tags=["a", "b", "a"]
    )  # fmt: skip
    assert (row.queue, row.priority, row.run_at, row.deadline_at) == ("bulk", 0, now + 60_000, now + 90_000)
    assert (row.tags, row.phase) == ('["a","b"]', Phase.SCHEDULED)


def test_a_time_in_the_past_means_now(jobs: Jobs, store: SqliteStore, clock: Any) -> None:
    assert submit(jobs, run_at=clock() - 1).phase is Phase.WAITING


def test_a_build_writes_nothing_and_the_same_checks_hold_for_a_synchronous_submission(
    jobs: Jobs, store: SqliteStore
) -> None:
    built = jobs.build(ALICE, "add", {"a": 1})
    assert run(jobs.find(ALICE, JobFilter())) == []
    assert store.submit([built]).result(5)[0].key == built.key
    with pytest.raises(RequestError, match="'add' is not valid: /a: required field is missing"):
        jobs.build(ALICE, "add", {})


@pytest.mark.parametrize("options", [{}, {"tags": ["a"], "priority": 1, "run_at": 5}, {"idempotency_key": "k"}])
def test_many_are_built_as_each_alone(jobs: Jobs, options: dict[str, Any]) -> None:
    inputs = [{"a": n} for n in range(3)]
    many = jobs.build_many(ALICE, "add", inputs, **options)
    alone = [jobs.build(ALICE, "add", one, **options) for one in inputs]
    assert [job._replace(key="") for job in many] == [job._replace(key="") for job in alone]
    assert len({job.key for job in many}) == len(inputs)
    assert jobs.build_many(ALICE, "add", [], **options) == []
    with pytest.raises(RequestError):
        jobs.build_many(ALICE, "add", [*inputs, {}], **options)


AT_THE_BOUND = [
    {"queue": "q" * 64},
    {"priority": 0},
    {"priority": 9},
    {"tags": ["t" * TAG_CHARS_MAX]},
    {"tags": [f"t{n}" for n in range(TAGS_MAX)]},
    {"tags": ["vânzare · Кишинёв"]},
    {"tags": []},
    {"unique_key": "u" * KEY_CHARS_MAX},
    {"idempotency_key": "i" * KEY_CHARS_MAX},
    {"run_at": 0},
]


@pytest.mark.parametrize("options", AT_THE_BOUND, ids=str)
def test_every_field_is_accepted_at_its_bound(jobs: Jobs, options: dict[str, Any]) -> None:
    assert submit(jobs, **options).phase is Phase.WAITING


BEYOND_THE_BOUND = [
    ({"queue": "q" * 65}, "/queue"),
    ({"queue": ""}, "/queue"),
    ({"queue": "Sums"}, "/queue"),
    ({"queue": 7}, "/queue"),
    ({"priority": -1}, "/priority"),
    ({"priority": 10}, "/priority"),
    ({"priority": True}, "/priority"),
    ({"priority": 1.5}, "/priority"),
    ({"tags": ["t" * (TAG_CHARS_MAX + 1)]}, "/tags/0"),
    ({"tags": ["fine", ""]}, "/tags/1"),
    ({"tags": ["a\x00b"]}, "/tags/0"),
    ({"tags": ["\ud800"]}, "/tags/0"),
    ({"tags": [7]}, "/tags/0"),
    ({"tags": "text"}, "/tags"),
    ({"tags": [f"t{n}" for n in range(TAGS_MAX + 1)]}, "/tags"),
    ({"unique_key": "u" * (KEY_CHARS_MAX + 1)}, "/unique_key"),
    ({"unique_key": ""}, "/unique_key"),
    ({"idempotency_key": "i" * (KEY_CHARS_MAX + 1)}, "/idempotency_key"),
    ({"idempotency_key": "line\nbreak"}, "/idempotency_key"),
    ({"run_at": -1}, "/run_at"),
    ({"run_at": "soon"}, "/run_at"),
    ({"run_at": 2**80}, "/run_at"),
]


@pytest.mark.parametrize(("options", "pointer"), BEYOND_THE_BOUND, ids=str)
def test_every_field_is_refused_beyond_its_bound_with_its_pointer(
    jobs: Jobs, options: dict[str, Any], pointer: str
) -> None:
    refused = refusal_of(jobs.submit(ALICE, "add", {"a": 1}, **options))
    assert refused.code == "invalid_request"
    assert [error["pointer"] for error in refused.details["errors"]] == [pointer]
    assert len(refused.message) < 250


def test_times_lie_within_366_days_and_a_deadline_after_the_start(jobs: Jobs, store: SqliteStore, clock: Any) -> None:
    now = clock()
    assert submit(jobs, run_at=now + HORIZON_MS).phase is Phase.SCHEDULED
    assert submit(jobs, deadline_at=now + HORIZON_MS).phase is Phase.WAITING
    assert submit(jobs, deadline_at=now + 1).phase is Phase.WAITING
    for name, options in [
        ("/run_at", {"run_at": now + HORIZON_MS + 1}),
        ("/deadline_at", {"deadline_at": now + HORIZON_MS + 1}),
        ("/deadline_at", {"deadline_at": now}),
        ("/deadline_at", {"run_at": now + 9, "deadline_at": now + 9}),
    ]:
        refused = refusal_of(jobs.submit(ALICE, "add", {"a": 1}, **options))
        assert refused.details["errors"][0]["pointer"] == name


def test_an_unknown_kind_and_a_wrong_input_are_refused_where_they_are(jobs: Jobs) -> None:
    assert "did you mean 'add'?" in refusal_of(jobs.submit(ALICE, "ad", {"a": 1})).message
    refused = refusal_of(jobs.submit(ALICE, "add", {"a": "x", "c": 1}))
    assert [error["pointer"] for error in refused.details["errors"]] == ["/c", "/a"]


def test_an_idempotency_key_gives_the_first_job_again_and_refuses_another(
    jobs: Jobs, store: SqliteStore, clock: Any
) -> None:
    first = run(jobs.submit(ALICE, "add", {"a": 1, "b": 2}, idempotency_key="k"))
    clock.now += 5_000
    again = run(jobs.submit(ALICE, "add", {"b": 2, "a": 1}, idempotency_key="k"))
    assert (again.number, again.key, again.is_new) == (first.number, first.key, False)
    refused = refusal_of(jobs.submit(ALICE, "add", {"a": 2}, idempotency_key="k"))
    assert refused.code == "unprocessable"
    assert refused.details == {"job_id": f"job_{first.key}"}
    assert run(jobs.submit(BOB, "add", {"a": 2}, idempotency_key="k")).is_new
    assert len(run(jobs.find(ALICE, JobFilter()))) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"queue": "other"},
        {"priority": 1},
        {"tags": ["x"]},
        {"unique_key": "u"},
        {"run_at": 1},
        {"deadline_at": 1_800_000_000_000 - 80_000_000_000},
    ],
    ids=str,
)
def test_the_fingerprint_covers_every_option(jobs: Jobs, change: dict[str, Any]) -> None:
    plain = jobs.build(ALICE, "add", {"a": 1}, idempotency_key="k")
    changed = jobs.build(ALICE, "add", {"a": 1}, idempotency_key="k", **change)
    assert plain.fingerprint is not None
    assert plain.fingerprint != changed.fingerprint


def test_a_fingerprint_of_the_caller_replaces_the_computed_one(jobs: Jobs, store: SqliteStore, clock: Any) -> None:
    now = clock()
    first = run(jobs.submit(ALICE, "add", {"a": 1}, run_at=now + 9, idempotency_key="k", fingerprint="body"))
    again = run(jobs.submit(ALICE, "add", {"a": 1}, run_at=now + 99, idempotency_key="k", fingerprint="body"))
    assert again.number == first.number
    assert jobs.build(ALICE, "add", {"a": 1}).fingerprint is None


def test_a_unique_key_gives_the_live_job_until_it_is_final(jobs: Jobs, store: SqliteStore) -> None:
    first = run(jobs.submit(ALICE, "add", {"a": 1}, unique_key="only"))
    assert run(jobs.submit(ALICE, "add", {"a": 2}, unique_key="only")).number == first.number
    complete(store)
    assert run(jobs.submit(ALICE, "add", {"a": 2}, unique_key="only")).is_new


def test_a_stranger_s_job_answers_exactly_like_an_absent_one(jobs: Jobs) -> None:
    row = submit(jobs)
    answers = [
        refusal_of(jobs.read(BOB, key=row.key)),
        refusal_of(jobs.read(BOB, number=row.number)),
        refusal_of(jobs.cancel(BOB, row)),
        refusal_of(jobs.rerun(BOB, row)),
        refusal_of(jobs.read(ALICE, key="0" * ID_LENGTH)),
        refusal_of(jobs.read(ALICE, number=row.number + 1)),
    ]
    assert {(answer.code, answer.message, str(answer.details)) for answer in answers} == {
        ("not_found", "there is no such job; check the id and that it is your account's", "{}")
    }
    assert run(jobs.read(ALICE, key=row.key)) == row


@pytest.mark.parametrize("key", ["", "z" * ID_LENGTH, "0" * 25, "\ud800" * ID_LENGTH, "x" * 10_000, "' OR 1=1 --"])
def test_a_key_that_cannot_be_one_is_simply_not_found(jobs: Jobs, key: str) -> None:
    assert refusal_of(jobs.read(ALICE, key=key)).code == "not_found"


@pytest.mark.parametrize("number", [0, -1, NUMBER_MAX, NUMBER_MAX + 1, 10**30])
def test_a_number_that_no_ledger_can_hold_is_simply_not_found(jobs: Jobs, number: int) -> None:
    assert refusal_of(jobs.read(ALICE, number=number)).code == "not_found"


def test_the_position_is_the_number_of_jobs_before_it(jobs: Jobs) -> None:
    rows = [submit(jobs) for _ in range(3)]
    assert [run(jobs.position(row)).position for row in rows] == [0, 1, 2]
    urgent = submit(jobs, priority=0)
    assert [run(jobs.position(row)).position for row in (urgent, *rows)] == [0, 1, 2, 3]


def test_a_waiting_job_is_cancelled_at_once_and_only_once(jobs: Jobs) -> None:
    row = submit(jobs)
    assert run(jobs.cancel(ALICE, row)).phase is Phase.CANCELLED
    refused = refusal_of(jobs.cancel(ALICE, row))
    assert (refused.code, refused.details) == ("conflict", {"phase": "cancelled"})


def test_a_running_job_is_asked_to_stop_and_may_be_asked_again(jobs: Jobs, store: SqliteStore) -> None:
    row = submit(jobs)
    claim(store)
    asked = run(jobs.cancel(ALICE, row))
    assert asked.phase is Phase.CANCELLING
    assert run(jobs.cancel(ALICE, row)) == asked


def test_a_completed_job_cannot_be_cancelled_any_more(jobs: Jobs, store: SqliteStore) -> None:
    row = submit(jobs)
    complete(store)
    refused = refusal_of(jobs.cancel(ALICE, row))
    assert (refused.code, refused.details) == ("conflict", {"phase": "completed"})
    assert "completed" in refused.message


def test_a_rerun_is_a_new_job_that_names_its_origin_and_its_root(jobs: Jobs, store: SqliteStore) -> None:
    first = submit(jobs, priority=2, tags=["x"])
    complete(store)
    second = run(jobs.rerun(ALICE, run(jobs.read(ALICE, number=first.number))))
    row = run(jobs.read(ALICE, number=second.number))
    assert second.is_new
    assert (row.rerun_of, row.root, row.priority, row.tags) == (first.number, first.number, 2, '["x"]')
    assert store.input_of(row.number).result(5) == '{"a":1}'
    assert run(jobs.read(ALICE, number=first.number)).phase is Phase.COMPLETED
    complete(store)
    third = run(jobs.rerun(ALICE, run(jobs.read(ALICE, number=row.number)), input={"a": 7}))
    row = run(jobs.read(ALICE, number=third.number))
    assert (row.rerun_of, row.root) == (second.number, first.number)
    assert store.input_of(row.number).result(5) == '{"a":7}'


def test_a_rerun_runs_in_the_queue_of_the_first_run(jobs: Jobs, store: SqliteStore) -> None:
    row = run(jobs.cancel(ALICE, submit(jobs, queue="bulk")))
    assert run(jobs.read(ALICE, number=run(jobs.rerun(ALICE, row)).number)).queue == "bulk"


def test_a_job_that_is_not_final_cannot_be_rerun(jobs: Jobs, store: SqliteStore) -> None:
    row = submit(jobs)
    refused = refusal_of(jobs.rerun(ALICE, row))
    assert (refused.code, refused.details) == ("conflict", {"phase": "waiting"})
    claim(store)
    running = run(jobs.read(ALICE, number=row.number))
    assert refusal_of(jobs.rerun(ALICE, running)).details == {"phase": "running"}
    assert len(run(jobs.find(ALICE, JobFilter()))) == 1


def test_a_rerun_is_checked_like_a_first_submission(jobs: Jobs) -> None:
    row = run(jobs.cancel(ALICE, submit(jobs)))
    assert refusal_of(jobs.rerun(ALICE, row, input={"a": "x"})).code == "invalid_request"
    unknown = row._replace(kind="gone")
    assert "unknown kind 'gone'" in refusal_of(jobs.rerun(ALICE, unknown)).message


def test_a_listing_is_the_owner_s_newest_first_and_filtered(jobs: Jobs) -> None:
    plain, tagged = submit(jobs), submit(jobs, tags=["x"])
    run(jobs.submit(BOB, "add", {"a": 1}))
    assert [row.number for row in run(jobs.find(ALICE, JobFilter()))] == [tagged.number, plain.number]
    assert [row.number for row in run(jobs.find(ALICE, JobFilter(tag="x")))] == [tagged.number]
    assert [row.number for row in run(jobs.find(ALICE, JobFilter(before=tagged.number)))] == [plain.number]


@pytest.mark.parametrize("limit", [1, FIND_LIMIT_MAX])
def test_a_listing_is_given_at_both_bounds_of_its_length(jobs: Jobs, limit: int) -> None:
    submit(jobs)
    assert len(run(jobs.find(ALICE, JobFilter(limit=limit, before=NUMBER_MAX, created_after=0)))) == 1


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"limit": 0}, "/limit"),
        ({"limit": FIND_LIMIT_MAX + 1}, "/limit"),
        ({"tag": "t" * (TAG_CHARS_MAX + 1)}, "/tag"),
        ({"kind": "No Kind"}, "/kind"),
        ({"before": -1}, "/before"),
        ({"before": NUMBER_MAX + 1}, "/before"),
        ({"created_after": NUMBER_MAX + 1}, "/created_after"),
    ],
    ids=str,
)
def test_a_listing_beyond_its_bounds_is_refused(jobs: Jobs, changes: dict[str, Any], pointer: str) -> None:
    refused = refusal_of(jobs.find(ALICE, dataclasses.replace(JobFilter(), **changes)))
    assert refused.details["errors"][0]["pointer"] == pointer


# many


def commits_of(store: SqliteStore) -> int:
    """How many commits the submissions came in: the log has one entry for each."""
    return len({event.no for event in store.events(0, limit=10_000).result(10)})


@pytest.mark.parametrize(("count", "commits"), [(0, 0), (SHARE_MAX, 1), (SHARE_MAX + 1, 2)])
def test_many_jobs_are_committed_a_share_at_a_time(jobs: Jobs, store: SqliteStore, count: int, commits: int) -> None:
    receipts = run(jobs.admit_each([jobs.build(ALICE, "add", {"a": n}) for n in range(count)]))
    assert [isinstance(receipt, Receipt) and receipt.is_new for receipt in receipts] == [True] * count
    assert commits_of(store) == commits


def test_all_jobs_or_none_are_one_commit(jobs: Jobs, store: SqliteStore) -> None:
    built = [jobs.build(ALICE, "add", {"a": n}) for n in range(SHARE_MAX + 1)]
    assert len(run(jobs.admit_all(built))) == SHARE_MAX + 1 and commits_of(store) == 1


def test_a_refusal_among_many_stands_in_its_place(jobs: Jobs) -> None:
    first = run(jobs.submit(ALICE, "add", {"a": 1}, idempotency_key="k"))
    refusal = refusal_of(jobs.submit(ALICE, "add", {}))
    other = jobs.build(ALICE, "add", {"a": 2}, idempotency_key="k")
    same = jobs.build(ALICE, "add", {"a": 1}, idempotency_key="k")
    results = run(jobs.admit_each([refusal, other, same]))
    assert results[0] is refusal
    assert isinstance(results[1], RequestError) and results[1].details["job_id"].endswith(first.key)
    assert isinstance(results[2], Receipt) and results[2].number == first.number


def test_many_jobs_for_a_ledger_that_is_away_are_refused_as_a_whole(jobs: Jobs, store: SqliteStore) -> None:
    built = [jobs.build(ALICE, "add", {"a": 1})]
    store.close()
    assert refusal_of(jobs.admit_each(built)).code == "unavailable"
