"""Prepares one photo of a listing for the web: variants, clean original, figures; `pictures/` does the reading.

Pure and synchronous: file in, files and report out. Meant for a child process held to LIMITS, with
OPENBLAS_NUM_THREADS=1 in its environment; request and report travel as JSON.
"""

import hashlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from PIL import Image

from jobwire.pictures.decode import SUPPORTED_TYPES, PhotoLimits, decode_photo
from jobwire.systems.rentix.photo_quality import QUALITY_SIDE_PX, find_duplicates, find_warnings, judge_photo

__all__ = [
    "LIMITS",
    "SUPPORTED_TYPES",
    "ChildLimits",
    "PhotoFile",
    "PhotoLimits",
    "PhotoReport",
    "PhotoRequest",
    "find_duplicates",
    "optimise_photo",
]

ORIGINAL_SIDE_PX_MAX: Final = 2560
VARIANT_SIDES_PX: Final = (1024, 512, 128)
"""Largest first: each variant is made from the one before it."""

CHILD_MEMORY_BYTES_MAX: Final = 1536 * 1024 * 1024
"""Address space. Measured peaks: 124 MB after the imports, 192 MB for a 24 MP JPEG, 475 MB for a progressive one
of 50 MP, 983 MB for the dearest, a WebP of 50 MP with transparency. Every BLAS thread would add 40 MB."""

CHILD_CPU_S_MAX: Final = 30
"""0.35 s for a 24 MP JPEG, 2.0 s for that WebP; the rest is for slow machines and ends a JPEG of endless scans."""

CHILD_WALL_MS_MAX: Final = 60_000
"""Twice the processor time: a machine with nothing else to do never gets there."""


class ChildLimits(msgspec.Struct, frozen=True):
    """What the child process that decodes one photo should be held to: RLIMIT_AS, RLIMIT_CPU and a wall clock."""

    memory_bytes_max: int = CHILD_MEMORY_BYTES_MAX
    cpu_s_max: int = CHILD_CPU_S_MAX
    wall_ms_max: int = CHILD_WALL_MS_MAX


LIMITS: Final = ChildLimits()


class PhotoRequest(msgspec.Struct, frozen=True):
    """One photo to prepare: the file `source`, the directory `out_dir` (made if missing) for what comes out."""

    source: str
    out_dir: str
    limits: PhotoLimits = PhotoLimits()


class PhotoFile(msgspec.Struct, frozen=True):
    """One written file: `file` is its name in out_dir, made of the SHA-256 of its bytes."""

    variant: str
    file: str
    sha256: str
    width: int
    height: int
    size_bytes: int
    content_type: str


class PhotoReport(msgspec.Struct, frozen=True):
    """What came out: `width`, `height`, `format`, `size_bytes` describe the source, upright.

    `exif_gps` (latitude, longitude) is private: to compare with the listing's point, never to be published.
    """

    width: int
    height: int
    format: str
    size_bytes: int
    variants: list[PhotoFile]
    original: PhotoFile
    blurhash: str
    sharpness: float
    brightness: float
    contrast: float
    phash: str
    warnings: list[str]
    exif_gps: tuple[float, float] | None
    orientation_applied: bool


class _Encoding(NamedTuple):
    extension: str
    content_type: str
    options: Mapping[str, Any]


_JPEG: Final = _Encoding(
    "jpg", "image/jpeg", {"format": "JPEG", "quality": 82, "optimize": True, "progressive": True}
)
_WEBP: Final = _Encoding("webp", "image/webp", {"format": "WEBP", "quality": 80, "method": 4})


def optimise_photo(request: PhotoRequest) -> PhotoReport:
    """Write the variants and the clean original of one photo, none enlarged, none with any metadata.

    The same bytes in give the same file names out, so a repeated call only overwrites its own files. Raises
    JobError (permanent) photo_empty, photo_too_large_bytes, photo_too_many_pixels, photo_type_unsupported,
    photo_truncated, photo_unreadable or photo_too_complex; OSError when `source` or `out_dir` cannot be used.
    """
    out_dir = Path(request.out_dir)
    photo = decode_photo(Path(request.source), ORIGINAL_SIDE_PX_MAX, limits=request.limits)
    out_dir.mkdir(parents=True, exist_ok=True)
    original = _write(photo.pixels, "original", out_dir=out_dir, encoding=_JPEG)
    scaled = _scale_down(photo.pixels)
    quality = judge_photo(scaled[QUALITY_SIDE_PX])
    return PhotoReport(
        width=photo.width,
        height=photo.height,
        format=photo.kind,
        size_bytes=photo.size_bytes,
        variants=[
            _write(pixels, str(side_px), out_dir=out_dir, encoding=_WEBP)
            for side_px, pixels in sorted(scaled.items())
        ],
        original=original,
        blurhash=quality.blurhash,
        sharpness=quality.sharpness,
        brightness=quality.brightness,
        contrast=quality.contrast,
        phash=quality.phash,
        warnings=find_warnings(photo, quality),
        exif_gps=photo.gps,
        orientation_applied=photo.orientation_applied,
    )


def _scale_down(pixels: Image.Image) -> dict[int, Image.Image]:
    scaled: dict[int, Image.Image] = {}
    for side_px in VARIANT_SIDES_PX:
        pixels = pixels.copy()
        pixels.thumbnail((side_px, side_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
        scaled[side_px] = pixels
    return scaled


def _write(pixels: Image.Image, variant: str, *, out_dir: Path, encoding: _Encoding) -> PhotoFile:
    encoded = BytesIO()
    pixels.save(encoded, **encoding.options)
    body = encoded.getvalue()
    sha256 = hashlib.sha256(body).hexdigest()
    name = f"{sha256}.{encoding.extension}"
    (out_dir / name).write_bytes(body)
    return PhotoFile(
        variant=variant,
        file=name,
        sha256=sha256,
        width=pixels.width,
        height=pixels.height,
        size_bytes=len(body),
        content_type=encoding.content_type,
    )
