"""How an error names what was written and what was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches

QUOTED_CHARS_MAX = 80
NAMED_MAX = 10
_COMPARED_CHARS_MAX = 64


def quote(text: object) -> str:
    """`text` in quotes for an error message, cut to 80 characters and with control characters escaped."""
    shown = str(text)
    return repr(shown if len(shown) <= QUOTED_CHARS_MAX else shown[:QUOTED_CHARS_MAX] + "…")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known word closest to `word`, or nothing when none is close."""
    close = get_close_matches(word[:_COMPARED_CHARS_MAX], list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def name_some(known: Iterable[str]) -> str:
    """The known words in order, the first ten of them and how many more there are; `none` without any."""
    words = sorted(known)
    more = f" and {len(words) - NAMED_MAX} more" if len(words) > NAMED_MAX else ""
    return ", ".join(words[:NAMED_MAX]) + more if words else "none"
