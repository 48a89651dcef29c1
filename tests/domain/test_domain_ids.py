"""Job ids: ordered by time, unique, and told from garbage."""

import uuid

from hypothesis import example, given
from hypothesis import strategies as st

from jobwire.dialects.parse import read_name
from jobwire.dialects.spec import IdForm
from jobwire.domain.ids import (
    ID_LENGTH,
    ID_PREFIX,
    RANDOM_BITS,
    make_key,
    read_dashed,
    read_hex,
    read_id,
    read_uuid,
    show_hex,
    show_id,
    show_tail,
    show_uuid,
)

TIMES = st.integers(0, 2**48 - 1)
BITS = st.integers(0, 2**RANDOM_BITS - 1)
ALPHABET = "0123456789abcdefghijklmnopqrstuv"


def number_of(key: str) -> int:
    return int(key, 32)


@given(TIMES, BITS)
def test_an_id_carries_its_time_and_every_random_bit_and_reads_back(now: int, bits: int) -> None:
    key = make_key(now, bits)
    assert number_of(key) == now * 2**82 + bits
    assert read_id(show_id(key)) == key
    assert len(key) == ID_LENGTH and len(show_id(key)) == 30


@given(TIMES, BITS)
def test_a_tail_is_the_last_random_bits(now: int, bits: int) -> None:
    assert show_tail(make_key(now, bits)) == f"{bits % 2**48:012x}"


@given(st.integers(0, 2**42 - 1), BITS)
def test_an_id_is_a_uuid_of_version_4_and_reads_back(now: int, bits: int) -> None:
    key = make_key(now, bits)
    shown = uuid.UUID(show_uuid(key))
    assert (shown.version, shown.variant) == (4, uuid.RFC_4122)
    assert str(shown) == show_uuid(key)
    assert read_uuid(show_uuid(key)) == read_uuid(show_uuid(key).upper()) == key


@given(st.uuids(version=4))
def test_every_uuid_of_version_4_is_another_id(given_id: uuid.UUID) -> None:
    key = read_uuid(str(given_id))
    assert key is not None
    assert show_uuid(key) == str(given_id)


@given(st.integers(0, 2**128 - 1))
@example(1 << 81)
@example(1 << 127)
def test_an_id_that_fits_into_no_version_is_a_uuid_in_form(number: int) -> None:
    key = read_hex(f"{number:032x}")
    assert key is not None
    shown = show_uuid(key)
    assert len(shown) == 36
    assert read_uuid(shown) == key or shown[14] == "4"


@given(st.uuids())
@example(uuid.UUID("0688147e-c618-4f98-9d91-4119e293c94e"))
def test_hex_digits_name_the_same_job_with_dashes(given_id: uuid.UUID) -> None:
    key = read_hex(given_id.hex)
    assert key is not None
    assert show_hex(key) == given_id.hex
    assert read_dashed(str(given_id)) == read_dashed(str(given_id).upper()) == key
    assert read_name("id", str(given_id), IdForm(form="hex")) == (key, None)
    assert read_dashed(given_id.hex) is None


@given(st.tuples(TIMES, BITS), st.tuples(TIMES, BITS))
def test_ids_sort_by_time_and_differ_when_anything_differs(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (make_key(*one) < make_key(*other)) == (one < other)
    assert (make_key(*one) == make_key(*other)) == (one == other)


@given(st.text())
@example("")
@example(ID_PREFIX)
@example(ID_PREFIX + "0" * 25)
@example(ID_PREFIX + "0" * 27)
@example("JOB_" + "0" * 26)
@example(ID_PREFIX + "0" * 25 + "w")
@example(ID_PREFIX + "0" * 25 + "A")
@example(ID_PREFIX + "0" * 25 + "\n")
@example(ID_PREFIX + "0" * 25 + "٣")
@example(" " + ID_PREFIX + "0" * 25)
def test_garbage_is_not_an_id(text: str) -> None:
    assert read_id(text) is None


@given(st.text(alphabet=ALPHABET, min_size=ID_LENGTH, max_size=ID_LENGTH))
def test_every_id_of_the_right_shape_is_read_without_loss(key: str) -> None:
    assert read_id(ID_PREFIX + key) == key
