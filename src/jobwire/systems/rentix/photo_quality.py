"""Judges a decoded photo: blurhash, sharpness, light, perceptual hash, and which photos are the same picture."""

from collections.abc import Sequence
from typing import Final

import blurhash
import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobwire.pictures.decode import DecodedPhoto

QUALITY_SIDE_PX: Final = 512
"""Sharpness depends on scale, so it is always measured at this longest side (or the photo's own, if smaller)."""

BLURRY_BELOW: Final = 30.0
"""Measured on 47 real photographs at 512 px: the softest sharp one gave 45 (rooms 230 and more), the same ones
blurred by a Gaussian of 2 px at most 17, a phone picture out of focus 16."""

TOO_DARK_BELOW: Final = 40.0
"""A city by night is 63 and a room by lamplight 107; below 40 are pictures that are mostly black."""

TOO_BRIGHT_ABOVE: Final = 225.0
"""The brightest of the same photographs, a white wall, is 209."""

LOW_CONTRAST_BELOW: Final = 10.0
"""The flattest, the same white wall, is 11.9."""

LOW_RESOLUTION_BELOW_PX: Final = 1024
"""Longest side below which the largest variant cannot be filled."""

DUPLICATE_DISTANCE_MAX: Final = 6
"""Bits of 64: 0 to 2 after recompression and resizing, 18 and more between different photographs."""

_BLURHASH_SIDE_PX: Final = 32
_DCT_SIDE: Final = 32
_DCT_KEPT: Final = 8
_HASH_DIGITS: Final = 16


def _dct_rows(side: int, kept: int) -> NDArray[np.float64]:
    frequency = np.arange(kept)[:, np.newaxis]
    return np.cos(np.pi * frequency * (2 * np.arange(side) + 1) / (2 * side))


_DCT: Final = _dct_rows(_DCT_SIDE, _DCT_KEPT)


class PhotoQuality(msgspec.Struct, frozen=True):
    """Figures of one photo: brightness and contrast on a scale of 0 to 255, `phash` as 16 hex digits."""

    blurhash: str
    sharpness: float
    brightness: float
    contrast: float
    phash: str


def judge_photo(pixels: Image.Image) -> PhotoQuality:
    """Measure RGB `pixels` whose longest side is at most QUALITY_SIDE_PX; equal pixels give equal figures."""
    grey = pixels.convert("L")
    luma = np.asarray(grey, dtype=np.float64)
    return PhotoQuality(
        blurhash=_blurhash(pixels),
        sharpness=round(laplacian_variance(luma), 1),
        brightness=round(float(luma.mean()), 1),
        contrast=round(float(luma.std()), 1),
        phash=_perceptual_hash(grey),
    )


def find_warnings(photo: DecodedPhoto, quality: PhotoQuality) -> list[str]:
    """Name what a customer should know about a photo that was accepted all the same, in a fixed order."""
    checks = {
        "low_resolution": max(photo.width, photo.height) < LOW_RESOLUTION_BELOW_PX,
        "too_dark": quality.brightness < TOO_DARK_BELOW,
        "too_bright": quality.brightness > TOO_BRIGHT_ABOVE,
        "low_contrast": quality.contrast < LOW_CONTRAST_BELOW,
        "blurry": quality.sharpness < BLURRY_BELOW,
        "animated": photo.animated,
        "damaged": photo.damaged,
    }
    return [name for name, found in checks.items() if found]


def find_duplicates(hashes: Sequence[str], *, distance_max: int = DUPLICATE_DISTANCE_MAX) -> list[tuple[int, int]]:
    """Return every pair of positions (i, j), i < j, whose hashes differ in at most `distance_max` of 64 bits.

    Quadratic in the number of photos, which is that of one listing. Raises ValueError for a hash that is not
    16 hex digits.
    """
    codes = np.array([_parse_hash(text) for text in hashes], dtype=np.uint64)
    pairs: list[tuple[int, int]] = []
    for i, code in enumerate(codes):
        distances = np.bitwise_count(codes[i + 1 :] ^ code)
        pairs.extend((i, i + 1 + int(j)) for j in np.flatnonzero(distances <= distance_max))
    return pairs


def laplacian_variance(luma: NDArray[np.float64]) -> float:
    """Return the variance of the 4-neighbour Laplacian, 0 for a picture too small to have an inside."""
    if min(luma.shape) < 3:
        return 0.0
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return float((around - 4 * luma[1:-1, 1:-1]).var())


def _blurhash(pixels: Image.Image) -> str:
    small = pixels.copy()
    small.thumbnail((_BLURHASH_SIDE_PX, _BLURHASH_SIDE_PX))
    return str(blurhash.encode(np.asarray(small).tolist(), components_x=4, components_y=3))


def _perceptual_hash(grey: Image.Image) -> str:
    square = np.asarray(grey.resize((_DCT_SIDE, _DCT_SIDE), Image.Resampling.LANCZOS), dtype=np.float64)
    waves = (_DCT @ square @ _DCT.T).round(3)  # rounded: a flat picture must not hash the noise of the sums
    bits = (waves > np.median(waves)).ravel()
    return np.packbits(bits).tobytes().hex()


def _parse_hash(text: str) -> int:
    try:
        code = bytes.fromhex(text)
    except ValueError:
        code = b""
    if len(text) != _HASH_DIGITS or len(code) * 2 != _HASH_DIGITS:
        raise ValueError(f"a perceptual hash has {_HASH_DIGITS} hex digits, got {text!r}")
    return int.from_bytes(code, "big")
