"""Rows held to types: text of a CSV becomes numbers, booleans and dates, and a value that does not is named."""

import datetime
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, Literal, TypedDict

import msgspec

from jobwire.tables.spec import FIELD_CHARS_MAX, BadRow, Row

ColumnType = Literal["text", "integer", "number", "boolean", "date", "datetime"]

_Text = Annotated[str, msgspec.Meta(max_length=FIELD_CHARS_MAX)]
_TYPES: Final[Mapping[ColumnType, Any]] = {
    "text": _Text,
    # Beyond 64 bits, no database and no JSON reader of the browser keeps a number whole.
    "integer": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    "number": float,
    "boolean": bool,
    "date": datetime.date,
    "datetime": datetime.datetime,
}
_PLACE: Final = re.compile(r" - at `\$\[\.\.\.\]`$| - at `\$\.(.*?)`$", re.DOTALL)


def make_checker(types: Mapping[str, ColumnType], *, required: Iterable[str] = ()) -> Callable[[Row], Row | BadRow]:
    """A function that gives a row with its typed values, or the first of its fields that does not fit and why.

    An empty value of a typed column is null, unless it is `required`. Columns without a type stay as they are.
    """
    must = frozenset(required)
    names = [*types, *(name for name in must if name not in types)]
    if not names:
        return lambda row: row
    shapes = {name: _TYPES[types.get(name, "text")] if name in must else _TYPES[types[name]] | None for name in names}
    shape: Any = TypedDict("shape", shapes)  # type: ignore[misc]
    is_text = frozenset(name for name in names if types.get(name, "text") == "text")
    is_all_text = len(is_text) == len(shapes)

    def fits(values: Mapping[str, Any]) -> bool:
        """Most rows of most files are texts of common length: this tells them in half the time."""
        for name in names:
            value = values.get(name)
            if type(value) is not str or not 0 < len(value) <= FIELD_CHARS_MAX:
                return False
        return True

    def check(row: Row) -> Row | BadRow:
        values = row.values
        if is_all_text and fits(values):
            return row
        given = {name: values.get(name) for name in names}
        for name, value in given.items():
            if value == "" or value is None:
                if name in must:
                    return BadRow(row.line, "is empty; every row needs it", name)
                given[name] = None
            elif name in is_text and type(value) in (int, float, bool):
                given[name] = msgspec.json.encode(value).decode()
        try:
            typed = msgspec.convert(given, shape, strict=False)
        except msgspec.ValidationError as error:
            return _name_fault(row.line, str(error))
        for name, value in typed.items():
            values[name] = value.isoformat() if isinstance(value, datetime.date) else value
        return row

    return check


def _name_fault(line: int, text: str) -> BadRow:
    place = _PLACE.search(text)
    return BadRow(line, text if place is None else text[: place.start()], None if place is None else place[1])
