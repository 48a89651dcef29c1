"""What is refused, with which code; hostile bytes never raise anything but a permanent JobError."""

import struct
import warnings
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from photo_samples import SAVE_FORMATS, Optimise, demo, encode
from PIL import AvifImagePlugin, Image, ImageFile

from jobwire.domain.errors import JobError
from jobwire.systems.rentix.photos import SUPPORTED_TYPES, PhotoLimits, PhotoReport

BROKEN_EXIF = Path(__file__).parents[3] / "data" / "photos" / "broken-exif.jpg"


def refusal(optimise: Optimise, source: Path | bytes, *, limits: PhotoLimits | None = None) -> JobError:
    with pytest.raises(JobError) as caught:
        optimise(source, limits=limits)
    assert not caught.value.retryable
    assert "/" not in caught.value.message
    return caught.value


def zip_file() -> bytes:
    body = BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("photo.jpg", "x")
    return body.getvalue()


def png(width: int, height: int, pixels: bytes) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("detected", "body"),
    [
        ("php", b"<?php system($_GET['c']); ?>"),
        ("html", b"\n <!DOCTYPE html><html><body>photo</body></html>"),
        ("svg", b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("svg", b"\xef\xbb\xbf<SVG></SVG>"),
        ("zip", zip_file()),
        ("pdf", b"%PDF-1.7\n"),
        ("heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        ("heic", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"),
        ("video", b"\0\0\0\x18ftypisom\0\0\0\0isommp41"),
        ("bmp", encode(Image.new("RGB", (4, 4)), "BMP")),
        ("tiff", encode(Image.new("RGB", (4, 4)), "TIFF")),
        ("jpeg-2000", b"\xff\x4f\xff\x51\x00"),
        ("executable", b"\x7fELF\x02\x01"),
        ("script", b"#!/bin/sh\nrm -rf ."),
        ("text", b"I am not a photo"),
        ("unknown", b"\x00\x01\x02\x03\x04\x05"),
        ("unknown", b"\xff\xd8"),
    ],
)
def test_a_file_that_is_no_photo_is_refused_by_its_content_whatever_its_name(
    detected: str, body: bytes, optimise: Optimise
) -> None:
    error = refusal(optimise, body)
    assert error.code == "photo_type_unsupported"
    assert error.details == {"detected": detected, "supported": list(SUPPORTED_TYPES)}
    assert detected in error.message
    assert all(kind in error.message for kind in SUPPORTED_TYPES)


def test_an_empty_file_is_refused_as_empty(optimise: Optimise) -> None:
    assert refusal(optimise, b"").code == "photo_empty"


def test_a_file_may_have_as_many_bytes_as_the_limit_and_not_one_more(scene: Image.Image, optimise: Optimise) -> None:
    source = encode(scene, "jpeg")
    assert optimise(source, limits=PhotoLimits(bytes_max=len(source))).size_bytes == len(source)
    error = refusal(optimise, source, limits=PhotoLimits(bytes_max=len(source) - 1))
    assert error.code == "photo_too_large_bytes"
    assert error.details == {"bytes": len(source), "bytes_max": len(source) - 1}


@pytest.mark.parametrize("kind", SAVE_FORMATS)
def test_a_picture_may_have_as_many_pixels_as_the_limits_and_not_one_more(kind: str, optimise: Optimise) -> None:
    source = encode(Image.new("RGB", (51, 33), "teal"), kind)
    assert optimise(source, limits=PhotoLimits(pixels_max=51 * 33, side_px_max=51)).width == 51
    for limits in (PhotoLimits(pixels_max=51 * 33 - 1), PhotoLimits(side_px_max=50)):
        assert refusal(optimise, source, limits=limits).code == "photo_too_many_pixels"


def vp8x_canvas(side: int) -> bytes:
    size = (side - 1).to_bytes(3, "little")
    chunk = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + size + size
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def swollen_jpeg() -> bytes:
    body = bytearray(encode(Image.new("RGB", (16, 16)), "jpeg"))
    start_of_frame = body.index(b"\xff\xc0")
    body[start_of_frame + 5 : start_of_frame + 9] = struct.pack(">HH", 65_000, 65_000)
    return bytes(body)


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(png(30_000, 30_000, b"\0" * 1000), id="png"),
        pytest.param(swollen_jpeg(), id="jpeg"),
        pytest.param(vp8x_canvas(16_383), id="webp"),
        pytest.param(
            b"GIF89a" + struct.pack("<HH", 65_000, 65_000) + b"\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;", id="gif"
        ),
    ],
)
def test_a_decompression_bomb_is_refused_from_its_header(bomb: bytes, optimise: Optimise) -> None:
    assert len(bomb) < 1000
    error = refusal(optimise, bomb)
    assert error.code == "photo_too_many_pixels"
    assert "50,000,000" in error.message


