"""A table that contradicts itself is refused before it serves, with the place and the fix."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from jobwire.dialects.azure import AZURE
from jobwire.dialects.check import CODEC_SOURCES, check_dialect
from jobwire.dialects.google import GOOGLE
from jobwire.dialects.native import NATIVE
from jobwire.dialects.sent import PageField, PageWords, Sent, Take
from jobwire.dialects.spec import CodecName, Field, IdForm, JobReference, Route, Wait
from jobwire.systems.docswrite.dialect import DOCSWRITE
from jobwire.systems.rentix.dialect import RENTIX
from market_tables import MARKET
from shop_dialect import SHOP

KIND = Take("kind", value="echo")


@pytest.mark.parametrize(
    "dialect", [NATIVE, AZURE, GOOGLE, DOCSWRITE, RENTIX, SHOP, *MARKET], ids=lambda dialect: dialect.name
)
def test_every_table_of_ours_holds(dialect: Any) -> None:
    check_dialect(dialect)


def submit(*takes: Take, body: Any = "json", **rest: Any) -> Route:
    return Route("POST", "/jobs/{kind}:run", "submit", body=body, takes=takes, **rest)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"phases": {}}, "phases has no word for scheduled"),
        ({"errors": {}}, "errors has no word for invalid_request"),
        ({"error_headers": {"X-Error": "message"}}, "X-Error shows 'message'; a header shows one of code"),
        ({"routes": (Route("GET", "/a"),)}, "give an action or an endpoint"),
        ({"routes": (Route("GET", "/a", "fetch"),)}, "no action 'fetch'; there are submit"),  # type: ignore[arg-type]
        ({"routes": (Route("GET", "/a", "me", limits=("hour",)),)}, "the dialect has no limit hour"),
        ({"routes": (Route("GET", "/a/x{id}", "me"),)}, "segment 'x{id}' must be text, or one parameter"),
        ({"routes": (Route("GET", "/a/{id}{x}", "me"),)}, "segment '{id}{x}'"),
        ({"routes": (Route("GET", "/a", "me", headers={}),)}, "headers are those of a new job"),
        ({"routes": (Route("GET", "/a", "me", if_final="answer"),)}, "if_final is for cancel"),
        ({"routes": (Route("GET", "/a/{id}", "status", wait=Wait("t", "body")),)}, "but the route's body is 'none'"),
        ({"routes": (Route("GET", "/a", "list"), Route("GET", "/a", "list"))}, "two routes claim GET /a"),
        ({"ids": IdForm("job-", "tail")}, "give its reference a `find`"),
        (
            {"routes": (Route("GET", "/{a}", "me", only=Sent("query", "x")), Route("GET", "/{b}", "me"))},
            "GET /{b} differ in path",
        ),
        (
            {
                "routes": (
                    Route("POST", "/a", "me", only=Sent("body", "x"), body="json"),
                    Route("POST", "/a", "me", body="none"),
                )
            },
            "differ in body",
        ),
    ],
)
def test_a_dialect_that_contradicts_itself_is_refused(changes: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"^dialect native: ") as caught:
        check_dialect(replace(NATIVE, **changes))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        (Field("a", "id", value=1), "shows by one of source, template and value, not by 2"),
        (Field("a", "tags", part="b"), "takes a part of tags; only error.details, input, output have parts"),
        (Field("a", "created_at", plus_s=5), "plus_s needs a codec"),
        (Field("a", "kind", "text", plus_s=5), "plus_s needs a codec and one of"),
        (Field("a", "nunber"), "shows 'nunber', which there is not; there are id, number"),  # type: ignore[arg-type]
        (Field("a", "kind", "uper"), "the codec 'uper', which there is not; there are iso_us"),  # type: ignore[arg-type]
        (Field("a", "number", "text"), "number is not for the codec text"),
        (Field("a", value=1, codec="text"), "a constant is not for the codec text"),
        (Field("a", "progress.stage", "iso_ms"), "progress.stage is not for the codec iso_ms"),
        (Field("a", "created_at", "upper"), "created_at is not for the codec upper"),
        (Field("a", "output", "upper", part="b"), "which only the codec text can write"),
        (Field("a", "id", words={"x": 1}), "words are for stored values, not for id"),
        (Field("a", "word", words={"x": 1}), "not for word"),
        (Field("a", value=1, words={1: 2}), "not for constants"),
        (Field("a[]", "error.message", omit_null=True), "is a list of one and cannot be left out"),
        (Field("a", template="{mount}/{key}"), "{key} is no hole of a template; there are mount, id, number, origin"),
    ],
)
def test_a_field_that_contradicts_itself_is_refused_where_it_stands(field: Field, said: str) -> None:
    for changes, where in (
        ({"job": (field,)}, "job"),
        ({"routes": (Route("GET", "/a", "status", shape=(field,)),)}, "route GET /a: shape"),
    ):
        with pytest.raises(ValueError) as caught:
            check_dialect(replace(NATIVE, **changes))  # type: ignore[arg-type]
        assert f"{where}: field {field.path!r}" in str(caught.value) and said in str(caught.value)


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (submit(KIND, Take("colour", value="red")), "nothing is taken into 'colour'; there are concurrency_key"),
        (submit(KIND, Take("input", Sent("body")), Take("input.a", value=1)), "two takes fill 'input.a'"),
        (submit(KIND, KIND), "two takes fill 'kind'"),
        (submit(KIND, Take("queue")), "the take into 'queue' says neither where it is sent nor its value"),
        (submit(Take("input", Sent("body"))), "the takes say no kind"),
        (submit(Take("kind", Sent("path", "sort"))), "is no parameter of the path"),
        (submit(Take("kind", Sent("query"))), "has no name"),
        (submit(KIND, Take("input", Sent("body")), body="none"), "but the route's body is 'none'"),
        (submit(KIND, Take("queue", Sent("query", "q", "("))), "'(' is no regular expression"),
        (submit(KIND, Take("queue", Sent("query", "q", "(a)(b)"))), "has 2 groups; one says what is read"),
        (submit(KIND, headers={"Location": "{here}"}), "{here} is no hole"),
        (Route("GET", "/a", "me", takes=(KIND,)), "takes are for submit"),
        (Route("GET", "/{id}", "status", job=JobReference(pattern="(a)(b)")), "has 2 groups"),
        (Route("GET", "/jobs/{no}", "status"), "name='id', pattern=None) is no parameter of the path"),
        (Route("POST", "/a", "cancel", job=JobReference("body")), "but the route's body is 'none'"),
        (
            Route("GET", "/a", "list", page=PageWords({}, (PageField("x", "jobs"),))),
            "a name for limit, and for one of cursor and start",
        ),
        (
            Route("GET", "/a", "list", page=PageWords({"limit": "l", "cursor": "c", "offset": "o"}, ())),
            "the page has no field offset; there are kind, phase",
        ),
        (Route("GET", "/a", "list", page=PageWords({"limit": "l", "cursor": "c"}, ())), "the page shows no jobs"),
    ],
)
def test_a_route_that_contradicts_itself_is_refused(route: Route, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_dialect(replace(NATIVE, routes=(route,)))
    assert f"route {route.method} {route.path}: " in str(caught.value) and said in str(caught.value)


def test_every_codec_says_what_it_is_for() -> None:
    assert set(CODEC_SOURCES) == set(get_args(CodecName))


def test_an_idempotency_key_needs_its_header() -> None:
    route = submit(KIND, Take("idempotency_key", Sent("body", "requestId")))
    check_dialect(replace(NATIVE, routes=(route,)))
    with pytest.raises(ValueError, match="needs the dialect's idempotency_header"):
        check_dialect(replace(NATIVE, routes=(route,), idempotency_header=None))
