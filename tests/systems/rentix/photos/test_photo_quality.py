"""Figures, warnings, duplicates and the GPS reading, on real photographs and by rule."""

from itertools import combinations

import blurhash
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_samples import DEMO_DIR, Optimise, demo, encode
from PIL import Image, ImageEnhance, ImageFilter
from PIL.TiffImagePlugin import IFDRational

from jobwire.pictures.decode import gps_point
from jobwire.systems.rentix.photo_quality import DUPLICATE_DISTANCE_MAX, TOO_DARK_BELOW
from jobwire.systems.rentix.photos import find_duplicates

DEMO_PATHS = sorted(DEMO_DIR.glob("*.jpg"))


def opened(name: str) -> Image.Image:
    with Image.open(demo(name)) as image:
        return image.convert("RGB")


@pytest.mark.slow
@pytest.mark.parametrize("path", DEMO_PATHS, ids=lambda path: path.name)
def test_a_decent_real_photo_gets_no_warning_but_for_its_size(path: object, optimise: Optimise) -> None:
    report = optimise(path)
    assert report.warnings == (["low_resolution"] if max(report.width, report.height) < 1024 else [])


@pytest.mark.slow
def test_a_photo_recompressed_resized_and_converted_is_a_duplicate_and_others_are_not(optimise: Optimise) -> None:
    hashes = [optimise(path).phash for path in DEMO_PATHS]
    assert find_duplicates(hashes) == []
    small = opened("living-room.jpg")
    small.thumbnail((700, 700))
    copies = [optimise(encode(small, "jpeg", quality=40)).phash, optimise(encode(small, "webp", quality=60)).phash]
    original = [path.name for path in DEMO_PATHS].index("living-room.jpg")
    assert find_duplicates([*hashes, *copies]) == [(original, 5), (original, 6), (5, 6)]


def test_a_turned_photo_and_its_upright_copy_are_duplicates(optimise: Optimise) -> None:
    stored = opened("waterfall-turned.jpg")
    upright = encode(stored.transpose(Image.Transpose.ROTATE_270), "png")
    assert find_duplicates([optimise(demo("waterfall-turned.jpg")).phash, optimise(upright).phash]) == [(0, 1)]


@given(codes=st.lists(st.integers(0, 2**64 - 1), max_size=12), distance=st.integers(0, 64), near=st.integers(0, 63))
def test_duplicates_are_exactly_the_pairs_within_the_distance(codes: list[int], distance: int, near: int) -> None:
    codes = [*codes, *(code ^ (1 << near) for code in codes[:2])]
    expected = [
        (i, j) for i, j in combinations(range(len(codes)), 2) if (codes[i] ^ codes[j]).bit_count() <= distance
    ]
    assert find_duplicates([f"{code:016x}" for code in codes], distance_max=distance) == expected


@pytest.mark.parametrize(("bits", "found"), [(DUPLICATE_DISTANCE_MAX, [(0, 1)]), (DUPLICATE_DISTANCE_MAX + 1, [])])
def test_the_same_picture_differs_in_six_bits_at_most(bits: int, found: list[tuple[int, int]]) -> None:
    assert find_duplicates(["0" * 16, f"{2**bits - 1:016x}"]) == found


@pytest.mark.parametrize("text", ["", "12", "0" * 17, "g" * 16, "00 00 00 00 00 0", "0" * 15 + " "])
def test_a_hash_that_is_not_16_hex_digits_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="16 hex digits"):
        find_duplicates(["0" * 16, text])


def test_a_blurred_photo_is_called_blurry_and_the_sharp_one_is_not(optimise: Optimise) -> None:
    sharp = opened("pavilion.jpg")
    blurred = sharp.filter(ImageFilter.GaussianBlur(3))
    assert "blurry" not in optimise(encode(sharp, "png")).warnings
    assert "blurry" in optimise(encode(blurred, "png")).warnings


def test_a_photo_darkened_below_the_threshold_is_called_too_dark(optimise: Optimise) -> None:
    light = opened("pavilion.jpg")
    report = optimise(encode(ImageEnhance.Brightness(light).enhance(0.2), "png"))
    assert report.brightness < TOO_DARK_BELOW
    assert "too_dark" in report.warnings


def test_an_overexposed_flat_picture_is_called_too_bright_blurry_and_without_contrast(optimise: Optimise) -> None:
    report = optimise(encode(Image.new("RGB", (1200, 900), (240, 240, 240)), "png"))
    assert report.warnings == ["too_bright", "low_contrast", "blurry"]
    assert (report.brightness, report.contrast, report.sharpness) == (240.0, 0.0, 0.0)


def test_resolution_is_low_below_1024_px_on_the_longest_side(optimise: Optimise) -> None:
    for width, low in ((1023, True), (1024, False)):
        picture = opened("pavilion.jpg").resize((width, 600))
        assert ("low_resolution" in optimise(encode(picture, "jpeg")).warnings) is low


def test_the_blurhash_is_4_by_3_and_shows_the_main_colour(optimise: Optimise) -> None:
    text = optimise(encode(Image.new("RGB", (300, 200), (200, 40, 40)), "png")).blurhash
    assert blurhash.components(text) == (4, 3)
    red, green, blue = blurhash.decode(text, 4, 4)[1][1]
    assert abs(red - 200) < 12
    assert max(green, blue) < 70


LATITUDE, LONGITUDE = (47.0, 1.0, 30.0), (28.0, 51.0, 36.0)


@pytest.mark.parametrize(
    ("tags", "point"),
    [
        ({1: "N", 2: LATITUDE, 3: "E", 4: LONGITUDE}, (47.025, 28.86)),
        ({1: "S", 2: LATITUDE, 3: "W", 4: LONGITUDE}, (-47.025, -28.86)),
        ({1: "n\0", 2: LATITUDE, 3: "e ", 4: LONGITUDE}, (47.025, 28.86)),
        ({1: "N", 2: (90.0, 0.0, 0.0), 3: "E", 4: (180.0, 0.0, 0.0)}, (90.0, 180.0)),
        ({1: "N", 2: (90.0, 0.0, 1.0), 3: "E", 4: LONGITUDE}, None),
        ({1: "N", 2: LATITUDE, 3: "E", 4: (180.0, 0.0, 1.0)}, None),
        ({1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (IFDRational(0, 0), 0.0, 0.0), 3: "E", 4: LONGITUDE}, None),
        ({1: "N", 2: (-47.0, 0.0, 0.0), 3: "E", 4: LONGITUDE}, None),
        ({2: LATITUDE, 4: LONGITUDE}, None),
        ({1: "E", 2: LATITUDE, 3: "N", 4: LONGITUDE}, None),
        ({1: "N", 2: LATITUDE}, None),
        ({1: "N", 2: 47.0, 3: "E", 4: 28.0}, None),
        ({1: b"N", 2: LATITUDE, 3: b"E", 4: LONGITUDE}, None),
        ({}, None),
    ],
)
def test_gps_is_read_whole_or_not_at_all(tags: dict[int, object], point: tuple[float, float] | None) -> None:
    assert gps_point(tags) == point
