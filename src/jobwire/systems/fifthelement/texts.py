"""Where a document's text is kept: a short one beside the document, a long one in a blob."""

import hashlib
from typing import Final, NamedTuple

from jobwire.blobs.contract import Blobs

INLINE_BYTES_MAX: Final = 65_536


class KeptText(NamedTuple):
    """A text that was kept: exactly one of `content` and `text_blob` (an address), and its SHA-256 in hex."""

    content: str | None
    text_blob: str | None
    sha256: str


def put_text(blobs: Blobs, text: str) -> KeptText:
    """Keep a text, in a blob where it is longer than INLINE_BYTES_MAX; blocks, so call it off the loop.

    NUL characters are left out: PostgreSQL keeps none in a text.
    """
    clean = text.replace("\0", "")
    data = clean.encode("utf-8", "replace")
    sha256 = hashlib.sha256(data).hexdigest()
    if len(data) <= INLINE_BYTES_MAX:
        return KeptText(data.decode(), None, sha256)
    return KeptText(None, blobs.put_bytes(data).sha256, sha256)


def read_text(blobs: Blobs, *, content: str | None, text_blob: str | None) -> str:
    """The text that `put_text` has kept; empty where there is none. Blocks where it is in a blob."""
    if text_blob is None:
        return content or ""
    return b"".join(blobs.read(text_blob)).decode()
