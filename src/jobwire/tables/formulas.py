"""Text that a spreadsheet would run as a formula, made harmless and brought back.

A cell that starts with one of = + - @, a tab, a line break or their full-width forms gets an apostrophe in front;
so does one that has apostrophes before such a character, which keeps the way back free of doubt.
"""

import re
from typing import Final

_FIRST: Final = frozenset("'=+-@\t\r\n＝＋－＠")
_LIVE: Final = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_STILLED: Final = re.compile(r"''*[=+\-@\t\r\n＝＋－＠]")


def neutralise(text: str) -> str:
    """The text as a cell that no spreadsheet runs; `restore` gives it back exactly."""
    return f"'{text}" if text[:1] in _FIRST and _LIVE.match(text) else text


def restore(cell: str) -> str:
    """The text that `neutralise` made this cell of."""
    return cell[1:] if _STILLED.match(cell) else cell
