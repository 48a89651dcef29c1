"""excel-to-yaml: XLSX read row by row after its archive was judged, XLS by calamine."""

import datetime
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import openpyxl
import python_calamine

from jobwire.systems.apidatatools.tools.contract import (
    Option,
    Options,
    Sink,
    Source,
    Tool,
    ToolError,
    ToolResult,
    read_int,
    read_text,
)
from jobwire.systems.apidatatools.tools.csv_read import HAS_HEADER, name_columns
from jobwire.systems.apidatatools.tools.csv_tools import YAML_TAB_SPACE
from jobwire.systems.apidatatools.tools.json_values import Item, Number
from jobwire.systems.apidatatools.tools.yaml_write import write_yaml

XLS_BYTES_MAX: Final = 32 << 20
"""An XLS file is read as a whole."""

PART_BYTES_MAX: Final = 1 << 30
STRINGS_BYTES_MAX: Final = 128 << 20
"""The shared texts of a workbook are held in memory."""

RATIO_MAX: Final = 200
"""The XML of sheets packs to a thirtieth; deflate cannot go beyond 1,032."""

RATIO_FREE_BYTES: Final = 1 << 20
SHEET_INDEX_MAX: Final = 1_000

_XLS: Final = b"\xd0\xcf\x11\xe0"
_PROLOG_BYTES: Final = 1 << 16


def excel_to_yaml(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the rows of a sheet, the first unless options name one; a formula is the value it was saved with."""
    with source.path.open("rb") as file:
        head = file.read(4)
    if not head:
        raise ToolError("EMPTY_BODY", "the input is empty; send a workbook")
    rows = _read_xls(source.path, options) if head == _XLS else _read_xlsx(source.path, options)
    with sink.open_text() as out:
        records = _read_records(rows, has_header=bool(options["x-has-header"]))
        write_yaml((Item(record, True) for record in records), out, read_int(options, "x-tab-space"))
    return ToolResult()


def _read_records(rows: Iterator[Sequence[Any]], *, has_header: bool) -> Iterator[Any]:
    shown = ([_show(cell) for cell in row] for row in rows)
    filled = (row for row in shown if any(cell is not None for cell in row))
    if not has_header:
        yield from filled
        return
    header = name_columns([str(cell if cell is not None else "") for cell in next(filled, [])])
    for row in filled:
        names = header if len(row) <= len(header) else name_columns(header + [""] * (len(row) - len(header)))
        yield dict(zip(names, row + [None] * (len(names) - len(row)), strict=True))


def _show(cell: Any) -> Any:
    match cell:
        case None | "" | bool():
            return None if cell == "" else cell
        case float() if cell.is_integer() and abs(cell) < 1e15:
            return Number(int(cell))
        case int() | float():
            return Number(repr(cell))
        case datetime.datetime() | datetime.date() | datetime.time():
            return cell.isoformat()
        case _:
            return str(cell)


def _read_xlsx(path: Path, options: Options) -> Iterator[Sequence[Any]]:
    _judge_archive(path)
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            # What openpyxl cannot show (drawings, validation) is no part of a table.
            warnings.simplefilter("ignore")
            with closing(openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)) as book:
                names = [sheet.title for sheet in book.worksheets]
                sheet = book[_choose_sheet(names, options)]
                sheet.reset_dimensions()
                yield from sheet.iter_rows(values_only=True)
    except ToolError:
        raise
    except Exception as error:  # openpyxl raises anything at all on damaged parts
        raise _damaged() from error


def _read_xls(path: Path, options: Options) -> Iterator[Sequence[Any]]:
    size_bytes = path.stat().st_size
    if size_bytes > XLS_BYTES_MAX:
        raise ToolError(
            "PAYLOAD_TOO_LARGE", f"the XLS file has {size_bytes:,} bytes; it may have {XLS_BYTES_MAX:,}: send XLSX"
        )
    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
        sheet = book.get_sheet_by_name(_choose_sheet(book.sheet_names, options))
        yield from sheet.iter_rows()
    except python_calamine.CalamineError as error:
        raise _damaged() from error


def _choose_sheet(names: list[str], options: Options) -> str:
    wanted, index = read_text(options, "x-sheet-name"), read_int(options, "x-sheet-index")
    shown = ", ".join(names[:20])
    if wanted is not None:
        if wanted not in names:
            raise ToolError("SHEET_NOT_FOUND", f"there is no sheet {wanted[:40]!r}; there are {shown}")
        return wanted
    if index >= len(names):
        raise ToolError("SHEET_NOT_FOUND", f"there is no sheet {index}; there are {len(names)} from 0: {shown}")
    return names[index]


def _judge_archive(path: Path) -> None:
    """ToolError unless the workbook unpacks within the limits and declares no entities."""
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                _judge_part(info)
                if info.filename.endswith((".xml", ".rels")):
                    with archive.open(info) as part:
                        if b"<!DOCTYPE" in part.read(_PROLOG_BYTES).upper().replace(b"\0", b""):
                            raise ToolError("INVALID_EXCEL", "the workbook declares a document type, which none does")
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, RuntimeError, zlib.error) as error:
        raise _damaged() from error


def _judge_part(info: zipfile.ZipInfo) -> None:
    limit = STRINGS_BYTES_MAX if info.filename.lower().endswith("sharedstrings.xml") else PART_BYTES_MAX
    if info.file_size > limit:
        raise ToolError("INVALID_EXCEL", f"a part of the workbook unpacks to more than {limit:,} bytes; split it")
    if info.file_size > RATIO_FREE_BYTES and info.file_size > info.compress_size * RATIO_MAX:
        raise ToolError("INVALID_EXCEL", f"a part of the workbook unpacks to more than {RATIO_MAX} times its size")


def _damaged() -> ToolError:
    return ToolError("INVALID_EXCEL", "the workbook cannot be read; save it anew as XLSX")


TOOLS: Final = (
    Tool(
        "excel-to-yaml",
        ("xls", "xlsx"),
        "yaml",
        "application/yaml",
        excel_to_yaml,
        (
            HAS_HEADER,
            Option("x-sheet-name", "text", minimum=1),
            Option("x-sheet-index", "integer", 0, maximum=SHEET_INDEX_MAX),
            YAML_TAB_SPACE,
        ),
        ("INVALID_EXCEL", "SHEET_NOT_FOUND"),
    ),
)
