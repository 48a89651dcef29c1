"""Ids of repositories and documents: a UUID's 32 hex digits inside, `doc_…` or the dashed form outside."""

import re
import secrets
from typing import Final

DOCUMENT_PREFIX: Final = "doc_"

_RANDOM_DIGITS: Final = 20
_VARIANT: Final = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
_DASHED: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{32}")
_DOCUMENT: Final = re.compile(r"doc_[A-Za-z0-9]{1,64}")


def make_id(now_ms: int) -> str:
    """The 32 hex digits of a new UUID of version 7: ordered by time, not guessable."""
    return make_ids(now_ms, 1)[0]


def make_ids(now_ms: int, count: int) -> list[str]:
    """So many ids in ascending order."""
    drawn, head = secrets.token_hex(_RANDOM_DIGITS // 2 * count), f"{now_ms:012x}7"
    return sorted(
        [
            head + drawn[start : start + 3] + _VARIANT[drawn[start + 3]] + drawn[start + 4 : start + 19]
            for start in range(0, len(drawn), _RANDOM_DIGITS)
        ]
    )


def show_document_id(stored: str) -> str:
    """A document's id as clients see it."""
    return DOCUMENT_PREFIX + stored


def show_repository_id(stored: str) -> str:
    """A repository's id as clients see it: the UUID with dashes."""
    return "-".join((stored[:8], stored[8:12], stored[12:16], stored[16:20], stored[20:]))


def read_document_id(text: str) -> str | None:
    """The stored id that a client's text names (`doc_…` or a dashed UUID), None for what is no id at all.

    A well-formed id that is none of ours comes back as it is: nothing is found under it.
    """
    if _DOCUMENT.fullmatch(text):
        return text.removeprefix(DOCUMENT_PREFIX).lower()
    return read_repository_id(text)


def read_repository_id(text: str) -> str | None:
    """The stored id that a UUID names, with dashes or without, None for what is no UUID."""
    if _DASHED.fullmatch(text) or _HEX.fullmatch(text):
        return text.replace("-", "").lower()
    return None
