"""image-converter: one picture in another format, within the limits that photos have everywhere here."""

import base64
import binascii
import io
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from PIL import Image

from jobwire.domain.errors import JobError
from jobwire.pictures.decode import PhotoLimits, decode_photo
from jobwire.systems.apidatatools.tools.contract import Option, Options, Sink, Source, Tool, ToolError, ToolResult

LIMITS: Final = PhotoLimits()

_FORMATS: Final = ("jpg", "jpeg", "png", "gif", "webp", "base64")
CONTENT_TYPES: Final = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
}
_NOT_TAKEN: Final = "the file is no JPEG, PNG, GIF or WebP; send one of these"
_CODES: Final[Mapping[str, str]] = {"photo_too_large_bytes": "PAYLOAD_TOO_LARGE", "photo_empty": "EMPTY_BODY"}
_SAVED: Final[Mapping[str, dict[str, Any]]] = {
    "image/jpeg": {"format": "JPEG", "quality": 90, "optimize": True},
    "image/png": {"format": "PNG"},
    "image/gif": {"format": "GIF"},
    "image/webp": {"format": "WEBP", "quality": 90},
}


def convert_image(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the picture upright and without metadata; of an animated one the first frame. ToolError INVALID_IMAGE."""
    said, wanted = str(options["x-source-format"]), str(options["x-destination-format"])
    with TemporaryDirectory(dir=sink.path.parent) as folder:
        path = _unpack(source, Path(folder) / "picture") if said == "base64" else source.path
        picture, found = _decode(path, keep_alpha=CONTENT_TYPES.get(wanted) != "image/jpeg")
        if said != "base64" and CONTENT_TYPES[said] != found:
            raise ToolError("INVALID_IMAGE", f"x-source-format is {said!r}, but the file is {found}; say what it is")
        if wanted == "base64":
            sink.write_text(base64.b64encode(path.read_bytes()).decode())
            return ToolResult()
    saved = io.BytesIO()
    try:
        picture.save(saved, **_SAVED[CONTENT_TYPES[wanted]])
    except (ValueError, OSError) as error:
        raise ToolError("INVALID_IMAGE", f"the picture does not fit into {wanted}; make it smaller") from error
    with sink.open_bytes() as out:
        out.write(saved.getbuffer())
    return ToolResult()


def _unpack(source: Source, target: Path) -> Path:
    """The picture that a source has as base64."""
    if source.size_bytes > LIMITS.bytes_max * 4 // 3 + 200:
        limit = f"the picture has more than {LIMITS.bytes_max:,} bytes; send it smaller"
        raise ToolError("PAYLOAD_TOO_LARGE", limit)
    text = source.path.read_bytes()
    if text.startswith(b"data:"):
        text = text.partition(b",")[2]
    try:
        target.write_bytes(base64.b64decode(b"".join(text.split()), validate=True))
    except binascii.Error as error:
        raise ToolError("INVALID_IMAGE", "the text is no base64; send it in one piece") from error
    return target


def _decode(path: Path, *, keep_alpha: bool) -> tuple[Image.Image, str]:
    """The pixels of a picture at its full size, and its media type."""
    try:
        decoded = decode_photo(path, LIMITS.side_px_max, limits=LIMITS, keep_alpha=keep_alpha)
    except JobError as error:
        message = _NOT_TAKEN if error.code == "photo_type_unsupported" else error.message
        raise ToolError(_CODES.get(error.code, "INVALID_IMAGE"), message) from error
    found = f"image/{decoded.kind}"
    if found not in _SAVED:
        raise ToolError("INVALID_IMAGE", _NOT_TAKEN)
    return decoded.pixels, found


def _choose_output(options: Options) -> tuple[str, str]:
    wanted = str(options["x-destination-format"])
    return ("txt", "text/plain") if wanted == "base64" else (wanted, CONTENT_TYPES[wanted])


TOOLS: Final = (
    Tool(
        "image-converter",
        ("jpg", "jpeg", "png", "gif", "webp", "txt"),
        "png",
        "image/png",
        convert_image,
        (
            Option("x-source-format", "choice", choices=_FORMATS, required=True),
            Option("x-destination-format", "choice", choices=_FORMATS, required=True),
        ),
        ("INVALID_IMAGE",),
        choose_output=_choose_output,
    ),
)
