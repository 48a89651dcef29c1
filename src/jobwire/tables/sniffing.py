"""What a file is, told by its bytes and not by its name: format, text encoding, delimiter."""

import codecs
import csv
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import charset_normalizer

from jobwire.domain.errors import JobError
from jobwire.tables.spec import Format

DELIMITERS: Final = (",", ";", "\t", "|")
SAMPLE_LINES: Final = 50
SAMPLE_CHARS: Final = 64 * 1024

_CHUNK_BYTES: Final = 1 << 20
_GUESS_BYTES: Final = 64 * 1024
_MARKS: Final = (
    # UTF-32's little-endian mark starts with UTF-16's.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ZIP: Final = b"PK\x03\x04"
_OTHERS: Final = {
    b"PK\x05\x06": "an empty zip archive",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF",
    b"\xd0\xcf\x11\xe0": "an old binary Office file (xls or encrypted xlsx)",
    b"SQLite format 3": "an SQLite database",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"ORC": "an ORC file",
}


def find_format(path: Path) -> Format | None:
    """The format of a table, None for a zip archive of files; JobError table_empty or table_type."""
    with path.open("rb") as file:
        head = file.read(_GUESS_BYTES)
    if not head.strip(b"\0 \t\r\n"):
        raise JobError("table_empty", "the file has no content; send one with a header and rows")
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(_ZIP):
        return "xlsx" if _is_workbook(path) else None
    for mark, what in _OTHERS.items():
        if head.startswith(mark):
            raise JobError("table_type", f"this is {what}; send CSV, JSON lines, Parquet, XLSX or a zip of files")
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), "latin-1")
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(head)
    return "jsonl" if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")) else "csv"


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def find_encoding(path: Path) -> str:
    """The encoding that the whole file can be read in: by its mark, UTF-8, or a guess from its first odd bytes.

    JobError table_encoding for UTF-8 that is damaged (a guess would turn its good letters into others) and for what
    no guess fits; its details name the offset of the first byte at fault.
    """
    with path.open("rb") as file:
        head = file.read(4)
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    name = marked or "utf-8"
    fault = _find_fault(path, name)
    if fault is None:
        return name
    offset, is_mixed = fault
    guessed = None if marked or is_mixed else _guess(path, offset)
    if guessed is None or _find_fault(path, guessed) is not None:
        raise JobError(
            "table_encoding",
            f"the file is no valid {name}: byte {offset} does not fit; save it as UTF-8, or name its encoding",
            details={"offset": offset},
        )
    return guessed


def _find_fault(path: Path, encoding: str) -> tuple[int, bool] | None:
    """The offset of the first byte that does not fit, and whether letters beyond ASCII stand before it."""
    decoder = codecs.getincrementaldecoder(encoding)()
    offset, is_mixed = 0, False
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            pending = len(decoder.getstate()[0])
            try:
                is_mixed = not decoder.decode(chunk, final=not chunk).isascii() or is_mixed
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(encoding, errors="replace")
                return offset - pending + error.start, is_mixed or not before.isascii()
            if not chunk:
                return None
            offset += len(chunk)


def _guess(path: Path, offset: int) -> str | None:
    with path.open("rb") as file:
        file.seek(max(0, offset - _GUESS_BYTES // 2))
        found = charset_normalizer.from_bytes(file.read(_GUESS_BYTES)).best()
    return None if found is None else found.encoding


def find_delimiter(lines: Sequence[str]) -> str:
    """The delimiter that splits these first lines into the most columns, the same number in each; else a comma.

    Not csv.Sniffer's regular expressions: they take quadratic time on quotes.
    """

    def judge(delimiter: str) -> tuple[float, int]:
        widths: list[int] = []
        with suppress(csv.Error):  # judged by what was read before
            widths.extend(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
        if not widths or widths[0] < 2:
            return (0.0, 0)
        return (widths.count(widths[0]) / len(widths), widths[0])

    return max(DELIMITERS, key=judge)
