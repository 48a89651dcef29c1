"""The ids of docswrite: a prefix and twelve hexadecimal digits, random. What is none is never asked of the ledger."""

import re
import secrets
from typing import Final, Literal

Prefix = Literal["job-", "doc-", "site-"]

_BYTES: Final = 6
_SHAPE: Final = re.compile(r"(?:job|doc|site)-[0-9a-f]{12}")


def make_id(prefix: Prefix) -> str:
    """A new id."""
    return prefix + secrets.token_hex(_BYTES)


def is_id(text: str, prefix: Prefix) -> bool:
    """Whether something could have this id."""
    return text.startswith(prefix) and _SHAPE.fullmatch(text) is not None
