"""Vectors on each engine: what is nearest is found, exactly and among the rows that were meant."""

import struct
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobwire.store.contract import Reader, Store, Transaction
from jobwire.store.postgres.vectors import PAGE_VECTORS
from jobwire.store.sqlite import vectors as sqlite_vectors
from jobwire.store.sqlite.store import open_sqlite
from jobwire.store.vectors import Ranked, Search, open_vectors
from postgres_server import is_left_out, new_ledger

ENGINES = ("sqlite",) if is_left_out() else ("sqlite", "postgresql")
TABLE = "CREATE TABLE tried (owner BIGINT NOT NULL, id BIGINT NOT NULL, v REAL[] NOT NULL, PRIMARY KEY (owner, id))"
FLOATS = 8


@pytest.fixture(scope="module", params=ENGINES)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if request.param == "sqlite":
        store = open_sqlite(tmp_path_factory.mktemp("vectors") / "jobs.db")
    else:
        postgres = pytest.importorskip("jobwire.store.postgres")
        store = postgres.open_postgres(new_ledger())
    store.write(lambda tx: tx.execute(TABLE)).result()
    yield store
    store.close()


def fill(store: Store, owner: int, vectors: list[bytes]) -> None:
    form = open_vectors(store)

    def work(tx: Transaction) -> None:
        tx.execute("DELETE FROM tried WHERE owner = :owner", owner=owner)
        for number, vector in enumerate(vectors):
            insert = "INSERT INTO tried (owner, id, v) VALUES (:owner, :id, :v)"
            tx.execute(insert, owner=owner, id=number, v=form.encode(vector))

    store.write(work).result()


def search_tried(owner: int, to: bytes, limit: int) -> Search:
    return Search("t.id", "tried t WHERE t.owner = :owner", "t.v", "t.id", to, limit, {"owner": owner})


def rank(store: Store, owner: int, to: bytes, limit: int) -> Ranked:
    def look(reader: Reader) -> Ranked:
        return open_vectors(store).rank(reader, search_tried(owner, to, limit))

    return store.read(look).result()


values = st.lists(st.integers(-50, 50).map(float), min_size=FLOATS, max_size=FLOATS).filter(any)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(values, min_size=1, max_size=12), to=values)
def test_the_nearest_are_those_that_numpy_finds(opened: Store, rows: list[list[float]], to: list[float]) -> None:
    matrix, wanted = np.asarray(rows, "f8"), np.asarray(to, "f8")
    cosines = matrix @ wanted / np.linalg.norm(matrix, axis=1) / np.linalg.norm(wanted)
    fill(opened, 1, [np.asarray(row, "<f4").tobytes() for row in rows])
    found = rank(opened, 1, np.asarray(to, "<f4").tobytes(), 5)
    assert [score for _, score in found] == pytest.approx(sorted(cosines.tolist(), reverse=True)[:5], abs=1e-5)
    assert [cosines[number] for (number,), _ in found] == pytest.approx([score for _, score in found], abs=1e-5)


def test_what_is_anothers_is_not_ranked(opened: Store) -> None:
    near, far = struct.pack("<2f", 1, 0), struct.pack("<2f", 0, 1)
    fill(opened, 2, [near])
    fill(opened, 3, [far])
    assert rank(opened, 3, near, 10) == [((0,), pytest.approx(0, abs=1e-6))]


def test_a_vector_is_read_as_it_was_written(opened: Store) -> None:
    vector = struct.pack("<4f", 0.1, -1 / 3, 1e-30, 16_777_216)
    fill(opened, 4, [vector])
    (value,) = opened.read(lambda reader: reader.query("SELECT v FROM tried WHERE owner = 4")).result()[0]
    assert open_vectors(opened).decode(value) == vector


@pytest.mark.slow
def test_more_vectors_than_are_read_at_once_are_all_ranked(opened: Store) -> None:
    circle = [struct.pack("<2f", np.cos(n / 1_000), np.sin(n / 1_000)) for n in range(PAGE_VECTORS + 1)]
    fill(opened, 5, circle)
    assert rank(opened, 5, circle[-1], 1)[0][0] == (PAGE_VECTORS,)
    assert len(rank(opened, 5, circle[0], PAGE_VECTORS + 1)) == PAGE_VECTORS + 1


def test_statements_cannot_load_extensions(tmp_path: Path) -> None:
    store = open_sqlite(tmp_path / "jobs.db")
    load = "SELECT load_extension(:path)"
    with pytest.raises(Exception, match="not authorized"):
        store.read(lambda reader: reader.query(load, path=sqlite_vectors.EXTENSION)).result()
    store.close()


def test_pgvector_ranks_where_the_database_has_it() -> None:
    if is_left_out():
        pytest.skip("PostgreSQL is left out")
    store = import_module("jobwire.store.postgres").open_postgres(new_ledger())
    try:
        if not store.read(lambda r: r.query("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")).result():
            pytest.skip("this PostgreSQL has no pgvector")
        store.write(lambda tx: tx.execute(TABLE)).result()
        circle = [struct.pack("<2f", np.cos(n / 10), np.sin(n / 10)) for n in range(9)]
        fill(store, 1, circle)
        by_numpy = rank(store, 1, circle[4], 3)
        store.write(lambda tx: tx.execute("CREATE EXTENSION vector")).result()
        asked: list[str] = []

        def look(reader: Reader) -> Ranked:
            class Listening:
                def query(self, sql: str, /, **params: object) -> list[tuple[object, ...]]:
                    asked.append(sql)
                    return reader.query(sql, **params)

            return open_vectors(store).rank(Listening(), search_tried(1, circle[4], 3))

        by_extension = store.read(look).result()
        assert any("<=>" in sql for sql in asked)
        assert by_extension[0][0] == by_numpy[0][0] == (4,)
        assert [s for _, s in by_extension] == pytest.approx([s for _, s in by_numpy], abs=1e-5)
        store.write(lambda tx: tx.execute("DROP EXTENSION vector")).result()
    finally:
        store.close()
