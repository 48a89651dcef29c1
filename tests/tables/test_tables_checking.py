"""Values are held to the types of their columns, and the first that does not fit is named with its reason."""

from typing import Any

import pytest

from jobwire.tables.checking import ColumnType, make_checker
from jobwire.tables.spec import BadRow, Row


@pytest.mark.parametrize(
    ("of_type", "given", "kept"),
    [
        ("integer", "42", 42), ("integer", 42, 42), ("integer", str(2**63 - 1), 2**63 - 1), ("integer", "", None),
        ("number", "1.5", 1.5), ("number", "1e3", 1000.0), ("boolean", "true", True), ("boolean", "0", False),
        ("date", "2031-05-06", "2031-05-06"), ("datetime", "2031-05-06T07:08:09Z", "2031-05-06T07:08:09+00:00"),
        ("text", "x", "x"), ("text", 5, "5"), ("text", None, None),
    ],
)  # fmt: skip
def test_a_value_that_fits_gets_its_type(of_type: ColumnType, given: Any, kept: Any) -> None:
    row = make_checker({"total area": of_type})(Row(7, {"total area": given, "other": "1"}))
    assert row == Row(7, {"total area": kept, "other": "1"})


@pytest.mark.parametrize(
    ("of_type", "given"),
    [
        ("integer", "4.5"), ("integer", str(2**63)), ("number", "1,5"), ("boolean", "maybe"),
        ("date", "06.05.2031"), ("datetime", "noon"), ("text", ["x"]),
    ],
)  # fmt: skip
def test_a_value_that_does_not_is_named(of_type: ColumnType, given: Any) -> None:
    row = make_checker({"a": "text", "total area": of_type})(Row(7, {"a": "x", "total area": given}))
    assert isinstance(row, BadRow)
    assert (row.line, row.field) == (7, "total area")
    assert "Expected" in row.reason or "Invalid" in row.reason


@pytest.mark.parametrize("values", [{"a": ""}, {"a": None}, {}])
def test_a_required_value_is_there(values: dict[str, Any]) -> None:
    assert make_checker({}, required=["a"])(Row(3, values)) == BadRow(3, "is empty; every row needs it", "a")
