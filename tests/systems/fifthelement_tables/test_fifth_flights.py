"""300,000 real rows go in once, and out and in again in every format, the same."""

import csv
import math
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import msgspec
import pyarrow.parquet as pq
import pytest
from flights import write_flights
from python_calamine import CalamineWorkbook
from table_house import Shelf, TableHouse

from house_engines import SQLITE
from jobwire.domain.phases import Phase
from jobwire.store.contract import Reader
from jobwire.systems.fifthelement.records import DocumentRow, list_documents_after
from jobwire.tables.spec import Format

pytestmark = pytest.mark.slow

ROWS = int(os.environ.get("JOBWIRE_FLIGHTS", "300000"))
ROWS_ELSEWHERE_MAX = 30_000
"""PostgreSQL shares two cores with this test and would take minutes for all of them in every format."""

KINDS = {"year": "integer", "distance": "number", "time_hour": "datetime"}


@pytest.fixture(scope="module")
def flights(running: TableHouse, house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """A repository of that many flights, imported from CSV."""
    rows = ROWS if house_engine == SQLITE else min(ROWS, ROWS_ELSEWHERE_MAX)
    shelf = running.open_shelf("Airline")
    path = write_flights(tmp_path_factory.mktemp("flights") / "flights.csv", rows)
    ended = shelf.load(path, title="flight", types=KINDS)
    assert ended.phase is Phase.COMPLETED, ended.error
    assert (ended.result["added"], ended.result["errors"]) == (rows, 0)
    with path.open(newline="") as file:
        for (title, content, metadata), row in zip(walk(shelf), csv.DictReader(file), strict=True):
            assert title == row["flight"]
            assert metadata["distance"] == float(row["distance"])
            assert metadata["dep_time"] == row["dep_time"]
            assert f"tailnum: {row['tailnum']}" in content or not row["tailnum"]
    again = shelf.load(path, title="flight", types=KINDS)
    assert (again.result["added"], again.result["unchanged"]) == (0, rows)
    return shelf


def walk(shelf: Shelf) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Title, content and metadata of every document, in their order."""
    after = ""
    read = shelf.running.house.store.read
    while rows := read(partial(_list_after, shelf=shelf, after=after)).result():
        for row in rows:
            assert row.content is not None
            yield row.title, row.content, row.fields
        after = rows[-1].id


def _list_after(reader: Reader, *, shelf: Shelf, after: str) -> list[DocumentRow]:
    return list_documents_after(reader, shelf.owner, shelf.repository, after=after, limit=1_000)


@pytest.mark.parametrize("form", get_args(Format))
def test_all_rows_come_back_in_every_format(running: TableHouse, flights: Shelf, form: Format) -> None:
    ended = flights.export(format=form)
    assert ended.phase is Phase.COMPLETED, ended.error
    path = running.house.services.blobs.path_of(ended.result["sha256"])
    for found, kept in zip(read_bare(path, form), walk(flights), strict=True):
        assert found == kept
    copy = running.open_shelf(f"Airline of {form}")
    loaded = copy.load(path)
    assert loaded.phase is Phase.COMPLETED, loaded.error
    assert loaded.result["added"] == ended.result["rows"]
    for mine, theirs in zip(walk(copy), walk(flights), strict=True):
        assert mine == theirs


def test_all_rows_go_in_and_out_of_another_engine(running: TableHouse, house_engine: str, tmp_path: Path) -> None:
    if house_engine == SQLITE:
        pytest.skip("the tests above have them all")
    shelf = running.open_shelf("Whole airline")
    path = write_flights(tmp_path / "flights.csv", ROWS)
    loaded = shelf.load(path, title="flight", content="dest")
    assert loaded.phase is Phase.COMPLETED, loaded.error
    assert (loaded.result["added"], loaded.result["errors"]) == (ROWS, 0)
    ended = shelf.export(format="csv")
    assert ended.phase is Phase.COMPLETED, ended.error
    exported = running.house.services.blobs.path_of(ended.result["sha256"])
    with path.open(newline="") as file:
        for (title, content, metadata), row in zip(read_bare(exported, "csv"), csv.DictReader(file), strict=True):
            assert (title, content, metadata["tailnum"]) == (row["flight"], row["dest"], row["tailnum"])


def read_bare(path: Path, form: Format) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The exported rows as the format's own library reads them."""
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    match form:
        case "jsonl":
            with path.open("rb") as lines:
                for line in lines:
                    row = decode(line)
                    yield row["title"], row["content"], row["metadata"]
        case "csv":
            with path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    yield row["title"], row["content"], decode(row["metadata"])
        case "parquet":
            for batch in pq.ParquetFile(path).iter_batches():
                for row in batch.to_pylist():
                    yield row["title"], row["content"], decode(row["metadata"])
        case "xlsx":
            # Not with what imports read it by; it takes a tenth of the time, too.
            with path.open("rb") as file:
                names, *rows = CalamineWorkbook.from_filelike(file).get_sheet_by_name("Rows").to_python()
            for cells in rows:
                row = dict(zip(names, cells, strict=True))
                yield row["title"], row["content"], decode(row["metadata"])


def test_the_real_rows_have_something_to_get_wrong(flights: Shelf) -> None:
    """Empty cells, times and numbers: were they all alike, the others would show little."""
    first = next(walk(flights))[2]
    assert first["year"] == 2013
    assert first["time_hour"].startswith("2013-01-01T")
    assert math.isfinite(first["distance"])
