"""The names of a table's columns, checked once for all formats that have a header."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from jobwire.domain.errors import JobError
from jobwire.tables.spec import COLUMNS_MAX, NAME_CHARS_MAX


def check_header(cells: Sequence[Any]) -> list[str]:
    """The columns' names without surrounding blanks: all there, all different, not too many; else JobError."""
    if len(cells) > COLUMNS_MAX:
        raise JobError(
            "table_too_many_columns",
            f"the table has {len(cells):,} columns; it may have {COLUMNS_MAX:,}: leave some out",
            details={"columns": len(cells), "limit": COLUMNS_MAX},
        )
    names = ["" if cell is None else str(cell).strip() for cell in cells]
    for place, name in enumerate(names, 1):
        if not name:
            raise JobError(
                "table_header",
                f"column {place} has no name; the first row must name every column",
                details={"column": place},
            )
        if len(name) > NAME_CHARS_MAX or not name.isprintable():
            raise JobError(
                "table_header",
                f"column {place} is named {name[:40]!r}; a name has up to {NAME_CHARS_MAX} printable characters",
                details={"column": place},
            )
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise JobError(
            "table_header",
            f"two columns are named {twice[0]!r}; give each its own name",
            details={"column": twice[0]},
        )
    return names
