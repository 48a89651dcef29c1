"""Tables that are small outside and huge inside end at the child's limits, and the worker goes on."""

import io
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from table_house import Shelf

from jobwire.domain.phases import Phase

pytestmark = pytest.mark.slow


def make_parquet_bomb() -> bytes:
    """4 MB of text once in the file's dictionary, 2,000 times in its rows: 8 GB to whoever believes it."""
    data = io.BytesIO()
    places = pa.array([0] * 2_000, pa.int32())
    column = pa.DictionaryArray.from_arrays(places, pa.array(["x" * (4 << 20)]))
    pq.write_table(pa.table({"content": column}), data, compression="zstd")
    return data.getvalue()


def make_wide_field() -> bytes:
    return b"title,content\nA," + b"x" * (100 << 20) + b"\nB,b\n"


def make_quotes() -> bytes:
    return b"title,content\n" + b'A,"""' * (10 << 20)


def make_columns() -> bytes:
    return b",".join(b"c%d" % n for n in range(10_000)) + b"\n" + b",".join([b"1"] * 10_000) + b"\n"


def make_nested() -> bytes:
    return b'{"title":"A","content":' + b"[" * 5_000_000 + b"\n" + b'{"title":"B","content":"b"}\n'


REFUSED: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "a Parquet bomb": (make_parquet_bomb, "child_memory"),
    "10,000 columns": (make_columns, "table_too_many_columns"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_table_ends_its_own_job_only(shelf: Shelf, name: str) -> None:
    make, code = REFUSED[name]
    ended = shelf.load(make())
    assert (ended.phase, ended.error["code"], ended.error["retryable"]) == (Phase.FAILED, code, False)
    assert shelf.load("title,content\nA,b\n").result["added"] == 1


@pytest.mark.parametrize(("make", "added"), [(make_wide_field, 1), (make_quotes, 0), (make_nested, 1)])
def test_a_hostile_row_costs_itself_only(shelf: Shelf, make: Callable[[], bytes], added: int) -> None:
    ended = shelf.load(make())
    assert ended.phase is Phase.COMPLETED, ended.error
    assert (ended.result["added"], ended.result["errors"]) == (added, 1)


FULL = """
import resource, sys
from jobwire.domain.errors import JobError
from jobwire.systems.fifthelement.table_documents import ReadRequest, read_documents
from jobwire.tables.spec import Source

folder = sys.argv[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    read_documents(ReadRequest(Source(f"{folder}/in"), f"{folder}/rows", f"{folder}/bad", folder, "mark"))
except JobError as error:
    print(error.code)
"""


def test_rows_that_outgrow_their_file_are_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("title,content\n" + "".join(f"{n},{'x' * 100}\n" for n in range(2_000)))
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "table_file_too_large\n"
