"""What comes out of a good photo, on real photographs and on every supported type."""

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from photo_samples import DEMO_DIR, SAVE_FORMATS, Optimise, demo, encode, read_output, two_frames
from PIL import Image, ImageOps

from jobwire.systems.rentix.photos import PhotoReport, PhotoRequest

DEMO_NAMES = sorted(path.name for path in DEMO_DIR.glob("*.jpg"))
METADATA_MARKS = (
    b"Exif",
    b"GPS",
    b"http://ns.adobe.com",
    b"xpacket",
    b"<x:xmpmeta",
    b"ICC_PROFILE",
    b"ICCP",
    b"Photoshop",
)


def written(report: PhotoReport) -> list[str]:
    return [file.file for file in [*report.variants, report.original]]


@pytest.mark.slow
@pytest.mark.parametrize("name", DEMO_NAMES)
def test_every_output_of_a_real_photo_is_named_by_its_bytes_and_described_truly(
    name: str, optimise: Optimise, out_dir: Path
) -> None:
    report = optimise(demo(name))
    assert [file.variant for file in report.variants] == ["128", "512", "1024"]
    for file in [*report.variants, report.original]:
        body = (out_dir / file.file).read_bytes()
        assert file.sha256 == hashlib.sha256(body).hexdigest() == file.file.split(".")[0]
        assert file.size_bytes == len(body)
        image = read_output(out_dir, file.file)
        assert image.size == (file.width, file.height)
        assert image.mode == "RGB"
        assert f"image/{str(image.format).lower()}" == file.content_type
    assert report.original.content_type == "image/jpeg"
    assert {file.content_type for file in report.variants} == {"image/webp"}
    assert read_output(out_dir, report.original.file).info["progressive"]


@pytest.mark.slow
@pytest.mark.parametrize("name", DEMO_NAMES)
def test_outputs_fill_their_longest_side_keep_the_ratio_and_are_never_enlarged(name: str, optimise: Optimise) -> None:
    report = optimise(demo(name))
    longest = max(report.width, report.height)
    for file in report.variants:
        assert max(file.width, file.height) == min(int(file.variant), longest)
    assert max(report.original.width, report.original.height) == min(2560, longest)
    for file in [*report.variants, report.original]:
        expected_height = file.width * report.height / report.width
        assert abs(file.height - expected_height) <= 1 + report.height / report.width


@pytest.mark.slow
@pytest.mark.parametrize("name", DEMO_NAMES)
def test_no_output_of_a_real_photo_holds_any_metadata(name: str, optimise: Optimise, out_dir: Path) -> None:
    for file in written(optimise(demo(name))):
        body = (out_dir / file).read_bytes()
        assert not [mark for mark in METADATA_MARKS if mark in body]
        image = read_output(out_dir, file)
        assert not dict(image.getexif())
        assert not {"exif", "xmp", "icc_profile", "comment"} & set(image.info)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "avif"])
def test_exif_gps_xmp_and_comments_are_dropped_from_every_type_that_can_carry_them(
    kind: str, scene: Image.Image, optimise: Optimise, out_dir: Path
) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 1.0, 30.0), 3: "E", 4: (28.0, 51.0, 36.0)})
    options = {"exif": exif, "xmp": b"<x:xmpmeta>SecretOwner</x:xmpmeta>"}
    source = encode(scene, kind, **options, **({"comment": b"SecretNote <?php"} if kind == "jpeg" else {}))
    assert b"SecretCamera" in source
    report = optimise(source)
    assert report.exif_gps == (47.025, 28.86)
    for file in written(report):
        body = (out_dir / file).read_bytes()
        assert not [mark for mark in (*METADATA_MARKS, b"Secret", b"<?php") if mark in body]


@pytest.mark.slow
def test_gps_of_a_real_photo_is_told_privately(optimise: Optimise) -> None:
    assert optimise(demo("harbour-gps.jpg")).exif_gps == (55.038756, 8.457191)
    assert optimise(demo("balcony.jpg")).exif_gps is None


def test_a_real_turned_photo_comes_out_upright_with_width_and_height_swapped(
    optimise: Optimise, out_dir: Path
) -> None:
    with Image.open(demo("waterfall-turned.jpg")) as stored:
        assert stored.size == (450, 600)
        upright = ImageOps.exif_transpose(stored).convert("L").resize((60, 45))
    report = optimise(demo("waterfall-turned.jpg"))
    assert (report.width, report.height, report.orientation_applied) == (600, 450, True)
    assert (report.original.width, report.original.height) == (600, 450)
    shown = read_output(out_dir, report.original.file).convert("L").resize((60, 45))
    correlation = np.corrcoef(np.asarray(upright).ravel(), np.asarray(shown).ravel())[0, 1]
    assert correlation > 0.97


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_of_the_eight_orientations_puts_the_red_corner_top_left(
    orientation: int, optimise: Optimise, out_dir: Path
) -> None:
    upright = Image.new("RGB", (96, 64), "white")
    upright.paste("red", (0, 0, 48, 32))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    report = optimise(encode(stored, "jpeg", exif=exif, quality=95))
    assert (report.width, report.height) == (96, 64)
    assert report.orientation_applied is (orientation > 1)
    shown = read_output(out_dir, report.original.file)
    assert shown.getpixel((10, 10))[1] < 40  # type: ignore[index]
    assert all(shown.getpixel(corner)[1] > 215 for corner in ((90, 5), (5, 60), (90, 60)))  # type: ignore[index]


