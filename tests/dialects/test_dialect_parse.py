"""Reading what callers send."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.dialects.native import NATIVE
from jobwire.dialects.parse import (
    DELAY_S_MAX,
    IDEMPOTENCY_KEY_CHARS_MAX,
    PAGE_DEFAULT,
    PAGE_MAX,
    JobName,
    read_idempotency_key,
    read_name,
    read_page,
    read_reference,
    read_submission,
    unix_ms,
    write_cursor,
)
from jobwire.dialects.spec import JobReference
from jobwire.domain.errors import RequestError
from jobwire.domain.phases import Phase
from shop_dialect import SHOP

KEY = "0123456789abcdefghijklmnop"


def refusal(call: Any, *args: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        call(*args)
    return caught.value


def test_an_id_is_job_and_26_characters() -> None:
    assert read_name("id", f"job_{KEY}") == JobName(KEY, None)
    for text in ("", "job_", f"job_{KEY}0", f"JOB_{KEY}", f"job_{KEY[:-1]}w", KEY, "7", f"job_{KEY[:-1]}\n"):
        assert read_name("id", text) is None


@pytest.mark.parametrize("text", ["1", "0007", "999999999999999999"])
def test_a_number_is_a_positive_decimal(text: str) -> None:
    assert read_name("number", text) == JobName(None, int(text))


@pytest.mark.parametrize("text", ["", "0", "-1", "+1", "1.5", "1e3", "abc", "٣", "1 ", "1" * 19, "0x1", "１"])
def test_anything_else_is_no_number(text: str) -> None:
    assert read_name("number", text) is None


@pytest.mark.parametrize("place", ["path", "query", "body"])
def test_a_reference_is_read_from_its_place(place: Any) -> None:
    sent = {"path": {}, "query": {}, "body": {}} | {place: {"ref": "12"}}
    reference = JobReference(place=place, name="ref", style="number", missing="ref?", malformed="ref!", code="gone")
    read = {"params": sent["path"], "query": sent["query"], "body": sent["body"]}
    assert read_reference(reference, **read) == JobName(None, 12)
    missing = refusal(lambda: read_reference(reference, params={}, query={}, body=None))
    assert (missing.code, missing.message) == ("gone", "ref?")
    read[{"path": "params"}.get(place, place)] = {"ref": "x"}
    malformed = refusal(lambda: read_reference(reference, **read))
    assert (malformed.code, malformed.message) == ("gone", "ref!")


def test_a_reference_without_words_of_its_own_is_not_found() -> None:
    assert (
        refusal(lambda: read_reference(JobReference(), params={"id": "x"}, query={}, body=None)).code == "not_found"
    )


def test_a_json_number_in_a_body_is_no_reference() -> None:
    reference = JobReference(place="body", style="number", malformed="!")
    assert refusal(lambda: read_reference(reference, params={}, query={}, body={"id": 5})).code == "invalid_request"


def test_a_submission_names_every_fault_by_its_pointer() -> None:
    error = refusal(read_submission, {"kind": 5, "tags": "x", "nope": 1})
    assert error.code == "invalid_request"
    assert [fault["pointer"] for fault in error.details["errors"]] == ["/nope", "/kind", "/tags"]
    assert [fault["pointer"] for fault in refusal(read_submission, {}).details["errors"]] == ["/kind"]


@pytest.mark.parametrize("body", [None, [], "x", 5, True])
def test_a_submission_is_an_object(body: Any) -> None:
    assert refusal(read_submission, body).details["errors"][0]["pointer"] == ""


def test_a_time_needs_an_offset_and_may_have_any() -> None:
    sent = read_submission({"kind": "a", "run_at": "2031-03-04T05:06:07.089+02:00"})
    assert sent.run_at is not None and unix_ms(sent.run_at) == 1_930_359_967_089
    for text in ("2031-03-04T05:06:07", "2031-03-04", "soon", 5):
        assert refusal(read_submission, {"kind": "a", "run_at": text}).details["errors"][0]["pointer"] == "/run_at"


def test_run_at_and_delay_exclude_each_other() -> None:
    body = {"kind": "a", "run_at": "2031-03-04T05:06:07Z", "delay": 1}
    assert refusal(read_submission, body).details["errors"][0]["pointer"] == "/delay"


@pytest.mark.parametrize(("delay", "fits"), [(0, True), (DELAY_S_MAX, True), (-1, False), (DELAY_S_MAX + 1, False)])
def test_a_delay_has_bounds(delay: int, fits: bool) -> None:
    body = {"kind": "a", "delay": delay}
    if fits:
        assert read_submission(body).delay == delay
    else:
        assert refusal(read_submission, body).code == "invalid_request"


@pytest.mark.parametrize(
    ("sent", "key"),
    [(None, None), ("abc", "abc"), ('"abc"', "abc"), (" abc ", "abc"), ("k" * IDEMPOTENCY_KEY_CHARS_MAX, "k" * 255)],
)
def test_an_idempotency_key_may_be_quoted(sent: str | None, key: str | None) -> None:
    assert read_idempotency_key(sent) == key


@pytest.mark.parametrize("sent", ["", '""', "k" * (IDEMPOTENCY_KEY_CHARS_MAX + 1), "a\x01b", "ключ"])
def test_another_idempotency_key_is_refused(sent: str) -> None:
    assert refusal(read_idempotency_key, sent).code == "invalid_request"


def test_a_page_has_defaults() -> None:
    page = read_page({}, NATIVE)
    assert (page.limit, page.before, page.phases, page.kind, page.tag) == (PAGE_DEFAULT, None, None, None, None)


@pytest.mark.parametrize("limit", [1, PAGE_MAX])
def test_a_page_holds_one_to_its_most(limit: int) -> None:
    assert read_page({"limit": str(limit)}, NATIVE).limit == limit


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"}, {"limit": str(PAGE_MAX + 1)}, {"limit": "x"}, {"limit": "-1"}, {"limit": "٣"}, {"limit": ""},
        {"cursor": "!"}, {"cursor": "é"}, {"cursor": "bm90"}, {"cursor": ""}, {"phase": "nope"},
        {"created_after": "soon"}, {"created_after": "2031-03-04"}, {"page": "2"},
    ],
)  # fmt: skip
def test_a_page_refuses_what_it_does_not_know(query: dict[str, str]) -> None:
    error = refusal(read_page, query, NATIVE)
    assert error.code == "invalid_request"
    assert error.details["errors"][0]["pointer"] == f"/{next(iter(query))}"


def test_a_dialects_phase_word_stands_for_all_its_phases() -> None:
    page = read_page({"phase": "pending", "token": "a credential"}, SHOP)
    assert page.phases == {Phase.SCHEDULED, Phase.WAITING, Phase.RETRYING}


@given(st.integers(1, 10**18 - 1))
def test_a_cursor_reads_back(number: int) -> None:
    assert read_page({"cursor": write_cursor(number)}, NATIVE).before == number


@given(st.text(max_size=40))
def test_no_cursor_makes_anything_but_a_refusal(text: str) -> None:
    try:
        before = read_page({"cursor": text}, NATIVE).before
    except RequestError as error:
        assert error.code == "invalid_request"
    else:
        assert before is not None and before > 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(["kind", "input", "queue", "priority", "run_at", "delay", "deadline", "tags", "x"]),
        json_values,
    )
)
def test_no_body_makes_anything_but_a_submission_or_a_refusal(body: dict[str, Any]) -> None:
    try:
        read_submission(json.loads(json.dumps(body)))
    except RequestError as error:
        assert error.code == "invalid_request" and error.details["errors"]
