"""Kinds out of typed functions, and the registry that finds them."""

import dataclasses
import re
from typing import Annotated, Any

import msgspec
import pytest

from jobwire.domain.errors import RequestError
from jobwire.domain.retry import RetryPolicy
from jobwire.kinds import spelling
from jobwire.kinds.contract import ChildLimits, Context
from jobwire.kinds.registry import Registry, make_kind


class Photo(msgspec.Struct):
    url: str
    width: int = 640


@dataclasses.dataclass
class Listing:
    title: str
    rooms: int = 1


def convert_json(ctx: Context, source: str, indent: int = 2) -> str:
    """Convert a JSON file.

    The rest is for the author.
    """
    return source * indent


async def optimise(photo: Photo) -> None: ...


def publish(ctx, listing: Listing) -> None: ...  # type: ignore[no-untyped-def]


def test_parameters_become_the_fields_of_the_input_and_the_context_does_not() -> None:
    kind = make_kind(convert_json)
    assert kind.name == "convert_json"
    assert kind.takes_context
    assert kind.spread_input
    assert not kind.is_async
    assert [(f.name, f.type, f.required) for f in msgspec.structs.fields(kind.input_type)] == [
        ("source", str, True),
        ("indent", int, False),
    ]
    assert kind.description == "Convert a JSON file."


def test_a_single_struct_or_dataclass_takes_the_whole_input() -> None:
    photo, listing = make_kind(optimise), make_kind(publish)
    assert (photo.input_type, photo.spread_input, photo.is_async, photo.takes_context) == (Photo, False, True, False)
    assert (listing.input_type, listing.spread_input, listing.takes_context) == (Listing, False, True)


