"""Bytes to text: finds out the encoding; plain text as it is, tables of CSV as lines of `column: value`."""

import csv
import io
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from jobwire.domain.errors import JobError
from jobwire.systems.fifthelement.file_types import HEAD_BYTES, find_delimiter
from jobwire.tables import encodings

CSV_FIELD_CHARS_MAX: Final = 131_072

# What no text needs and databases refuse; U+FFFE and U+0002 are how PDFium marks a hyphen at a line's end.
_HYPHEN: Final = re.compile("[\x02\ufffe][\r\n]*")
_CONTROLS: Final = re.compile("[\0-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_BLANK_LINES: Final = re.compile(r"\n{3,}")


class Extracted(NamedTuple):
    """What a parser got out of a file: its text, a title if it has one, and facts such as its author."""

    text: str
    title: str | None = None
    facts: Mapping[str, str] = {}
    warnings: tuple[str, ...] = ()


def clean_text(text: str) -> str:
    """The text with plain line ends, no control characters, and one blank line at most between two others."""
    text = _HYPHEN.sub("", text).replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")
    return _BLANK_LINES.sub("\n\n", _CONTROLS.sub("", text)).strip()


def decode_text(data: bytes, *, declared: str | None = None) -> tuple[str, tuple[str, ...]]:
    """The bytes as text, and warnings, as tables/encodings.py reads them."""
    text, encoding, is_sure = encodings.decode_text(data, declared=[declared] if declared else ())
    if is_sure:
        return text, ()
    lost = text.count("\ufffd")
    said = f", {lost} characters could not be read" if lost else ""
    return text, (f"the encoding is not said and was taken for {encoding}{said}",)


def read_plain(data: bytes) -> Extracted:
    """A plain text."""
    text, warnings = decode_text(data)
    return Extracted(clean_text(text), warnings=warnings)


def read_table(data: bytes) -> Extracted:
    """A table of CSV: a line for each row, each value behind its column's name, so that a row can stand alone."""
    text, warnings = decode_text(data)
    delimiter = find_delimiter(text[:HEAD_BYTES], rows_min=2) or ","
    csv.field_size_limit(CSV_FIELD_CHARS_MAX)
    lines: list[str] = []
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [name.strip() for name in next(rows, [])]
        for row in rows:
            named = zip(header + [""] * (len(row) - len(header)), row, strict=False)
            shown = "; ".join(f"{name}: {value.strip()}" if name else value.strip() for name, value in named if value)
            lines.append(" ".join(shown.split()))
    except csv.Error as error:
        raise JobError(
            "document_unreadable",
            f"line {rows.line_num} of the table cannot be read ({error}); close its quotes and send it again",
            details={"line": rows.line_num},
        ) from error
    return Extracted(
        clean_text("\n".join(filter(None, lines)) or "; ".join(header)),
        facts={"columns": ", ".join(header), "rows": str(len(lines))},
        warnings=warnings,
    )
