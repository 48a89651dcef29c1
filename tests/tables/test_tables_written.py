"""What is written in a format is read back the same, and no format gives way to its limits in silence."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec
import openpyxl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from table_files import read_file, write_file

from jobwire.domain.errors import JobError
from jobwire.tables import xlsx_writer
from jobwire.tables.formulas import restore
from jobwire.tables.spec import Column, Format
from jobwire.tables.xlsx_writer import CELL_CHARS_MAX

FORMATS = get_args(Format)
COLUMNS = (
    Column("id"), Column("n", "integer"), Column("data", "json"), Column("at", "time"), Column("vector", "vector"),
)  # fmt: skip
AT = 1_925_017_689_123
ROWS: list[list[Any]] = [
    ["a", 1, '{"x":[1,"ш"]}', AT, [0.5, -1.0]],
    ["=cmd|' /C calc'!A0", -5, "{}", None, None],
    ['line\nbreak,"quote"; ș', None, '{"y":null}', AT, []],
    ["_x000D_ \r\n end", 0, "{}", AT, [0.25]],
]


def show(row: list[Any], form: Format) -> dict[str, Any]:
    """The row as its format gives it back."""
    text, number, data, at, vector = row
    time = None if at is None else datetime.fromtimestamp(at / 1000, UTC)
    iso = None if time is None else time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    encoded = None if vector is None else msgspec.json.encode(vector).decode()
    match form:
        case "jsonl":
            return {"id": text, "n": number, "data": json.loads(data), "at": iso, "vector": vector}
        case "parquet":
            shown = None if time is None else msgspec.to_builtins(time)
            return {"id": text, "n": number, "data": data, "at": shown, "vector": vector}
        case "csv":
            none_is_empty = {"n": number, "data": data, "at": iso, "vector": encoded}
            return {"id": text} | {name: "" if v is None else str(v) for name, v in none_is_empty.items()}
        case _:
            return {"id": text, "n": number, "data": data, "at": iso, "vector": encoded}


def load_book(path: Path) -> openpyxl.Workbook:
    with path.open("rb") as file:
        return openpyxl.load_workbook(file)


@pytest.mark.parametrize("form", FORMATS)
def test_rows_come_back(tmp_path: Path, form: Format) -> None:
    path = tmp_path / "out"
    assert write_file(path, form, COLUMNS, ROWS, page=3) == len(ROWS)
    good, bad = read_file(path)
    assert not bad
    found = [
        row.values | {"id": restore(row.values["id"]) if form in ("csv", "xlsx") else row.values["id"]}
        for row in good
    ]
    assert found == [show(row, form) for row in ROWS]


@pytest.mark.parametrize("form", FORMATS)
def test_a_table_without_rows_has_its_columns(tmp_path: Path, form: Format) -> None:
    path = tmp_path / "out"
    assert write_file(path, form, COLUMNS, []) == 0
    if form != "jsonl":
        assert read_file(path) == ([], [])


@pytest.mark.slow
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=50))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@pytest.mark.parametrize("form", FORMATS)
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, form: Format, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "out"
    write_file(path, form, [Column("a"), Column("b")], [[text, "end"]])
    good, bad = read_file(path)
    assert not bad
    value = good[0].values["a"]
    assert (restore(value) if form in ("csv", "xlsx") else value) == text


def test_no_cell_of_a_spreadsheet_runs(tmp_path: Path) -> None:
    live = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "'=1"]
    rows = [[text, None, "{}", None, None] for text in live]
    write_file(tmp_path / "csv", "csv", COLUMNS, rows)
    write_file(tmp_path / "xlsx", "xlsx", COLUMNS, rows)
    with (tmp_path / "csv").open(newline="") as file:
        cells = [row["id"] for row in csv.DictReader(file)]
    assert cells == [f"'{text}" for text in live]
    book = load_book(tmp_path / "xlsx")
    assert {cell.data_type for row in book["Rows"].iter_rows(min_row=2, max_col=1) for cell in row} == {"s"}


@pytest.mark.parametrize(("chars", "fits"), [(CELL_CHARS_MAX, True), (CELL_CHARS_MAX + 1, False)])
@pytest.mark.parametrize("letter", ["x", "😀"])
def test_a_cell_of_xlsx_holds_so_much(tmp_path: Path, chars: int, fits: bool, letter: str) -> None:
    # Excel counts a letter beyond the basic plane twice.
    text = "y" * (chars % 2) + letter * (chars // 2) if letter == "😀" else letter * chars
    if fits:
        write_file(tmp_path / "out", "xlsx", [Column("a")], [[text]])
        assert read_file(tmp_path / "out")[0][0].values == {"a": text}
    else:
        with pytest.raises(JobError) as refused:
            write_file(tmp_path / "out", "xlsx", [Column("a")], [["x"], [text]])
        assert (refused.value.code, refused.value.details["row"]) == ("table_cell_too_long", 2)


@pytest.mark.parametrize(("rows", "sheets"), [(3, 1), (4, 2), (6, 2), (7, 3)])
def test_a_full_sheet_is_continued_and_read_on(tmp_path: Path, rows: int, sheets: int) -> None:
    path, table = tmp_path / "out", [[f"r{n}"] for n in range(rows)]
    with xlsx_writer.open_xlsx(path, [Column("a")], sheet_rows_max=4) as writer:
        writer.write(table)
    assert len(load_book(path).sheetnames) == sheets
    good, bad = read_file(path)
    assert not bad
    assert [[row.values["a"]] for row in good] == table
    assert len(read_file(path, sheet="Rows")[0]) == min(rows, 3)


def test_parquet_is_typed_and_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwire.tables.parquet_writer.ROW_GROUP_ROWS", 3)
    write_file(tmp_path / "out", "parquet", COLUMNS, ROWS * 2, page=2)
    with pq.ParquetFile(tmp_path / "out") as file:
        assert file.metadata.num_row_groups == 2
        assert str(file.schema_arrow.field("at").type) == "timestamp[ms, tz=UTC]"
        assert str(file.schema_arrow.field("vector").type.value_type) == "float"
