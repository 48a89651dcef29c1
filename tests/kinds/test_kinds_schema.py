"""Inputs against the type of their kind, and outputs within the limits."""

import dataclasses
import datetime
import json
import math
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.domain.errors import JobError, RequestError
from jobwire.kinds.contract import Context, Kind, SavedFile
from jobwire.kinds.registry import make_kind
from jobwire.kinds.schema import (
    DEPTH_MAX,
    INPUT_BYTES_MAX,
    OUTPUT_BYTES_MAX,
    check_input,
    decode_input,
    encode_output,
    input_schemas,
    json_schema,
)


class Room(msgspec.Struct, forbid_unknown_fields=True):
    area: float
    names: dict[str, list[str]] = {}


class Listing(msgspec.Struct, rename="camel"):
    house_title: str
    rooms: list[Room] = []

    def __post_init__(self) -> None:
        if self.house_title == "Atlantis":
            raise ValueError("there are no houses in Atlantis")


@dataclasses.dataclass
class Point:
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    lon: float = 0.0


def convert(ctx: Context, source: str, indent: int = 2, rooms: dict[str, Room] | None = None) -> None: ...


def publish(listing: Listing) -> None: ...


def locate(point: Point) -> None: ...


def anything(data: Any) -> None: ...


CONVERT, PUBLISH, LOCATE, ANYTHING = (make_kind(f) for f in (convert, publish, locate, anything))


def faults_of(kind: Kind, value: Any) -> list[tuple[str, str]]:
    with pytest.raises(RequestError) as refused:
        check_input(kind, value)
    assert refused.value.code == "invalid_request"
    return [(error["pointer"], error["detail"]) for error in refused.value.details["errors"]]


def test_a_valid_input_becomes_canonical_json_whatever_the_order_of_its_keys() -> None:
    text = '{"indent":4,"source":"ă"}'
    assert check_input(CONVERT, {"source": "ă", "indent": 4}) == text
    assert check_input(CONVERT, {"indent": 4, "source": "ă"}) == text


def test_what_was_sent_is_kept_and_defaults_come_when_the_handler_runs() -> None:
    text = check_input(CONVERT, {"source": "a"})
    assert text == '{"source":"a"}'
    assert decode_input(CONVERT, text) == {"source": "a", "indent": 2, "rooms": None}


def test_no_input_stands_for_an_empty_object() -> None:
    def tick(ctx: Context) -> None: ...

    assert check_input(make_kind(tick), None) == "{}"
    assert decode_input(make_kind(tick), "{}") == {}


def test_a_struct_or_dataclass_arrives_whole() -> None:
    listing = decode_input(PUBLISH, check_input(PUBLISH, {"houseTitle": "Casa", "rooms": [{"area": 9}]}))
    assert listing == Listing("Casa", [Room(9.0)])
    assert decode_input(LOCATE, check_input(LOCATE, Point(47.0))) == Point(47.0)


def test_every_wrong_field_is_told_at_once_with_its_pointer() -> None:
    assert faults_of(CONVERT, {"indnt": 4, "indent": "x", "rooms": {"hall": {"area": 1, "size": 2}}}) == [
        ("/indnt", "unknown field 'indnt'; did you mean 'indent'?"),
        ("/source", "required field is missing"),
        ("/indent", "Expected `int`, got `str`"),
        ("/rooms/hall/size", "Object contains unknown field `size`"),
    ]


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"houseTitle": 1}, "/houseTitle"),
        ({"houseTitle": "a", "rooms": [{"area": 1}, {"area": "x"}]}, "/rooms/1/area"),
        ({"houseTitle": "a", "rooms": [{"names": {}}]}, "/rooms/0/area"),
        ({"houseTitle": "a", "rooms": [{"area": 1, "names": {"a": [], "b/~": ["x", 3]}}]}, "/rooms/0/names/b~1~0/1"),
        ({"houseTitle": "a", "Rooms": []}, "/Rooms"),
        ([], ""),
        ("text", ""),
        (7, ""),
    ],
)
def test_the_pointer_leads_to_the_wrong_value_through_objects_and_arrays(value: Any, pointer: str) -> None:
    assert [place for place, _ in faults_of(PUBLISH, value)] == [pointer]


