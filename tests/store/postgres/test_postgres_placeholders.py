"""`:name` parameters and array texts mean to PostgreSQL what they say."""

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.store.postgres.placeholders import compile_placeholders, int_array, number_placeholders, text_array
from postgres_server import server_address

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@pytest.mark.parametrize(
    ("sql", "compiled"),
    [
        ("SELECT :a", "SELECT %(a)s"),
        ("SELECT :a::text, b::int", "SELECT %(a)s::text, b::int"),
        ("SELECT ':a' || :a || 'it''s :b'", "SELECT ':a' || %(a)s || 'it''s :b'"),
        ("SELECT 7 % :a, 'like %'", "SELECT 7 %% %(a)s, 'like %%'"),
        ("SELECT 1 -- of :a, 100%\n, :a", "SELECT 1 -- of :a, 100%%\n, %(a)s"),
        ('SELECT ":a" FROM t WHERE x = :x_1', 'SELECT ":a" FROM t WHERE x = %(x_1)s'),
        ("DO $b$ SELECT ':a', :a $b$", "DO $b$ SELECT ':a', :a $b$"),
        ("SELECT a[1:2], :a", "SELECT a[1:2], %(a)s"),
    ],
)
def test_only_parameters_are_replaced(sql: str, compiled: str) -> None:
    assert compile_placeholders(sql) == compiled


@pytest.mark.parametrize(
    ("sql", "numbered", "names"),
    [
        ("SELECT :b::text, :a, :b", b"SELECT $1::text, $2, $1", ("b", "a")),
        ("SELECT ':a', 7 % :a -- :b", b"SELECT ':a', 7 % $1 -- :b", ("a",)),
        ("SELECT 1", b"SELECT 1", ()),
    ],
)
def test_parameters_are_numbered_in_the_order_they_first_stand_in(
    sql: str, numbered: bytes, names: tuple[str, ...]
) -> None:
    assert number_placeholders(sql) == (numbered, names)


@given(numbers=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=8), texts=st.lists(st.none() | TEXTS))
def test_arrays_arrive_as_they_were_sent(numbers: list[int | None], texts: list[str | None]) -> None:
    row = _connection().execute("SELECT %s::bigint[], %s::text[]", (int_array(numbers), text_array(texts))).fetchone()
    assert row == (numbers, texts)


_opened: list[psycopg.Connection] = []


def _connection() -> psycopg.Connection:
    if not _opened:
        _opened.append(psycopg.connect(server_address(), autocommit=True))
    return _opened[0]


@pytest.fixture(autouse=True, scope="module")
def _close_at_the_end() -> object:
    yield
    while _opened:
        _opened.pop().close()
