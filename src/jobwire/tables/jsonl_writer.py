"""JSON lines: an object a row; JSON columns are embedded as they are, null stays null."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from jobwire.tables.cells import show_time
from jobwire.tables.spec import Column, ColumnKind

_CONVERTERS: dict[ColumnKind, Callable[[Any], Any]] = {
    "json": lambda text: msgspec.Raw(text.encode()),
    "time": show_time,
}


@contextmanager
def open_jsonl(
    path: Path,
    columns: Sequence[Column],
    *,
    rows_before: int = 0,
) -> Iterator["JsonlWriter"]:
    """A writer of a new file of JSON lines."""
    with path.open("xb") as file:
        yield JsonlWriter(file, columns)


class JsonlWriter:
    """Encodes a page at once."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._file = file
        self._names = [column.name for column in columns]
        self._converted = [(place, _CONVERTERS[c.kind]) for place, c in enumerate(columns) if c.kind in _CONVERTERS]
        self._encode = msgspec.json.Encoder().encode_lines

    def write(self, rows: Sequence[list[Any]]) -> None:
        """See Writer.write."""
        names, objects = self._names, []
        for row in rows:
            for place, convert in self._converted:
                if row[place] is not None:
                    row[place] = convert(row[place])
            objects.append(dict(zip(names, row, strict=True)))
        self._file.write(self._encode(objects))