def test_every_setting_arrives_in_the_kind_and_the_defaults_are_documented_ones() -> None:
    plain = make_kind(convert_json)
    assert (plain.queue, plain.attempts_max, plain.timeout_ms, plain.isolation) == ("default", 5, 300_000, "none")
    stages = {"read": 1.0, "write": 2.5}
    kind = make_kind(
        convert_json,
        name="tools.convert-json_2",
        queue="cpu",
        attempts=3,
        timeout="60s",
        isolation="process",
        stages=stages,
        retry=RetryPolicy(5, 10),
        limits=ChildLimits(cpu_s_max=7),
        description="Converts.",
    )
    assert (kind.name, kind.queue, kind.attempts_max, kind.timeout_ms) == ("tools.convert-json_2", "cpu", 3, 60_000)
    assert (kind.isolation, kind.stages, kind.retry) == ("process", stages, RetryPolicy(5, 10))
    assert (kind.limits.cpu_s_max, kind.description) == (7, "Converts.")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"name": "Convert"}, "the kind is named 'Convert'"),
        ({"name": "k" * 65}, "1 to 64 of the characters"),
        ({"queue": ""}, "the queue of kind 'convert_json' is named ''"),
        ({"attempts": 0}, "attempts=0; it must be a whole number between 1 and 100"),
        ({"attempts": 2.5}, "attempts=2.5; it must be a whole number between 1 and 100"),
        ({"attempts": 101}, "attempts=101"),
        ({"timeout": "soon"}, "timeout of kind 'convert_json' is 'soon'"),
        ({"isolation": "thread"}, "must be 'none' or 'process'"),
        ({"stages": {}}, "0 stages; give 1 to 50"),
        ({"stages": {f"s{n}": 1.0 for n in range(51)}}, "51 stages"),
        ({"stages": {"read": 0}}, "stage 'read' of kind 'convert_json' weighs 0"),
    ],
)
def test_a_setting_out_of_bounds_is_refused_by_name_with_its_limit(settings: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        make_kind(convert_json, **settings)


def test_each_setting_is_accepted_at_its_bound() -> None:
    stages = {f"s{n}": 0.1 for n in range(50)}
    kind = make_kind(convert_json, name="k" * 64, queue="q" * 64, attempts=100, stages=stages, timeout="168h")
    assert (kind.attempts_max, len(kind.stages or {})) == (100, 50)


def untyped(a) -> None: ...  # type: ignore[no-untyped-def]


def variadic(*a: int) -> None: ...


def not_json(a: complex) -> None: ...


def positional(a: int, /) -> None: ...


def defaulted(photo: Photo = Photo("u")) -> None: ...  # noqa: B008 - that is what is refused


def unresolved(a: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (untyped, "parameter 'a' of kind 'untyped' has no type; annotate it"),
        (variadic, "parameter '*a: int' of kind 'variadic' has no name in JSON"),
        (positional, "parameter 'a: int' of kind 'positional' has no name in JSON"),
        (not_json, "the input of kind 'not_json' cannot be JSON"),
        (defaulted, "give the defaults to the fields of Photo"),
        (unresolved, "the annotations of kind 'unresolved' cannot be read: name 'Nowhere' is not defined"),
        (lambda: None, "the kind is named '<lambda>'"),
    ],
)
def test_a_function_that_cannot_take_json_is_refused_when_the_kind_is_made(function: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        make_kind(function)


def test_a_handler_for_a_child_process_must_be_importable() -> None:
    def local(a: int) -> None: ...

    with pytest.raises(ValueError, match="define the handler with `def` at the top of a module"):
        make_kind(local, isolation="process")
    assert make_kind(local).isolation == "none"


def test_a_mutable_default_is_never_shared_between_jobs() -> None:
    def tag(names: Annotated[list[str], msgspec.Meta(max_length=3)] = ["new"]) -> None: ...  # noqa: B006

    wanted = make_kind(tag).input_type
    wanted().names.append("changed")
    assert wanted().names == ["new"]


def test_a_registry_finds_its_kinds_by_name_and_knows_their_queues() -> None:
    convert = make_kind(convert_json, queue="cpu")
    registry = Registry([convert])
    photo = registry.add(make_kind(optimise))
    assert registry.get("convert_json") is convert
    assert registry.find("optimise") is photo
    assert registry.find("nothing") is None
    assert registry.kinds == (convert, photo)
    assert registry.queues == ("cpu", "default")


def test_an_unknown_kind_is_refused_with_the_closest_name() -> None:
    registry = Registry([make_kind(convert_json)])
    with pytest.raises(RequestError) as refused:
        registry.get("convert_jsn")
    assert refused.value.code == "invalid_request"
    detail = "unknown kind 'convert_jsn'; did you mean 'convert_json'?"
    assert refused.value.details == {"errors": [{"pointer": "/kind", "detail": detail}]}


@pytest.mark.parametrize(
    ("count", "named"),
    [
        (0, "none"),
        (spelling.NAMED_MAX, ", ".join(f"k{n}" for n in range(10, 20))),
        (spelling.NAMED_MAX + 1, ", ".join(f"k{n}" for n in range(10, 20)) + " and 1 more"),
    ],
)
def test_an_unknown_kind_that_is_close_to_none_is_refused_with_what_there_is(count: int, named: str) -> None:
    registry = Registry([make_kind(convert_json, name=f"k{10 + n}") for n in reversed(range(count))])
    with pytest.raises(RequestError, match=f"^unknown kind 'zzzz'; known here: {named}$"):
        registry.get("zzzz")


def test_an_unknown_kind_of_any_length_is_quoted_in_short() -> None:
    with pytest.raises(RequestError) as refused:
        Registry([make_kind(convert_json)]).get("x\n" * 500_000)
    assert len(refused.value.message) < 200
    assert "\n" not in refused.value.message


def test_two_kinds_cannot_have_one_name() -> None:
    registry = Registry([make_kind(convert_json)])
    with pytest.raises(ValueError, match="there is a kind 'convert_json' already"):
        registry.add(make_kind(optimise, name="convert_json"))