def test_a_real_photo_cut_anywhere_is_refused_as_truncated(optimise: Optimise) -> None:
    whole = demo("pavilion.jpg").read_bytes()
    for cut in [*range(1000, len(whole), len(whole) // 12), len(whole) - 2, len(whole) - 1]:
        assert refusal(optimise, whole[:cut]).code == "photo_truncated", cut


@pytest.mark.parametrize("options", [{"progressive": True}, {"progressive": False}])
def test_a_jpeg_cut_at_any_point_never_gives_grey_pixels(
    options: dict[str, bool], scene: Image.Image, optimise: Optimise
) -> None:
    whole = encode(scene, "jpeg", **options)
    for cut in range(100, len(whole), len(whole) // 40):
        assert refusal(optimise, whole[:cut]).code == "photo_truncated", cut


@pytest.mark.parametrize("kind", ["png", "webp", "avif", "gif"])
def test_a_file_of_any_other_type_cut_before_its_last_bytes_is_refused_as_truncated(
    kind: str, scene: Image.Image, optimise: Optimise
) -> None:
    whole = encode(scene, kind)
    for cut in range(100, len(whole) - 100, len(whole) // 20):
        assert refusal(optimise, whole[:cut]).code == "photo_truncated", cut


def test_a_jpeg_that_was_cut_and_closed_again_is_marked_as_damaged(scene: Image.Image, optimise: Optimise) -> None:
    whole = encode(scene, "jpeg")
    assert "damaged" in optimise(whole[: len(whole) // 2] + b"\xff\xd9").warnings
    assert "damaged" not in optimise(whole).warnings


def test_a_type_that_lies_in_its_first_bytes_is_refused_as_unreadable(optimise: Optimise) -> None:
    assert refusal(optimise, b"\xff\xd8\xff" + b"<?php evil(); ?>" * 40 + b"\xff\xd9").code == "photo_unreadable"


def test_a_png_text_that_unpacks_without_end_is_refused(optimise: Optimise) -> None:
    text = b"zTXt" + b"note\0\0" + zlib.compress(b"\0" * 20_000_000)
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    whole = png(2, 2, b"\0" * 14)
    assert refusal(optimise, whole[:33] + chunk + whole[33:]).code == "photo_unreadable"


def test_a_good_picture_with_corrupt_exif_is_accepted(optimise: Optimise) -> None:
    report = optimise(BROKEN_EXIF)
    assert (report.width, report.height, report.format) == (640, 480, "jpeg")


@settings(max_examples=60, deadline=None)
@given(junk=st.binary(max_size=200), header=st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
@example(junk=b"\xff\xff" + b"\x12\x01\x05\0\0\0\0\0" * 8, header=b"II*\0\x08\0\0\0")
@pytest.mark.slow
def test_no_exif_bytes_at_all_can_spoil_a_good_picture(optimise: Optimise, header: bytes, junk: bytes) -> None:
    source = encode(Image.new("RGB", (24, 16), "teal"), "jpeg", exif=b"Exif\0\0" + header + junk)
    assert {optimise(source).width, optimise(source).height} == {24, 16}


@settings(max_examples=30, deadline=None)
@given(junk=st.binary(min_size=1, max_size=300))
def test_no_colour_profile_can_spoil_a_good_picture(optimise: Optimise, junk: bytes) -> None:
    assert optimise(encode(Image.new("RGB", (24, 16), "teal"), "jpeg", icc_profile=junk)).width == 24


@pytest.mark.parametrize("kind", SAVE_FORMATS)
@pytest.mark.slow
def test_flipped_bits_give_a_valid_report_or_a_permanent_job_error(
    kind: str, scene: Image.Image, optimise: Optimise
) -> None:
    whole = encode(scene.resize((64, 43)), kind)

    @settings(max_examples=80, deadline=None)
    @given(flips=st.lists(st.integers(0, len(whole) * 8 - 1), min_size=1, max_size=12))
    def check(flips: list[int]) -> None:
        damaged = bytearray(whole)
        for flip in flips:
            damaged[flip // 8] ^= 1 << flip % 8
        try:
            report = optimise(bytes(damaged))
        except JobError as error:
            assert error.code.startswith("photo_")
            assert not error.retryable
        else:
            assert isinstance(report, PhotoReport)
            assert len(report.phash) == 16

    check()


@settings(max_examples=60, deadline=None)
@given(
    start=st.sampled_from(
        [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\xff\0\0\0WEBPVP8 ", b"\0\0\0\x1cftypavif"]
    ),
    rest=st.binary(max_size=300),
)
def test_anything_behind_a_known_signature_is_a_job_error_or_a_picture(
    optimise: Optimise, start: bytes, rest: bytes
) -> None:
    try:
        optimise(start + rest)
    except JobError as error:
        assert error.code.startswith("photo_")


@pytest.mark.parametrize("source", [demo("pavilion.jpg"), b"\xff\xd8\xffbroken"])
def test_limits_and_warning_filters_of_the_process_are_left_as_they_were(
    source: Path | bytes, optimise: Optimise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters), AvifImagePlugin.DEFAULT_MAX_THREADS
    if isinstance(source, bytes):
        refusal(optimise, source)
    else:
        optimise(source)
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters), AvifImagePlugin.DEFAULT_MAX_THREADS) == before
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_a_process_that_tolerates_truncated_images_still_refuses_them_here(
    scene: Image.Image, optimise: Optimise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert refusal(optimise, encode(scene, "jpeg")[:5000]).code == "photo_truncated"


def test_a_missing_source_is_an_os_error_and_no_fault_of_the_customer(optimise: Optimise, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        optimise(tmp_path / "gone.jpg")
