"""What a file is, told by its bytes and not by its name: format, text encoding, delimiter."""

import codecs
import csv
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from jobwire.domain.errors import JobError
from jobwire.tables.encodings import GUESS_BYTES, NoEncodingError, detect_encoding, find_mark
from jobwire.tables.spec import Format

DELIMITERS: Final = (",", ";", "\t", "|")
SAMPLE_LINES: Final = 50
SAMPLE_CHARS: Final = 64 * 1024

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
        head = file.read(GUESS_BYTES)
    if not head.strip(b"\0 \t\r\n"):
        raise JobError("table_empty", "the file has no content; send one with a header and rows")
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(_ZIP):
        return "xlsx" if _is_workbook(path) else None
    for mark, what in _OTHERS.items():
        if head.startswith(mark):
            raise JobError("table_type", f"this is {what}; send CSV, JSON lines, Parquet, XLSX or a zip of files")
    encoding = find_mark(head) or "latin-1"
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(head)
    return "jsonl" if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")) else "csv"


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def find_encoding(path: Path) -> str:
    """The encoding that the whole file can be read in.

    JobError table_encoding for UTF-8 that is damaged (a guess would turn its good letters into others) and for what
    no guess fits; its details name the offset of the first byte at fault.
    """
    with path.open("rb") as file:
        marked = find_mark(file.read(4))
    try:
        return detect_encoding(path, known=marked)
    except NoEncodingError as error:
        raise JobError(
            "table_encoding",
            f"the file is no valid {error.encoding}: byte {error.offset} does not fit; save it as UTF-8, or name its "
            "encoding",
            details={"offset": error.offset},
        ) from None


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
