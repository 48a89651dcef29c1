"""A table that was written in parts is, joined, the table that would have been written at once."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args
from zipfile import ZipFile

import openpyxl
import pytest
from table_files import read_file

from jobwire.tables import joining, xlsx_writer
from jobwire.tables.joining import JoinRequest, join_tables
from jobwire.tables.spec import Column, Format
from jobwire.tables.writing import write_rows
from jobwire.tables.xlsx_writer import open_xlsx

COLUMNS = [Column("title"), Column("n", "integer"), Column("vector", "vector"), Column("at", "time")]
ROWS: list[list[Any]] = [
    [f"=row {n} </sheetData> <sheetData/> ш", n, [0.5, n], None if n % 2 else 1_925_017_689_123 + n] for n in range(9)
]


@pytest.mark.parametrize("form", get_args(Format))
@pytest.mark.parametrize("cuts", [(0, 9), (0, 4, 9), (0, 1, 4, 4, 8, 9, 9)])
def test_parts_join_to_the_whole(tmp_path: Path, form: Format, cuts: tuple[int, ...]) -> None:
    parts = []
    for first, end in pairwise(cuts):
        parts.append(str(tmp_path / f"part {len(parts)}"))
        pages = iter([[list(row) for row in ROWS[first:end]]])
        assert write_rows(Path(parts[-1]), form, columns=COLUMNS, pages=pages, rows_before=first) == end - first
    whole, joined = tmp_path / "whole", tmp_path / "joined"
    write_rows(whole, form, columns=COLUMNS, pages=iter([[list(row) for row in ROWS]]))
    assert join_tables(JoinRequest(parts, str(joined), form)) == joined.stat().st_size
    assert read_file(joined, format=form) == read_file(whole, format=form)
    if form in ("csv", "jsonl"):
        assert joined.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("cut", range(1, 9))
def test_sheets_go_on_where_the_part_before_ends(tmp_path: Path, cut: int) -> None:
    parts = []
    for first, end in ((0, cut), (cut, 9)):
        parts.append(str(tmp_path / f"part {first}"))
        with open_xlsx(Path(parts[-1]), [Column("a")], rows_before=first, sheet_rows_max=4) as writer:
            writer.write([[f"{n}"] for n in range(first, end)])
    joined = tmp_path / "joined"
    join_tables(JoinRequest(parts, str(joined), "xlsx"))
    with joined.open("rb") as file:
        book = openpyxl.load_workbook(file)
    assert [[cell.value for (cell,) in sheet.iter_rows()] for sheet in book] == [
        ["a", "0", "1", "2"], ["a", "3", "4", "5"], ["a", "6", "7", "8"],
    ]  # fmt: skip
    assert book.sheetnames == [xlsx_writer.SHEET, f"{xlsx_writer.SHEET} 2", f"{xlsx_writer.SHEET} 3"]


def test_the_end_of_the_rows_may_lie_anywhere_in_a_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = tmp_path / "part"
    write_rows(part, "xlsx", columns=[Column("a")], pages=iter([[["some text"]] * 20]))
    for piece_bytes in range(1_000, 1_080):
        monkeypatch.setattr(joining, "PIECE_BYTES", piece_bytes)
        joined = tmp_path / f"joined {piece_bytes}"
        join_tables(JoinRequest([str(part)], str(joined), "xlsx"))
        with ZipFile(joined) as book, ZipFile(part) as origin:
            sheets = [archive.read("xl/worksheets/sheet1.xml") for archive in (book, origin)]
        assert sheets[0] == re.sub(rb"<dimension [^>]*/>", b"", sheets[1])
