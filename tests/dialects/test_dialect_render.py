"""Rendering a job: exact keys and values in every phase."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_rows import AT, KEY, ROWS, WAITING

from jobwire.dialects.native import NATIVE
from jobwire.dialects.render import compile_views, wrap_body
from jobwire.dialects.sources import Facts
from jobwire.dialects.spec import CODES, Dialect, Envelope, Field
from jobwire.domain.job import JobRow
from jobwire.domain.phases import FINAL_PHASES, Phase
from shop_dialect import SHOP

NATIVE_VIEWS = compile_views(NATIVE, NATIVE.job)
SHOP_VIEWS = compile_views(SHOP, SHOP.job, envelope=SHOP.envelope)


def show(dialect: Dialect, row: JobRow, facts: Facts | None = None, **changes: Any) -> Any:
    changed = replace(dialect, **changes)
    return json.loads(compile_views(changed, changed.job)[row.phase].render(row, facts))


def test_the_rows_cover_every_phase() -> None:
    assert {phase: row.phase for phase, row in ROWS.items()} == {phase: phase for phase in Phase}


@pytest.mark.parametrize("phase", Phase)
def test_a_native_job_has_the_same_keys_in_every_phase_but_for_position_and_links(phase: Phase) -> None:
    job = json.loads(NATIVE_VIEWS[phase].render(ROWS[phase], Facts(3, None, KEY)))
    expected = [
        "id", "kind", "queue", "priority", "phase", "progress",
        *(["position", "blocked_by"] if phase is Phase.WAITING else []), "estimate",
        "attempt", "attempts_max", "result", "error", "rerun_of", "root_id", "tags", "created_at", "run_at",
        "started_at", "finalized_at", "deadline_at", "version", "links",
    ]  # fmt: skip
    assert list(job) == expected
    assert job["phase"] == phase.value
    assert (job["result"] is not None) == (phase is Phase.COMPLETED)
    assert (job["error"] is not None) == (phase in {Phase.RETRYING, Phase.FAILED, Phase.EXPIRED})
    assert ("rerun" in job["links"]) == (phase in FINAL_PHASES) != ("cancel" in job["links"])


def test_a_native_completed_job_is_shown_whole() -> None:
    assert json.loads(NATIVE_VIEWS[Phase.COMPLETED].render(ROWS[Phase.COMPLETED], None)) == {
        "id": f"job_{KEY}", "kind": "echo", "queue": "default", "priority": 5, "phase": "completed",
        "progress": {"percent": 100.0, "stage": "sort", "done": 5, "total": 8, "message": "half"},
        "estimate": None, "attempt": 1, "attempts_max": 5, "result": {"a": [1, "%s"]}, "error": None,
        "rerun_of": None,
        "root_id": f"job_{KEY}", "tags": [], "created_at": "2031-02-27T23:06:40.089Z", "run_at": None,
        "started_at": "2031-02-27T23:06:41.089Z", "finalized_at": "2031-02-27T23:06:42.089Z", "deadline_at": None,
        "version": 1,
        "links": {
            "self": f"/v1/jobs/job_{KEY}", "result": f"/v1/jobs/job_{KEY}/result",
            "rerun": f"/v1/jobs/job_{KEY}/rerun",
        },
    }  # fmt: skip


def test_a_public_error_shows_its_details_as_data() -> None:
    job = json.loads(NATIVE_VIEWS[Phase.FAILED].render(ROWS[Phase.FAILED], None))
    assert job["error"] == {
        "code": "too_big", "message": 'It is "big"', "retryable": True, "details": {"limit": 3},
    }  # fmt: skip


def test_lineage_is_shown_by_ids_and_a_pruned_ancestor_by_null() -> None:
    row = WAITING._replace(rerun_of=3, root=2)
    parent = "1" * 26
    job = json.loads(NATIVE_VIEWS[Phase.WAITING].render(row, Facts(0, parent, None)))
    assert (job["rerun_of"], job["root_id"]) == (f"job_{parent}", None)


def test_the_shop_says_the_same_job_in_its_own_words() -> None:
    def shown(phase: Phase, facts: Facts | None = None) -> Any:
        envelope = json.loads(SHOP_VIEWS[phase].render(ROWS[phase], facts))
        assert list(envelope) == ["success", "data", "error"] and envelope["error"] is None
        return envelope["data"]

    common = {"id": 7, "type": "say_again", "createdAt": "2031-02-27T23:06:40Z", "self": "/shop/api/job?id=7"}
    started = {"startedAt": AT // 1_000 + 1}
    ended = {"endedAt": AT + 2_000}
    assert shown(Phase.WAITING, Facts(2, None, KEY)) == {
        **common, "status": "pending", "place": 2, "progress": 0, "endedAt": None,
    }  # fmt: skip
    assert shown(Phase.RUNNING) == {
        **common, **started, "status": "active", "place": None, "progress": 62, "endedAt": None,
    }  # fmt: skip
    assert shown(Phase.COMPLETED) == {
        **common, **started, **ended, "status": "done", "progress": 62,
        "result": {"text": "100 %", "answer": {"a": [1, "%s"]}},
    }  # fmt: skip
    assert shown(Phase.FAILED) == {
        **common, **started, **ended, "status": "failed", "progress": 0, "reason": 'It is "big"',
    }  # fmt: skip
    assert shown(Phase.EXPIRED) == {**common, **ended, "status": "failed", "progress": 0}


def test_a_key_left_out_when_null_is_there_when_it_is_not() -> None:
    shape = (Field("a", value=1), Field("b", "error.message", omit_null=True), Field("c", "deadline_at", "epoch_ms"))
    assert show(NATIVE, WAITING, job=shape) == {"a": 1, "c": None}
    row = ROWS[Phase.RETRYING]._replace(deadline_at=5)
    assert show(NATIVE, row, job=shape) == {"a": 1, "b": 'It is "big"', "c": 5}
    assert show(NATIVE, row, job=shape[:1]) == {"a": 1}


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ((Field("a", "id"), Field("a", "kind")), "two fields claim 'a'"),
        ((Field("a", "id"), Field("a.b", "kind")), "lies below another"),
        ((Field("a.b", "id"), Field("a", "kind")), "two fields claim 'a'"),
        ((Field("a", "output", omit_null=True), Field("b", "id")), "cannot be the first key"),
    ],
)
def test_a_shape_that_contradicts_itself_is_refused_when_it_is_compiled(
    fields: tuple[Field, ...], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        compile_views(NATIVE, fields)


def test_an_envelope_keeps_its_order_around_any_body() -> None:
    envelope = Envelope("data", first={"ok": True, "n": [1]}, last={"error": None})
    assert wrap_body({"a": "%"}, envelope) == b'{"ok":true,"n":[1],"data":{"a":"%"},"error":null}'
    assert wrap_body([1], None) == b"[1]"


def test_an_output_goes_through_what_shows_it() -> None:
    views = compile_views(NATIVE, NATIVE.job, show_output=lambda text: f'{{"shown":{text}}}')
    assert json.loads(views[Phase.COMPLETED].render(ROWS[Phase.COMPLETED], None))["result"] == {
        "shown": {"a": [1, "%s"]}
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=8,
)


@given(
    output=json_values,
    texts=st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), max_size=20)] * 3),
    numbers=st.tuples(*[st.integers(0, 4_102_444_800_000)] * 3),
)
def test_whatever_a_job_holds_is_shown_as_it_was_stored(
    output: Any, texts: tuple[str, str, str], numbers: tuple[int, int, int]
) -> None:
    row = ROWS[Phase.COMPLETED]._replace(
        kind=texts[0], queue=texts[1], tags=json.dumps([texts[2]]), output=json.dumps(output),
        created_at=numbers[0], started_at=numbers[1], version=numbers[2],
    )  # fmt: skip
    job = json.loads(NATIVE_VIEWS[Phase.COMPLETED].render(row, None))
    assert (job["kind"], job["queue"], job["tags"], job["result"]) == (texts[0], texts[1], [texts[2]], output)
    assert job["version"] == numbers[2]


def test_the_codes_of_the_native_dialect_are_the_whole_list() -> None:
    assert set(NATIVE.errors) == set(CODES)