@given(st.lists(st.text(max_size=5), min_size=1, max_size=30, unique=True), st.data())
def test_the_wrong_entry_of_a_map_is_found_whichever_it_is(keys: list[str], data: st.DataObject) -> None:
    def count(words: dict[str, int]) -> None: ...

    wrong = data.draw(st.sampled_from(keys))
    value = {"words": {key: "x" if key == wrong else 1 for key in keys}}
    escaped = wrong.replace("~", "~0").replace("/", "~1")
    assert faults_of(make_kind(count), value) == [(f"/words/{escaped}", "Expected `int`, got `str`")]


def test_a_wrong_key_of_a_map_is_named() -> None:
    def count(words: dict[int, int]) -> None: ...

    assert [place for place, _ in faults_of(make_kind(count), {"words": {"1": 1, "two": 2}})] == ["/words/two"]


def test_where_the_number_of_entries_is_bounded_too_the_pointer_leads_to_the_map() -> None:
    def count(words: Annotated[dict[str, int], msgspec.Meta(min_length=3)]) -> None: ...

    kind = make_kind(count)
    assert faults_of(kind, {"words": {"a": 1}}) == [("/words", "Expected `object` of length >= 3")]
    assert faults_of(kind, {"words": {"a": 1, "b": 1, "c": "x"}}) == [("/words", "Expected `int`, got `str`")]


def test_the_bounds_of_a_dataclass_field_hold_and_unknown_fields_of_it_are_refused() -> None:
    assert faults_of(LOCATE, {"lat": 90.5}) == [("/lat", "Expected `float` <= 90.0")]
    assert faults_of(LOCATE, {"lat": 1, "lng": 2})[0] == ("/lng", "unknown field 'lng'; did you mean 'lon'?")
    assert faults_of(LOCATE, {}) == [("/lat", "required field is missing")]


def test_a_check_that_the_type_makes_itself_speaks_for_the_whole() -> None:
    assert faults_of(PUBLISH, {"houseTitle": "Atlantis"}) == [("", "there are no houses in Atlantis")]


def test_at_most_twenty_faults_are_told() -> None:
    assert len(faults_of(CONVERT, {f"field{n}": n for n in range(100)})) == 20


@pytest.mark.parametrize(
    ("value", "pointer", "words"),
    [
        ([1, {"a": math.nan}], "/data/1/a", "nan is not a JSON number"),
        ({"deep": -math.inf}, "/data/deep", "-inf is not a JSON number"),
        ([Point(math.nan)], "/data/0/lat", "nan is not a JSON number"),
        (["\ud800"], "/data/0", "not valid Unicode"),
        ({"\ud800": 1}, "/data", "not valid Unicode"),
        ([10**5000], "/data/0", "a value of type 'int' is not JSON here"),
        ([object()], "/data/0", "a value of type 'object' is not JSON here"),
        ({(1, 2): 3}, "/data", "not JSON here"),
    ],
)
def test_what_json_cannot_hold_is_refused_at_its_place(value: Any, pointer: str, words: str) -> None:
    ((place, detail),) = faults_of(ANYTHING, {"data": value})
    assert place == pointer
    assert words in detail


def test_numbers_of_more_than_64_bits_keep_every_digit() -> None:
    text = check_input(ANYTHING, {"data": [2**64, -(10**40)]})
    assert decode_input(ANYTHING, text) == {"data": [2**64, -(10**40)]}


