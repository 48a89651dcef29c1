"""A row's line holds its values exactly, and a sum of lines tells every change but no order."""

import struct

import apsw
from hypothesis import example, given
from hypothesis import strategies as st

from jobwire.store.moving.lines import CHUNK_BYTES, Column, Tally, line_sql, split_line
from jobwire.store.moving.vectors import read_vector, show_array, write_vector

COLUMNS = (Column("a", is_text=True), Column("b", is_text=False), Column("c", is_text=True))
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
numbers = st.none() | st.integers(-(2**63), 2**63 - 1)
connection = apsw.Connection(":memory:")
connection.execute("CREATE TABLE t (a TEXT, b INTEGER, c TEXT)")


@given(a=texts, b=numbers, c=texts)
@example(a="\\N", b=None, c="\\")
@example(a="\\t\t\\\\n\n", b=0, c="")
@example(a="\r\n\\.", b=-1, c="\\\\r\\\r")
def test_a_line_is_split_into_the_values_it_was_made_of(a: str | None, b: int | None, c: str | None) -> None:
    connection.execute("DELETE FROM t")
    connection.execute("INSERT INTO t VALUES (?, ?, ?)", (a, b, c))
    line = connection.execute(f"SELECT {line_sql(COLUMNS, vector_sql='{}')} FROM t").get
    assert "\n" not in line and "\r" not in line
    assert split_line(line, COLUMNS) == (a, b, c)


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=20))
def test_a_vector_survives_its_line_to_the_last_bit(values: list[float]) -> None:
    vector = struct.pack(f"<{len(values)}f", *values)
    assert read_vector(write_vector(vector)) == vector
    shown = [float(value) for value in show_array(write_vector(vector))[1:-1].split(",")]
    assert struct.pack(f"<{len(shown)}f", *shown) == vector


def sum_up(*lines: str) -> Tally:
    tally = Tally()
    assert [line.decode() for chunk in tally.take(lines) for line in chunk] == list(lines)
    return tally


@given(lines=st.lists(st.text(st.characters(exclude_categories=["Cs"]))), data=st.data())
def test_a_sum_of_lines_depends_on_no_order(lines: list[str], data: st.DataObject) -> None:
    assert sum_up(*lines) == sum_up(*data.draw(st.permutations(lines)))


def test_a_sum_of_lines_depends_on_every_line() -> None:
    assert sum_up("a", "b", "b") != sum_up("a", "a", "b")
    assert sum_up("a") != sum_up("b") != sum_up()
    assert sum_up("a", "a") != sum_up("a")


def test_lines_pass_in_chunks_of_bounded_size() -> None:
    chunks = list(Tally().take(["x" * 1_000] * 1_000))
    assert len(chunks) > 1 and sum(map(len, chunks)) == 1_000
    assert max(sum(map(len, chunk)) for chunk in chunks) < CHUNK_BYTES + 1_000
