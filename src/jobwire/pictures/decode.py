"""Turns untrusted picture bytes into upright sRGB pixels or into a JobError; types.py tells what the bytes are."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any, Final

import msgspec
from PIL import AvifImagePlugin, Image, ImageCms, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from jobwire.domain.errors import JobError
from jobwire.pictures.types import detect_type, is_whole

BYTES_MAX: Final = 25 * 1024 * 1024
PIXELS_MAX: Final = 50_000_000
SIDE_PX_MAX: Final = 20_000
"""Longest phone panoramas are about 16,000 px; JPEG itself allows 65,535."""


class PhotoLimits(msgspec.Struct, frozen=True):
    """What one photo may cost before it is decoded: bytes of the file, pixels and longest side of the picture."""

    bytes_max: int = BYTES_MAX
    pixels_max: int = PIXELS_MAX
    side_px_max: int = SIDE_PX_MAX


@dataclass(frozen=True, slots=True)
class DecodedPhoto:
    """Upright 8-bit sRGB `pixels` without any metadata (RGBA if that was asked for); `width` and `height` are of the
    full upright photo.

    `gps` is (latitude, longitude) in degrees: private, never to be published.
    """

    pixels: Image.Image
    kind: str
    size_bytes: int
    width: int
    height: int
    orientation_applied: bool
    animated: bool
    damaged: bool
    gps: tuple[float, float] | None


# One decoder per type, built directly and not through Image.open(): no other decoder of Pillow can be reached,
# and "jpeg" stays the first picture of a multi-picture phone file. TIFF, BMP, PSD and the like are left out on
# purpose: no phone sends them, and their decoders are the ones with the longest list of past holes.
_DECODERS: Final[Mapping[str, Callable[[BytesIO], ImageFile.ImageFile]]] = {
    "jpeg": JpegImageFile,
    "png": PngImageFile,
    "webp": WebPImageFile,
    "avif": AvifImageFile,
    "gif": GifImageFile,
}
SUPPORTED_TYPES: Final = tuple(_DECODERS)

_SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_WHITE: Final = (255, 255, 255)
_ORIENTATION_TAG: Final = 0x0112
_GPS_TAG: Final = 0x8825
_UPRIGHT: Final[Mapping[int, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_DAMAGE_ROWS: Final = 8


def decode_photo(source: Path, side_px: int, *, limits: PhotoLimits, keep_alpha: bool = False) -> DecodedPhoto:
    """Decode the photo within `limits`, upright, longest side at most `side_px` (never enlarged), no metadata.

    What is transparent is laid on white, or stays with `keep_alpha` (the pixels are then RGBA).

    Raises JobError (never retryable) for anything that is not a whole, supported, affordable photo. One call at
    a time in a process: it narrows Pillow's module-wide limits while it runs and restores them.
    """
    data = _read_bounded(source, limits.bytes_max)
    kind = _require_supported(data)
    with _narrow_pillow(limits):
        try:
            return _decode(data, kind, side_px=side_px, limits=limits, keep_alpha=keep_alpha)
        except JobError:
            raise
        except Image.DecompressionBombError as error:
            raise _too_many_pixels(None, limits) from error
        except MemoryError as error:
            raise JobError(
                "photo_too_complex",
                "the photo needs more memory to decode than a photo may use; send it smaller or as a plain JPEG",
                details={"detected": kind},
            ) from error
        except Exception as error:  # a decoder may raise anything at all on hostile bytes
            raise _undecodable(data, kind, error) from error


def _read_bounded(source: Path, bytes_max: int) -> bytes:
    size_bytes = source.stat().st_size
    if size_bytes > bytes_max:
        raise JobError(
            "photo_too_large_bytes",
            f"the photo file has {size_bytes:,} bytes, more than the limit of {bytes_max:,}; send a smaller file",
            details={"bytes": size_bytes, "bytes_max": bytes_max},
        )
    data = source.read_bytes()
    if not data:
        raise JobError("photo_empty", "the photo is empty (0 bytes); upload it again")
    return data


def _require_supported(data: bytes) -> str:
    kind = detect_type(data)
    if kind in _DECODERS:
        return kind
    hint = "; on an iPhone choose Settings > Camera > Formats > Most Compatible" if kind == "heic" else ""
    raise JobError(
        "photo_type_unsupported",
        f"the file is of type {kind!r}, not a supported photo; send one of: {', '.join(SUPPORTED_TYPES)}{hint}",
        details={"detected": kind, "supported": list(SUPPORTED_TYPES)},
    )


@contextmanager
def _narrow_pillow(limits: PhotoLimits) -> Iterator[None]:
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, AvifImagePlugin.DEFAULT_MAX_THREADS
    # Pillow refuses at twice MAX_IMAGE_PIXELS and warns at once it; only the refusal is wanted. It matters for
    # WebP, whose decoder allocates the canvas on opening. One AVIF thread: a stack each counts as memory.
    Image.MAX_IMAGE_PIXELS = (limits.pixels_max + 1) // 2
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, AvifImagePlugin.DEFAULT_MAX_THREADS = before


def _decode(data: bytes, kind: str, *, side_px: int, limits: PhotoLimits, keep_alpha: bool) -> DecodedPhoto:
    image = _DECODERS[kind](BytesIO(data))
    stored = image.size
    _require_affordable(stored, limits)
    profile = image.info.get("icc_profile")
    animated = bool(getattr(image, "is_animated", False))
    target = _fit(stored, side_px)
    # JPEG decodes straight to 1/2, 1/4 or 1/8: 24 MP to 2560 px takes 0.15 s and not 0.29 s, in a quarter of the
    # memory. The exact target is needed: asked for a square, draft() decodes at full size.
    image.draft(None, target)
    image.load()
    # Not before: to look for EXIF a PNG decodes itself, and broken pixels would be taken for broken EXIF.
    orientation, gps = _read_orientation(image), _read_gps(image)
    damaged = kind == "jpeg" and _ends_in_grey(image)
    pixels = _to_srgb(_shrink(image, target), profile, keep_alpha=keep_alpha)
    upright = _UPRIGHT.get(orientation)
    if upright is not None:
        pixels = pixels.transpose(upright)
    pixels.info = {}  # Pillow writes some of it, a JPEG comment for one, into whatever is saved next
    width, height = reversed(stored) if orientation >= 5 else stored
    return DecodedPhoto(
        pixels=pixels,
        kind=kind,
        size_bytes=len(data),
        width=width,
        height=height,
        orientation_applied=upright is not None,
        animated=animated,
        damaged=damaged,
        gps=gps,
    )


def _require_affordable(size: tuple[int, int], limits: PhotoLimits) -> None:
    if size[0] * size[1] > limits.pixels_max:
        raise _too_many_pixels(size, limits)
    if max(size) > limits.side_px_max:
        raise JobError(
            "photo_too_many_pixels",
            f"the photo is {size[0]} x {size[1]} px; its longest side may have {limits.side_px_max:,} px: "
            "send it smaller",
            details={"width": size[0], "height": size[1], "side_px_max": limits.side_px_max},
        )


def _too_many_pixels(size: tuple[int, int] | None, limits: PhotoLimits) -> JobError:
    known = f"is {size[0]} x {size[1]} px, which" if size else "claims a size that"
    return JobError(
        "photo_too_many_pixels",
        f"the photo {known} is more than the limit of {limits.pixels_max:,} pixels; send it smaller",
        details={"pixels_max": limits.pixels_max} | ({"width": size[0], "height": size[1]} if size else {}),
    )


def _undecodable(data: bytes, kind: str, error: Exception) -> JobError:
    if "truncated" in str(error) or not is_whole(data, kind):
        return JobError(
            "photo_truncated",
            f"the {kind} photo is cut short after {len(data):,} bytes; upload it again",
            details={"detected": kind, "bytes": len(data)},
        )
    return JobError(
        "photo_unreadable",
        f"the {kind} photo is damaged and cannot be decoded; export it again and upload the new file",
        details={"detected": kind},
    )


def _fit(size: tuple[int, int], side_px: int) -> tuple[int, int]:
    longest = max(size)
    if longest <= side_px:
        return size
    return max(1, size[0] * side_px // longest), max(1, size[1] * side_px // longest)


def _shrink(image: Image.Image, target: tuple[int, int]) -> Image.Image:
    resizable = _to_resizable(image)
    return resizable if resizable.size == target else resizable.resize(target, reducing_gap=2.0)


def _to_resizable(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # Pillow's own conversion clips: everything above 255 would turn white
        return image.point(lambda level: level * (1 / 256)).convert("L")
    mode = "RGBA" if image.has_transparency_data else {"1": "L", "P": "RGB"}.get(image.mode, image.mode)
    return image if mode == image.mode else image.convert(mode)  # convert() always copies: 200 MB at 50 MP


def _to_srgb(image: Image.Image, profile: bytes | None, *, keep_alpha: bool) -> Image.Image:
    if image.mode == "RGBA" and not keep_alpha:
        flat = Image.new("RGB", image.size, _WHITE)
        flat.paste(image, mask=image.getchannel("A"))
        image = flat
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile:
        try:
            converted = ImageCms.profileToProfile(image, BytesIO(profile), _SRGB, outputMode=mode)
        except (ImageCms.PyCMSError, OSError, ValueError):
            converted = None  # a broken or foreign profile is no reason to lose a good picture
        if converted is not None:
            return converted
    return image.convert(mode)


def _ends_in_grey(image: Image.Image) -> bool:
    # libjpeg fills what is missing with mid-grey and says nothing; a file cut and closed again looks like this
    last_rows = image.crop((0, max(0, image.height - _DAMAGE_ROWS), *image.size))
    colours = last_rows.getcolors(maxcolors=1)
    return colours is not None and colours[0][1] in (128, (128, 128, 128))


def _read_orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except Exception:  # corrupt EXIF must not lose a good picture, and its parser raises anything
        return 1
    return orientation if isinstance(orientation, int) and orientation in _UPRIGHT else 1


def _read_gps(image: Image.Image) -> tuple[float, float] | None:
    try:
        return gps_point(image.getexif().get_ifd(_GPS_TAG))
    except Exception:  # as above
        return None


def gps_point(tags: Mapping[int, Any]) -> tuple[float, float] | None:
    """Return (latitude, longitude) in degrees from an EXIF GPS directory; None unless both are whole and on Earth.

    0, 0 counts as missing: it is what cameras write without a fix.
    """
    latitude = _signed_degrees(tags.get(2), tags.get(1), half_turn=90.0, negative="S", positive="N")
    longitude = _signed_degrees(tags.get(4), tags.get(3), half_turn=180.0, negative="W", positive="E")
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    return latitude, longitude


def _signed_degrees(parts: Any, reference: Any, *, half_turn: float, negative: str, positive: str) -> float | None:
    if not isinstance(parts, tuple) or len(parts) != 3 or not isinstance(reference, str):
        return None
    degrees, minutes, seconds = (float(part) for part in parts)
    total = degrees + minutes / 60 + seconds / 3600
    side = reference.strip("\0 ").upper()
    if not isfinite(total) or not 0 <= total <= half_turn or side not in (negative, positive):
        return None
    return round(-total if side == negative else total, 6)
