"""Values as rows of a table: the names of nested ones joined by dots, those of lists by their place."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from jobwire.systems.apidatatools.tools.contract import ToolError

COLUMNS_MAX: Final = 10_000
VALUE_COLUMN: Final = "value"
"""What a record that is no object is called."""


def flatten(value: Any) -> dict[str, Any]:
    """The scalars of a record by their paths: {"a": {"b": [1, 2]}} is a.b.0 and a.b.1."""
    if type(value) is dict and value:
        if _NESTED.isdisjoint(map(type, value.values())) and "" not in value:
            return value
        fields: Iterable[tuple[Any, Any]] = value.items()
    elif type(value) is list and value:
        fields = enumerate(value)
    else:
        return {VALUE_COLUMN: value}
    row: dict[str, Any] = {}
    _add(row, "", fields)
    return row


def _add(row: dict[str, Any], path: str, fields: Iterable[tuple[Any, Any]]) -> None:
    for name, value in fields:
        kind = type(value)
        if kind is dict and value:
            _add(row, f"{path}{name}.", value.items())
        elif kind is list and value:
            _add(row, f"{path}{name}.", enumerate(value))
        else:
            row[f"{path}{name}" or VALUE_COLUMN] = value


_NESTED: Final = frozenset((dict, list))


def find_columns(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every column of the rows in the order they first appear; ToolError TOO_MANY_COLUMNS."""
    columns: dict[str, None] = {}
    for row in rows:
        if not columns.keys() >= row.keys():
            columns.update(dict.fromkeys(row))
            if len(columns) > COLUMNS_MAX:
                raise ToolError("TOO_MANY_COLUMNS", f"the records have more than {COLUMNS_MAX:,} different fields")
    return list(columns)


def order_cells(rows: Iterable[Mapping[str, Any]], columns: list[str]) -> Iterator[list[Any]]:
    """The values of each row in the order of the columns, None where it has none."""
    for row in rows:
        get = row.get
        yield [get(name) for name in columns]


def show_cell(value: Any) -> str:
    """A scalar as the text of a cell: null is empty, an empty list or object is as in JSON."""
    if isinstance(value, str):
        return value
    return _SHOWN[repr(value)]


_SHOWN: Final = {"None": "", "True": "true", "False": "false", "{}": "{}", "[]": "[]"}
