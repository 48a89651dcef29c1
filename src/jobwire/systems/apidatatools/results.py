"""Names of results. A name is a signed link: the address of the bytes, when it ends, and a signature of all of it."""

import base64
import re
from typing import Final, NamedTuple

from jobwire.blobs.links import FileLinks
from jobwire.systems.apidatatools.tools import TOOLS
from jobwire.systems.apidatatools.tools.image_tools import CONTENT_TYPES as _IMAGES

_PREFIX: Final = "apidatatools_convert_"
_PURPOSE: Final = "apidatatools result"
_ADDRESS_BYTES: Final = 32
_EXPIRY_BYTES: Final = 5
# Bytes in threes: in their base64 every bit is one of theirs, so that a name has no second spelling.
_NAME: Final = re.compile(_PREFIX + r"([A-Za-z0-9_-]{92})\.([a-z]{1,8})")

_TYPES: Final = _IMAGES | {tool.output: tool.content_type for tool in TOOLS.values()}


class Result(NamedTuple):
    """Kept bytes that may be fetched until `expires_at_s` (Unix seconds), by the ending of their name."""

    sha256: str
    ending: str
    expires_at_s: int

    @property
    def content_type(self) -> str:
        """The type of files with that ending."""
        return _TYPES[self.ending]


def name_result(links: FileLinks, result: Result) -> str:
    """The name that the result is fetched by."""
    signature = links.sign_parts(_PURPOSE, *map(str, result))
    ends = result.expires_at_s.to_bytes(_EXPIRY_BYTES)
    word = base64.urlsafe_b64encode(bytes.fromhex(result.sha256) + ends + bytes.fromhex(signature))
    return f"{_PREFIX}{word.decode()}.{result.ending}"


def find_result(links: FileLinks, name: str, *, now: int) -> Result | None:
    """The result of that name; None for a name that was changed or has ended."""
    result, signature = _read(name)
    if result is None or not links.is_signed(signature, _PURPOSE, *map(str, result)):
        return None
    return result if now < result.expires_at_s * 1_000 else None


def read_result(name: str) -> Result | None:
    """What a name says that this ledger has made; None where an older version has."""
    return _read(name)[0]


def _read(name: str) -> tuple[Result | None, str]:
    shape = _NAME.fullmatch(name)
    if shape is None:
        return None, ""
    word, signed = base64.urlsafe_b64decode(shape[1]), _ADDRESS_BYTES + _EXPIRY_BYTES
    expires_at_s = int.from_bytes(word[_ADDRESS_BYTES:signed])
    return Result(word[:_ADDRESS_BYTES].hex(), shape[2], expires_at_s), word[signed:].hex()
