"""Files that hold the rows of one table after each other become one file, without reading the rows anew.

Lines are copied, row groups of Parquet written again as they are, and of XLSX the sheets' XML goes over row by row's
text: each file but the first was written with `rows_before`, so that its rows have their numbers already.
"""

import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from jobwire.tables.spec import Format, refuse_large

PIECE_BYTES: Final = 1 << 20

_SHEET: Final = re.compile(r"xl/worksheets/sheet\d+\.xml")
_BEGIN: Final = b"<sheetData>"
_END: Final = b"</sheetData>"
_NO_ROWS: Final = b"<sheetData/>"
# It says where the rows of that one file stand.
_DIMENSION: Final = re.compile(rb"<dimension [^>]*/>")


class JoinRequest(msgspec.Struct, frozen=True):
    """The files `parts`, all of one format and in their order; the file `path` is new."""

    parts: list[str]
    path: str
    format: Format


def join_tables(request: JoinRequest) -> int:
    """Join the parts into one file in constant memory; returns its bytes. JobError table_file_too_large."""
    path = Path(request.path)
    with refuse_large():
        _JOINERS[request.format]([Path(part) for part in request.parts], path)
    return path.stat().st_size


def _join_lines(parts: Sequence[Path], path: Path) -> None:
    with path.open("xb") as target:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, target, PIECE_BYTES)


def _join_parquet(parts: Sequence[Path], path: Path) -> None:
    pa.set_memory_pool(pa.system_memory_pool())
    with path.open("xb") as target, ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        for part in parts:
            with pq.ParquetFile(part, memory_map=False) as source:
                if writer is None:
                    writer = stack.enter_context(pq.ParquetWriter(target, source.schema_arrow, compression="zstd"))
                for number in range(source.num_row_groups):
                    group = source.read_row_group(number, use_threads=False)
                    writer.write_table(group, row_group_size=max(1, group.num_rows))


def _join_xlsx(parts: Sequence[Path], path: Path) -> None:
    with ExitStack() as stack:
        books = [stack.enter_context(ZipFile(part)) for part in parts]
        joined = stack.enter_context(ZipFile(path, "x", ZIP_DEFLATED))
        # The last one has all sheets: those that were full before it stand in it without rows.
        for name in books[-1].namelist():
            if _SHEET.fullmatch(name) is None:
                joined.writestr(name, books[-1].read(name))
            else:
                _join_sheet([book for book in books if name in book.namelist()], name, joined)


def _join_sheet(books: Sequence[ZipFile], name: str, joined: ZipFile) -> None:
    tail = b""
    with joined.open(name, "w", force_zip64=True) as target:
        for place, book in enumerate(books):
            with book.open(name) as sheet:
                head, begin, rest = sheet.read(PIECE_BYTES).partition(_BEGIN)
                if not begin:
                    head, _, tail = head.partition(_NO_ROWS)
                if place == 0:
                    target.write(_DIMENSION.sub(b"", head) + _BEGIN)
                if begin:
                    tail = _copy_rows(sheet, rest, target)
        target.write(_END + tail)


def _copy_rows(sheet: IO[bytes], data: bytes, target: IO[bytes]) -> bytes:
    """Copy up to the rows' end, which may lie across two pieces and stands in no cell; returns what follows."""
    while _END not in data:
        more = sheet.read(PIECE_BYTES)
        if not more:
            raise EOFError("a sheet ends before its rows do")
        target.write(data[: -len(_END)])
        data = data[-len(_END) :] + more
    rows, _, tail = data.partition(_END)
    target.write(rows)
    return tail + sheet.read()


_JOINERS: Final[dict[Format, Callable[[Sequence[Path], Path], None]]] = {
    "csv": _join_lines,
    "jsonl": _join_lines,
    "parquet": _join_parquet,
    "xlsx": _join_xlsx,
}