def nest(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_an_input_may_be_64_levels_deep_and_not_65() -> None:
    # The input object itself is the first level.
    assert check_input(ANYTHING, {"data": nest(DEPTH_MAX - 1)})
    ((place, detail),) = faults_of(ANYTHING, {"data": nest(DEPTH_MAX)})
    assert (place, detail) == ("/data" + "/0" * (DEPTH_MAX - 1), "nested deeper than 64 levels; flatten the data")


def test_many_brackets_are_not_mistaken_for_depth() -> None:
    assert check_input(ANYTHING, {"data": ["[{[{" * 50, [[]] * 500]})


def test_endless_nesting_and_cycles_end_in_a_refusal() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    for value in (nest(5_000), cycle):
        assert faults_of(ANYTHING, {"data": value})[0][1].startswith("nested deeper than 64 levels")


def test_an_input_may_have_a_million_bytes_and_not_one_more() -> None:
    frame = len('{"data":""}')
    assert len(check_input(ANYTHING, {"data": "x" * (INPUT_BYTES_MAX - frame)})) == INPUT_BYTES_MAX
    with pytest.raises(RequestError) as refused:
        check_input(ANYTHING, {"data": "x" * (INPUT_BYTES_MAX - frame + 1)})
    assert refused.value.code == "payload_too_large"
    assert refused.value.details == {"size_bytes": INPUT_BYTES_MAX + 1, "limit_bytes": INPUT_BYTES_MAX}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_any_json_value_survives_the_way_to_the_handler_and_back(value: Any) -> None:
    assert decode_input(ANYTHING, check_input(ANYTHING, {"data": value})) == {"data": value}
    assert json.loads(encode_output(value)) == value


@given(JSON_VALUES, st.sampled_from([CONVERT, PUBLISH, LOCATE]))
def test_any_json_value_is_accepted_or_refused_with_faults_but_never_crashes(value: Any, kind: Kind) -> None:
    try:
        decode_input(kind, check_input(kind, value))
    except RequestError as refused:
        assert refused.details["errors"]


def test_an_input_that_today_s_kind_refuses_fails_the_job_for_good() -> None:
    with pytest.raises(JobError) as failed:
        decode_input(CONVERT, '{"src":"a"}')
    assert (failed.value.code, failed.value.retryable) == ("invalid_input", False)
    assert failed.value.details["errors"][0]["pointer"] == "/src"


def test_the_schema_says_what_is_enforced() -> None:
    schema = json_schema(CONVERT)
    definition = schema["$defs"]["convert.input"]
    assert schema["$ref"] == "#/$defs/convert.input"
    assert definition["required"] == ["source"]
    assert definition["additionalProperties"] is False
    assert json_schema(PUBLISH)["$defs"]["Listing"]["additionalProperties"] is False
    assert json_schema(LOCATE)["$defs"]["Point"]["properties"]["lat"]["maximum"] == 90


def test_the_schemas_of_all_kinds_share_one_set_of_definitions() -> None:
    schemas, components = input_schemas([CONVERT, PUBLISH, LOCATE], ref_template="#/components/schemas/{name}")
    assert schemas["publish"] == {"$ref": "#/components/schemas/Listing"}
    assert schemas["convert"] == {"$ref": "#/components/schemas/convert.input"}
    assert set(components) == {"convert.input", "Listing", "Room", "Point"}
    assert components["Listing"]["additionalProperties"] is False


def test_a_result_may_hold_dates_ids_dataclasses_and_structs() -> None:
    day, ident = datetime.date(2024, 2, 29), UUID(int=1)
    saved = SavedFile("ab", "plan.pdf", "application/pdf", 3)
    assert json.loads(encode_output({"day": day, "id": ident, "file": saved, "room": Room(2.0)})) == {
        "day": "2024-02-29",
        "id": str(ident),
        "file": {"sha256": "ab", "name": "plan.pdf", "content_type": "application/pdf", "size_bytes": 3, "seal": ""},
        "room": {"area": 2.0, "names": {}},
    }
    assert encode_output(None) == "null"
    assert encode_output({"b": 1, "a": 2}) == '{"b":1,"a":2}'


@pytest.mark.parametrize("value", [math.nan, {"a": [math.inf]}, object(), {"a": {1: object()}}, nest(65), "\udfff"])
def test_a_result_that_is_not_json_fails_the_job_for_good_with_its_place(value: Any) -> None:
    with pytest.raises(JobError) as failed:
        encode_output(value)
    assert (failed.value.code, failed.value.retryable) == ("output_invalid", False)
    assert len(failed.value.details["errors"]) == 1


def test_a_result_may_have_a_million_bytes_and_not_one_more() -> None:
    assert len(encode_output("x" * (OUTPUT_BYTES_MAX - 2))) == OUTPUT_BYTES_MAX
    with pytest.raises(JobError, match=r"1000001 bytes, more than 1000000; save it with ctx\.save_file") as failed:
        encode_output("x" * (OUTPUT_BYTES_MAX - 1))
    assert (failed.value.code, failed.value.retryable) == ("output_too_large", False)
