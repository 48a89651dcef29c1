"""What broken JSON probably meant: offered beside the error, never applied."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import json_repair
import msgspec

from jobwire.systems.apidatatools.tools.faults import ToolError
from jobwire.systems.apidatatools.tools.source import Source

REPAIR_BYTES_MAX: Final = 8 << 10
"""The repairer takes quadratic time on some inputs, seconds for 30 kB; no long text is suggested anyway."""

SUGGESTION_CHARS_MAX: Final = 2_000


@contextmanager
def suggesting(source: Source) -> Iterator[None]:
    """Adds to an error in the JSON a repaired text, when the source is small and one can be found."""
    try:
        yield
    except ToolError as error:
        if error.code != "INVALID_JSON":
            raise
        raise ToolError(
            error.code, error.message, line=error.line, column=error.column, suggestion=suggest(source)
        ) from error


def suggest(source: Source) -> str | None:
    """The source repaired as JSON indented by 2, or None."""
    if source.size_bytes > REPAIR_BYTES_MAX:
        return None
    with source.open_utf8() as file:
        text = file.read().decode()
    try:
        repaired: Any = json_repair.loads(text)
        shown = msgspec.json.format(msgspec.json.encode(repaired), indent=2).decode()
    except (ValueError, RecursionError, IndexError, TypeError, AttributeError, msgspec.MsgspecError):
        return None  # the repairer gives up in many ways
    return shown if repaired not in ("", None) and len(shown) <= SUGGESTION_CHARS_MAX else None