def test_colours_of_a_photo_with_its_own_profile_are_converted_to_srgb(optimise: Optimise, out_dir: Path) -> None:
    source = demo("waterfall-turned.jpg")
    with Image.open(source) as stored:
        unconverted = np.asarray(stored.convert("L")).mean()
    shown = np.asarray(read_output(out_dir, optimise(source).original.file).convert("L")).mean()
    assert shown > unconverted + 8  # the profile's gamma is 1.8: read as sRGB the picture is too dark


@pytest.mark.parametrize("kind", SAVE_FORMATS)
def test_each_supported_type_is_told_by_content_whatever_the_file_is_called(
    kind: str, scene: Image.Image, optimise: Optimise
) -> None:
    source = encode(scene, kind)
    report = optimise(source)
    assert (report.format, report.width, report.height, report.size_bytes) == (kind, 320, 213, len(source))
    assert abs(report.brightness - optimise(encode(scene, "png")).brightness) < 3


@pytest.mark.parametrize("kind", ["png", "webp", "avif", "gif"])
def test_an_animation_gives_its_first_frame_and_a_warning(kind: str, optimise: Optimise, out_dir: Path) -> None:
    report = optimise(two_frames(kind))
    assert "animated" in report.warnings
    red, _, blue = read_output(out_dir, report.original.file).getpixel((30, 20))  # type: ignore[misc]
    assert red > 200
    assert blue < 60


def test_a_multi_picture_phone_file_is_a_jpeg_and_gives_its_first_picture(optimise: Optimise, out_dir: Path) -> None:
    report = optimise(two_frames("MPO"))
    assert (report.format, "animated" in report.warnings) == ("jpeg", False)
    assert read_output(out_dir, report.original.file).getpixel((30, 20))[0] > 200  # type: ignore[index]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_become_white(mode: str, optimise: Optimise, out_dir: Path) -> None:
    picture = Image.new("RGBA", (80, 60), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 40, 60))
    shown = read_output(out_dir, optimise(encode(picture.convert(mode), "png")).original.file)
    assert max(shown.getpixel((10, 30))) < 30  # type: ignore[type-var,arg-type]
    assert min(shown.getpixel((70, 30))) > 225  # type: ignore[type-var,arg-type]


def test_a_cmyk_jpeg_keeps_its_light(scene: Image.Image, optimise: Optimise) -> None:
    cmyk = optimise(encode(scene.convert("CMYK"), "jpeg", quality=95))
    assert abs(cmyk.brightness - optimise(encode(scene, "png")).brightness) < 3


def test_a_16_bit_png_is_scaled_and_not_clipped_to_white(optimise: Optimise, out_dir: Path) -> None:
    ramp = np.tile(np.linspace(0, 65535, 256, dtype=np.uint16), (64, 1))
    shown = read_output(out_dir, optimise(encode(Image.fromarray(ramp), "png")).original.file)
    assert np.abs(np.asarray(shown.convert("L")).mean(axis=0) - np.arange(256)).max() < 6


@pytest.mark.parametrize("mode", ["1", "L"])
def test_a_grey_or_black_and_white_picture_comes_out_as_rgb(
    mode: str, scene: Image.Image, optimise: Optimise, out_dir: Path
) -> None:
    report = optimise(encode(scene.convert(mode), "png"))
    assert read_output(out_dir, report.original.file).mode == "RGB"


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (5000, 1), (1, 5000), (3, 2)])
@pytest.mark.parametrize("kind", SAVE_FORMATS)
def test_a_tiny_or_needle_thin_picture_is_prepared_like_any_other(
    kind: str, size: tuple[int, int], optimise: Optimise
) -> None:
    report = optimise(encode(Image.new("RGB", size, "teal"), kind))
    assert (report.width, report.height) == size
    assert min(min(file.width, file.height) for file in report.variants) >= 1


def test_the_same_photo_prepared_twice_gives_the_same_files(optimise: Optimise, tmp_path: Path) -> None:
    first = optimise(demo("pavilion.jpg"), out=tmp_path)
    assert optimise(demo("pavilion.jpg"), out=tmp_path) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(set(written(first)))


def test_request_and_report_survive_json(optimise: Optimise) -> None:
    report = optimise(demo("harbour-gps.jpg"))
    assert msgspec.json.decode(msgspec.json.encode(report), type=PhotoReport) == report
    request = PhotoRequest("in.jpg", "out")
    assert msgspec.json.decode(msgspec.json.encode(request), type=PhotoRequest) == request
