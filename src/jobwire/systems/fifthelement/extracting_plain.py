"""Bytes to text: finds out the encoding; plain text as it is, tables of CSV as lines of `column: value`."""

import codecs
import csv
import io
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from charset_normalizer import from_bytes

from jobwire.domain.errors import JobError
from jobwire.systems.fifthelement.file_types import HEAD_BYTES, find_delimiter

CHARSET_SAMPLE_BYTES: Final = 262_144
CSV_FIELD_CHARS_MAX: Final = 131_072

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
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
    """The bytes as text, and warnings: by its mark, as declared, as UTF-8, or by the likeliest encoding."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, "replace"), ()
    for encoding in filter(None, (declared, "utf-8")):
        try:
            return data.decode(encoding), ()
        except (UnicodeDecodeError, LookupError):
            continue
    found = from_bytes(data[:CHARSET_SAMPLE_BYTES]).best()
    encoding = found.encoding if found is not None else "utf-8"
    text = data.decode(encoding, "replace")
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
