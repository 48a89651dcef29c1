"""A row as one line of text that portable SQL makes alike on every engine, and a sum of lines that no order changes.

The line is PostgreSQL's COPY text: columns parted by tabs, NULL as \\N, and four characters escaped.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from jobwire.store.moving.vectors import read_vector

CHUNK_BYTES = 256 * 1024
HASH_BYTES = 7
"""Of a line's SHA-256: as many as PostgreSQL's bigint takes without a sign."""
NULL = "\\N"

ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_ESCAPED = {escaped: char for char, escaped in ESCAPES}

Value: TypeAlias = str | int | bytes | None


class Column(NamedTuple):
    """A column of a table; what is neither text nor a vector is a whole number."""

    name: str
    is_text: bool
    is_vector: bool = False


@dataclass(slots=True)
class Tally:
    """How many lines there were, and the sum of their hashes."""

    rows: int = 0
    total: int = 0

    def take(self, lines: Iterable[str]) -> Iterator[list[bytes]]:
        """Count lines while they pass, encoded, in lists of about CHUNK_BYTES."""
        digest, number = hashlib.sha256, int.from_bytes
        chunk: list[bytes] = []
        size = total = 0
        for text in lines:
            line = text.encode()
            chunk.append(line)
            size += len(line)
            total += number(digest(line).digest()[:HASH_BYTES])
            if size >= CHUNK_BYTES:
                self.rows += len(chunk)
                self.total, total = self.total + total, 0
                yield chunk
                chunk, size = [], 0
        self.rows += len(chunk)
        self.total += total
        if chunk:
            yield chunk


def line_sql(columns: Sequence[Column], *, vector_sql: str) -> str:
    """The SQL expression of a row's line; `vector_sql` is what gives an engine's vector `{}` as vectors.py has it."""
    return " || '\t' || ".join(f"coalesce({_text_sql(column, vector_sql)}, '{NULL}')" for column in columns)


def _text_sql(column: Column, vector_sql: str) -> str:
    name = f'"{column.name}"'
    if column.is_vector:
        return vector_sql.format(name)
    if not column.is_text:
        return f"CAST({name} AS text)"
    for char, escaped in ESCAPES:
        name = f"replace({name}, '{char}', '{escaped}')"
    return name


def split_line(line: str, columns: Sequence[Column]) -> tuple[Value, ...]:
    """The values of a line."""
    fields = zip(columns, line.split("\t"), strict=True)
    return tuple(None if field == NULL else _read(field, column) for column, field in fields)


def _read(field: str, column: Column) -> Value:
    if column.is_vector:
        return read_vector(field)
    if not column.is_text:
        return int(field)
    if "\\" not in field:
        return field
    # Escaped backslashes part what may hold other escapes.
    return "\\".join(_unescape(part) for part in field.split("\\\\"))


def _unescape(part: str) -> str:
    for escaped, char in _ESCAPED.items():
        part = part.replace(escaped, char)
    return part
