"""Where callers send values, and what a submission is made of."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_rows import AT, ERROR, KEY, ROWS

from jobwire.dialects.native import NATIVE
from jobwire.dialects.parse import JobName, read_name
from jobwire.dialects.render import compile_views, wrap_body
from jobwire.dialects.sent import Sent, Take
from jobwire.dialects.sources import Facts
from jobwire.dialects.spec import Dialect, Envelope, Field, IdForm
from jobwire.dialects.taking import Parts, find_sent, find_unknown, gather_fields, point_back
from jobwire.domain.ids import ID_LENGTH, make_key, read_uuid, show_uuid
from jobwire.domain.phases import Phase
from jobwire.kinds.faults import Fault

PARTS = Parts({"id": "p"}, {"id": "q"}, {"x-id": "h"}, {"a": {"b": "find <7> here"}, "n": 7, "z": None})


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (Sent("path", "id"), "p"), (Sent("query", "id"), "q"), (Sent("header", "X-Id"), "h"),
        (Sent("body", "a.b"), "find <7> here"), (Sent("body"), PARTS.body), (Sent("body", "n"), 7),
        (Sent("path", "x"), None), (Sent("body", "z"), None), (Sent("body", "a.b.c"), None),
        (Sent("body", "n.c"), None),
        (Sent("body", "a.b", "<(.)>"), "7"), (Sent("body", "a.b", "<.>"), "<7>"), (Sent("body", "a.b", "no"), None),
        (Sent("body", "n", "7"), None), (Sent("body", "a", "7"), None),
    ],
)  # fmt: skip
def test_a_value_is_found_where_it_stands(sent: Sent, found: Any) -> None:
    assert find_sent(sent, PARTS) == found


def test_a_submission_is_gathered_and_its_pointers_lead_back() -> None:
    takes = (
        Take("kind", Sent("path", "id")),
        Take("input.text", Sent("body", "a.b")),
        Take("input.loud", value=True),
        Take("priority", Sent("body", "z"), value=3),
        Take("queue", Sent("query", "none")),
    )
    assert gather_fields(takes, PARTS) == {
        "kind": "p", "input": {"text": "find <7> here", "loud": True}, "priority": 3,
    }  # fmt: skip
    assert point_back("/input/text/0", takes) == "/a/b/0"
    assert point_back("/priority", takes) == "/z"
    for other in ("/kind", "/input", "/input/texts", "/input/loud", ""):
        assert point_back(other, takes) == other
    whole = (Take("input", Sent("body")), Take("kind", value="x"))
    assert point_back("/input/text", whole) == "/text"


def test_a_key_of_the_body_that_nothing_reads_is_unknown_unless_the_body_is_taken_whole() -> None:
    takes = (Take("queue", Sent("body", "a.b")), Take("kind", Sent("query", "n")))
    assert find_unknown(takes, PARTS.body, ignored=("z",)) == [Fault("/n", "unknown field; there are a, z")]
    assert find_unknown((Take("input", Sent("body")),), PARTS.body, ignored=()) == []
    assert find_unknown(takes, [1], ignored=()) == []


@given(st.integers(0, 2**46 - 1), st.integers(0, 2**82 - 1))
def test_a_uuid_names_the_same_job_and_no_other(now_ms: int, bits: int) -> None:
    key = make_key(now_ms, bits)
    assert len(key) == ID_LENGTH and len(show_uuid(key)) == 36
    assert read_uuid(show_uuid(key)) == read_uuid(show_uuid(key).upper()) == key


@pytest.mark.parametrize(
    ("ids", "text", "name"),
    [
        (IdForm("batch_"), f"batch_{KEY}", JobName(KEY, None)),
        (IdForm(""), KEY, JobName(KEY, None)),
        (IdForm("", "uuid"), show_uuid(KEY), JobName(KEY, None)),
        (IdForm("gid://a/", "number"), "gid://a/12", JobName(None, 12)),
        (IdForm("batch_"), f"job_{KEY}", None),
        (IdForm("batch_"), KEY, None),
        (IdForm(""), KEY + "0", None),
        (IdForm("", "uuid"), KEY, None),
        (IdForm("gid://a/", "number"), "12", None),
        (IdForm("gid://a/", "number"), "gid://a/0", None),
    ],
)
def test_an_id_is_read_in_its_own_form_only(ids: IdForm, text: str, name: JobName | None) -> None:
    assert read_name("id", text, ids) == name
    assert read_name("number", "7", ids) == JobName(None, 7)


def show(*shape: Field, phase: Phase = Phase.COMPLETED, facts: Facts | None = None, **changes: Any) -> Any:
    dialect: Dialect = replace(NATIVE, **changes)
    return json.loads(compile_views(dialect, shape)[phase].render(ROWS[phase], facts))


@pytest.mark.parametrize(
    ("ids", "shown"),
    [
        (IdForm('b"_'), f'b"_{KEY}'),
        (IdForm("", "uuid"), show_uuid(KEY)),
        (IdForm("gid://a/", "number"), "gid://a/7"),
    ],
)
def test_an_id_is_shown_in_its_form_everywhere(ids: IdForm, shown: str) -> None:
    shape = (Field("id", "id"), Field("link", template="{mount}/x/{id}"), Field("root", "root_id"))
    facts = Facts(None, None, KEY)
    assert show(*shape[:2], ids=ids, facts=facts) == {"id": shown, "link": f"/v1/x/{shown}"}
    if ids.form != "number":
        assert show(*shape, ids=ids, facts=facts)["root"] == shown


def test_parts_words_and_lists_are_shown() -> None:
    facts = Facts(None, None, KEY, input='{"a":{"b":[1,"%s"]},"n":5}', origin="http://h:1")
    assert show(
        Field("whole", "input"),
        Field("part", "input", part="a.b"),
        Field("text", "input", "text", part="n"),
        Field("none", "input", part="a.c"),
        Field("gone", "input", part="a.c", omit_null=True),
        Field("null", "output", part="x", words={None: 0}),
        Field("out", "output", part="a"),
        Field("list[].one", value=1),
        Field("list[].two[].three", value=[]),
        Field("only[]", "kind", words={"echo": "Echo"}),
        Field("other", "queue", words={"x": 1, "*": "rest"}),
        Field("same", "queue", words={"x": 1}),
        Field("attempt", "attempt", words={1: "first"}),
        Field("link", template="{origin}{mount}/{number}"),
        facts=facts,
    ) == {
        "whole": {"a": {"b": [1, "%s"]}, "n": 5}, "part": [1, "%s"], "text": "5", "none": None, "null": 0,
        "out": [1, "%s"], "list": [{"one": 1, "two": [{"three": []}]}], "only": ["Echo"], "other": "rest",
        "same": "default", "attempt": "first", "link": "http://h:1/v1/7",
    }  # fmt: skip


def test_a_part_of_an_output_is_taken_from_what_is_shown_of_it() -> None:
    def show_output(stored: str) -> str:
        return f'{{"shown":{stored}}}'

    views = compile_views(NATIVE, (Field("a", "output", part="shown.a"),), show_output=show_output)
    assert views[Phase.COMPLETED].render(ROWS[Phase.COMPLETED], None) == b'{"a":[1,"%s"]}'
    assert views[Phase.WAITING].render(ROWS[Phase.WAITING], None) == b'{"a":null}'


def test_an_errors_parts_and_code_are_said_in_words() -> None:
    shape = (
        Field("limit", "error.details", part="limit"),
        Field("reason", "error.code", "upper"),
        Field("code", "error.code", words={"too_big": 8, "*": 2}),
        Field("again", "error.retryable", words={True: "yes", False: "no"}),
    )
    assert ERROR and show(*shape, phase=Phase.FAILED) == {
        "limit": 3, "reason": "TOO_BIG", "code": 8, "again": "yes",
    }  # fmt: skip
    assert show(*shape[:3]) == {"limit": None, "reason": None, "code": None}


def test_a_time_may_be_shown_later_and_a_null_stays_one() -> None:
    later = Field("at", "created_at", "epoch_s", plus_s=60)
    assert show(later, Field("run", "run_at", "iso_us", plus_s=60)) == {"at": AT // 1_000 + 60, "run": None}
    assert show(Field("at", "created_at", "iso_us"))["at"].endswith("089000Z")


def test_an_envelope_may_lie_deeper() -> None:
    envelope = Envelope("data.run.job", first={"a": 1}, last={"b": []})
    assert json.loads(wrap_body({"x": 1}, envelope)) == {"data": {"run": {"a": 1, "job": {"x": 1}, "b": []}}}
