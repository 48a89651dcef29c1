"""Reads what stands in a path or a query string."""

from collections.abc import Mapping
from typing import Final

from jobwire.systems.rentix.fields import EXTERNAL_ID_CHARS_MAX, ID_MAX
from jobwire.systems.rentix.validation import invalid

PAGE_DEFAULT: Final = 20
PAGE_MAX: Final = 100
OFFSET_MAX: Final = 10**9


def read_number(name: str, text: str) -> int:
    """A positive integer in decimal; raises RequestError."""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(ID_MAX)) and 1 <= int(text) <= ID_MAX):
        raise invalid([f"{name} must be a positive integer"])
    return int(text)


def read_external_id(text: str) -> str:
    """A client's id; raises RequestError."""
    if not 1 <= len(text) <= EXTERNAL_ID_CHARS_MAX or "\0" in text:
        raise invalid([f"externalId must be 1 to {EXTERNAL_ID_CHARS_MAX} characters long"])
    return text


def read_page(query: Mapping[str, str]) -> tuple[int, int]:
    """The limit (1 to PAGE_MAX) and offset of a list; raises RequestError naming both."""
    faults: list[str] = []
    limit = _read_bounded("limit", query.get("limit", str(PAGE_DEFAULT)), (1, PAGE_MAX), faults=faults)
    offset = _read_bounded("offset", query.get("offset", "0"), (0, OFFSET_MAX), faults=faults)
    if faults:
        raise invalid(faults)
    return limit, offset


def _read_bounded(name: str, text: str, bounds: tuple[int, int], *, faults: list[str]) -> int:
    lowest, highest = bounds
    if text.isascii() and text.isdecimal() and len(text) <= len(str(highest)) and lowest <= int(text) <= highest:
        return int(text)
    faults.append(f"{name} must be an integer between {lowest} and {highest}")
    return lowest
