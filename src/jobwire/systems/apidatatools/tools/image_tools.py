"""image-converter: one picture in another format, within the limits that photos have everywhere here."""

import base64
import binascii
import io
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

from PIL import Image, ImageOps
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from jobwire.systems.apidatatools.tools.contract import Option, Options, Sink, Source, Tool, ToolError, ToolResult

IMAGE_BYTES_MAX: Final = 25 << 20
PIXELS_MAX: Final = 50_000_000
SIDE_PX_MAX: Final = 20_000

_FORMATS: Final = ("jpg", "jpeg", "png", "gif", "webp", "base64")
_TYPES: Final = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
}
# Built directly: no other decoder of Pillow can be reached.
_DECODERS: Final[Mapping[str, Callable[[io.BytesIO], Any]]] = {
    "image/jpeg": JpegImageFile,
    "image/png": PngImageFile,
    "image/gif": GifImageFile,
    "image/webp": WebPImageFile,
}
_SAVED: Final[Mapping[str, dict[str, Any]]] = {
    "image/jpeg": {"format": "JPEG", "quality": 90, "optimize": True},
    "image/png": {"format": "PNG"},
    "image/gif": {"format": "GIF"},
    "image/webp": {"format": "WEBP", "quality": 90},
}


def convert_image(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the picture upright and without metadata; of an animated one the first frame. ToolError INVALID_IMAGE."""
    said, wanted = str(options["x-source-format"]), str(options["x-destination-format"])
    data = _read(source, said)
    found = detect_type(data)
    if found is None:
        raise ToolError("INVALID_IMAGE", "the file is no JPEG, PNG, GIF or WebP")
    if said != "base64" and _TYPES[said] != found:
        raise ToolError("INVALID_IMAGE", f"x-source-format is {said!r}, but the file is {found}; say what it is")
    picture = _decode(data, found)
    if wanted == "base64":
        sink.write_text(base64.b64encode(data).decode())
        return ToolResult()
    flat = _flatten(picture) if _TYPES[wanted] == "image/jpeg" else picture
    saved = io.BytesIO()
    try:
        flat.save(saved, **_SAVED[_TYPES[wanted]])
    except (ValueError, OSError) as error:
        raise ToolError("INVALID_IMAGE", f"the picture does not fit into {wanted}; make it smaller") from error
    with sink.open_bytes() as out:
        out.write(saved.getbuffer())
    return ToolResult()


def _read(source: Source, said: str) -> bytes:
    limit = IMAGE_BYTES_MAX * 4 // 3 + 200 if said == "base64" else IMAGE_BYTES_MAX
    if source.size_bytes > limit:
        raise ToolError("PAYLOAD_TOO_LARGE", f"the picture has more than {IMAGE_BYTES_MAX:,} bytes; send it smaller")
    data = source.path.read_bytes()
    if not data:
        raise ToolError("EMPTY_BODY", "the input is empty; send a picture")
    if said != "base64":
        return data
    if data.startswith(b"data:"):
        data = data.partition(b",")[2]
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error as error:
        raise ToolError("INVALID_IMAGE", "the text is no base64; send it in one piece") from error


def detect_type(data: bytes) -> str | None:
    """The media type by the first bytes."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def _decode(data: bytes, kind: str) -> Image.Image:
    before = Image.MAX_IMAGE_PIXELS
    # Pillow refuses at twice this; its own check comes before WebP allocates its canvas.
    Image.MAX_IMAGE_PIXELS = (PIXELS_MAX + 1) // 2
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = _DECODERS[kind](io.BytesIO(data))
            width, height = image.size
            if width * height > PIXELS_MAX or max(width, height) > SIDE_PX_MAX:
                raise ToolError(
                    "INVALID_IMAGE",
                    f"the picture is {width} x {height} px; it may have {PIXELS_MAX:,} pixels and sides of "
                    f"{SIDE_PX_MAX:,} px",
                )
            image.load()
            upright = ImageOps.exif_transpose(image)
    except ToolError:
        raise
    except Image.DecompressionBombError as error:
        raise ToolError("INVALID_IMAGE", f"the picture claims more than {PIXELS_MAX:,} pixels") from error
    except Exception as error:  # a decoder may raise anything at all on hostile bytes
        raise ToolError("INVALID_IMAGE", "the picture is damaged and cannot be decoded; export it again") from error
    finally:
        Image.MAX_IMAGE_PIXELS = before
    plain = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    plain.info = {}
    return plain


def _flatten(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture
    flat = Image.new("RGB", picture.size, "white")
    flat.paste(picture, mask=picture.getchannel("A"))
    return flat


def _choose_output(options: Options) -> tuple[str, str]:
    wanted = str(options["x-destination-format"])
    return ("txt", "text/plain") if wanted == "base64" else (wanted, _TYPES[wanted])


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
        is_binary=True,
    ),
)
