"""The pictures of a document: embedded ones become files named by content, others stay addresses."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from jobwire.domain.errors import JobError
from jobwire.pictures.decode import BYTES_MAX

PICTURES_MAX: Final = 500

_SHOWN_CHARS_MAX: Final = 80


class PictureSource(msgspec.Struct, frozen=True):
    """Where a picture is: `file` is a name in the folder of the document's pictures, else `url` is to be fetched."""

    key: str
    file: str = ""
    url: str = ""


class SkippedPicture(msgspec.Struct, frozen=True):
    """A picture that is left out: where the document says it is, and why it is not taken."""

    place: str
    reason: str


class Shelf:
    """Collects pictures into `folder`; `find_embedded` gives the bytes of what the source itself contains.

    `find_embedded` returns None for a place that is not inside the source, and raises ValueError with a reason for
    one it will not give.
    """

    def __init__(self, folder: Path, find_embedded: Callable[[str], bytes | None]) -> None:
        self._folder = folder
        self._find_embedded = find_embedded
        self._keys: dict[str, str] = {}
        self.sources: dict[str, PictureSource] = {}
        self.skipped: list[SkippedPicture] = []

    def place(self, place: str) -> str:
        """The key of the picture that a document has at `place`; empty for one that is left out."""
        if place not in self._keys:
            self._keys[place] = self._take(place.strip())
            if len(self._keys) > PICTURES_MAX:
                raise JobError(
                    "document_too_many_pictures",
                    f"the document has more than {PICTURES_MAX} pictures; divide it into several",
                )
        return self._keys[place]

    def _take(self, place: str) -> str:
        try:
            data = self._find_embedded(place)
        except ValueError as error:
            return self._skip(place, str(error))
        if data is not None:
            return self._keep(place, data)
        if not re.match(r"https?://", place, re.IGNORECASE):
            scheme = place.partition(":")[0].lower()
            reason = "a data: address" if scheme == "data" else "neither in the file nor an http address"
            return self._skip(place, reason)
        key = hashlib.sha256(place.encode("utf-8", "replace")).hexdigest()
        self.sources[key] = PictureSource(key, url=place)
        return key

    def _keep(self, place: str, data: bytes) -> str:
        if not 0 < len(data) <= BYTES_MAX:
            return self._skip(place, f"{len(data):,} bytes; a picture has from 1 to {BYTES_MAX:,}")
        key = hashlib.sha256(data).hexdigest()
        if key not in self.sources:
            (self._folder / key).write_bytes(data)
            self.sources[key] = PictureSource(key, file=key)
        return key

    def _skip(self, place: str, reason: str) -> str:
        self.skipped.append(SkippedPicture(place[:_SHOWN_CHARS_MAX], reason))
        return ""
