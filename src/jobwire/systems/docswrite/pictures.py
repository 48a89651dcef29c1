"""Prepare one picture of a document for a media library: isolate `prepare_picture` with limits.LIMITS.

The same bytes and options give the same file, and its name is made of its content: what was uploaded once is found
again by name.
"""

import hashlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import msgspec
from PIL import Image

from jobwire.pictures.decode import DecodedPhoto, PhotoLimits, decode_photo

SIDE_PX_MAX: Final = 2560
"""WordPress itself makes anything larger smaller, and keeps both."""

NAME_CHARS: Final = 32

_WEBP_SIDE_PX: Final = 16_383  # the format has no more
_CONTENT_TYPES: Final[Mapping[str, str]] = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
}
_EXTENSIONS: Final[Mapping[str, str]] = {"jpeg": "jpg"}
# Compressed and not; PNG loses nothing either way.
_SAVING: Final[Mapping[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "webp": ({"quality": 80, "method": 4}, {"quality": 95, "method": 4}),
    "jpeg": ({"quality": 82, "optimize": True, "progressive": True}, {"quality": 95, "optimize": True}),
    "png": ({"optimize": True}, {"optimize": True}),
}


class PictureRequest(msgspec.Struct, frozen=True):
    """One picture: the file `source`, the folder for what comes out (made if missing), and what to do with it.

    `compress` brings the longest side down to SIDE_PX_MAX and the quality to what the web needs; `to_webp` converts.
    """

    source: str
    folder: str
    compress: bool = True
    to_webp: bool = True
    limits: PhotoLimits = PhotoLimits()


class PreparedPicture(msgspec.Struct, frozen=True):
    """The file to upload: `file` is its name in the folder and of use as the marker of its upload (`picture-…`)."""

    file: str
    content_type: str
    sha256: str
    width: int
    height: int
    size_bytes: int

    @property
    def marker(self) -> str:
        """Names the content: the same for the same picture in every document and on every day."""
        return Path(self.file).stem


def prepare_picture(request: PictureRequest) -> PreparedPicture:
    """Write the picture upright, in sRGB and without metadata; an animated one stays as it is.

    Raises JobError (permanent): photo_empty, photo_too_large_bytes, photo_too_many_pixels, photo_type_unsupported,
    photo_truncated, photo_unreadable, photo_too_complex.
    """
    source, folder = Path(request.source), Path(request.folder)
    side_px = SIDE_PX_MAX if request.compress else _WEBP_SIDE_PX
    decoded = decode_photo(source, side_px, limits=request.limits, keep_alpha=True)
    if decoded.animated and decoded.kind in _CONTENT_TYPES:
        kind, body = decoded.kind, source.read_bytes()
        width, height = decoded.width, decoded.height
    else:
        kind = _choose_kind(decoded, to_webp=request.to_webp)
        body = _encode(decoded.pixels, kind, compress=request.compress)
        width, height = decoded.pixels.size
    sha256 = hashlib.sha256(body).hexdigest()
    file = f"picture-{sha256[:NAME_CHARS]}.{_EXTENSIONS.get(kind, kind)}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(body)
    return PreparedPicture(file, _CONTENT_TYPES[kind], sha256, width, height, len(body))


def _choose_kind(decoded: DecodedPhoto, *, to_webp: bool) -> str:
    if to_webp or decoded.kind == "webp":
        return "webp"
    return "png" if decoded.kind in ("png", "gif") or decoded.pixels.mode == "RGBA" else "jpeg"


def _encode(pixels: Image.Image, kind: str, *, compress: bool) -> bytes:
    encoded = BytesIO()
    small, large = _SAVING[kind]
    pixels.save(encoded, format=kind.upper(), **(small if compress else large))
    return encoded.getvalue()
