"""Pictures of documents as they are prepared for a media library."""

import io
from pathlib import Path

import pytest
from docswrite_samples import make_picture
from PIL import Image

from jobwire.domain.errors import JobError
from jobwire.pictures.decode import PhotoLimits
from jobwire.systems.docswrite.pictures import (
    SIDE_PX_MAX,
    PictureRequest,
    PreparedPicture,
    prepare_picture,
)


def prepare(data: bytes, folder: Path, **options: object) -> tuple[PreparedPicture, Image.Image]:
    (folder / "source").write_bytes(data)
    prepared = prepare_picture(PictureRequest(str(folder / "source"), str(folder / "out"), **options))  # type: ignore[arg-type]
    body = (folder / "out" / prepared.file).read_bytes()
    assert len(body) == prepared.size_bytes
    return prepared, Image.open(io.BytesIO(body))


def test_a_picture_becomes_webp_named_by_its_content(tmp_path: Path) -> None:
    prepared, image = prepare(make_picture("jpeg"), tmp_path)
    assert (image.format, prepared.content_type) == ("WEBP", "image/webp")
    assert prepared.file == f"picture-{prepared.sha256[:32]}.webp"
    assert prepared.marker == f"picture-{prepared.sha256[:32]}"
    again, _ = prepare(make_picture("jpeg"), tmp_path)
    assert again == prepared


@pytest.mark.parametrize(
    ("given", "kept", "content_type"),
    [
        ("jpeg", "JPEG", "image/jpeg"),
        ("png", "PNG", "image/png"),
        ("gif", "PNG", "image/png"),
        ("webp", "WEBP", "image/webp"),
    ],
)
def test_without_conversion_a_picture_keeps_a_type_every_site_takes(
    given: str, kept: str, content_type: str, tmp_path: Path
) -> None:
    prepared, image = prepare(make_picture(given), tmp_path, to_webp=False)
    assert (image.format, prepared.content_type) == (kept, content_type)


def test_compressing_brings_a_large_picture_down_and_nothing_else_does(tmp_path: Path) -> None:
    large = make_picture("jpeg", size=(SIDE_PX_MAX + 1, 100))
    assert prepare(large, tmp_path)[0].width == SIDE_PX_MAX
    assert prepare(large, tmp_path, compress=False)[0].width == SIDE_PX_MAX + 1
    assert prepare(make_picture("jpeg", size=(SIDE_PX_MAX, 100)), tmp_path)[0].width == SIDE_PX_MAX


def test_a_picture_longer_than_webp_can_be_is_made_to_fit(tmp_path: Path) -> None:
    long = make_picture("jpeg", size=(16_384, 8))
    assert prepare(long, tmp_path, compress=False)[0].width == 16_383


@pytest.mark.parametrize("to_webp", [True, False])
def test_what_is_transparent_stays_so(to_webp: bool, tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(file, "png")
    _, image = prepare(file.getvalue(), tmp_path, to_webp=to_webp)
    assert image.convert("RGBA").getpixel((5, 5))[3] == 0


def test_a_moving_picture_goes_on_moving(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("L", (9, 9), 0).save(file, "gif", save_all=True, append_images=[Image.new("L", (9, 9), 255)])
    prepared, image = prepare(file.getvalue(), tmp_path)
    assert (prepared.content_type, getattr(image, "n_frames", 1)) == ("image/gif", 2)


def test_a_grey_picture_of_sixteen_bits_keeps_its_shades(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("I;16", (9, 9), 0x4000).save(file, "png")
    _, image = prepare(file.getvalue(), tmp_path, to_webp=False)
    assert image.convert("L").getpixel((4, 4)) == 0x40


def test_a_place_in_the_camera_does_not_travel_along(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (47.0, 0.0, 0.0), 3: "E", 4: (28.0, 0.0, 0.0)}
    _, image = prepare(make_picture("jpeg", exif=exif), tmp_path)
    assert not dict(image.getexif())


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "photo_empty"),
        (b"<svg onload='alert(1)'>", "photo_type_unsupported"),
        (b"<?php system('id');", "photo_type_unsupported"),
        (make_picture("jpeg", size=(300, 300))[:-300], "photo_truncated"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, code: str, tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught:
        prepare(data, tmp_path)
    assert (caught.value.code, caught.value.retryable) == (code, False)


def test_a_picture_of_200_mb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "source").open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    with pytest.raises(JobError) as caught:
        prepare_picture(PictureRequest(str(tmp_path / "source"), str(tmp_path)))
    assert caught.value.code == "photo_too_large_bytes"


def test_a_picture_of_more_pixels_than_allowed_is_refused_and_one_at_the_limit_is_not(tmp_path: Path) -> None:
    prepare(make_picture(size=(100, 50)), tmp_path, limits=PhotoLimits(pixels_max=5_000))
    with pytest.raises(JobError) as caught:
        prepare(make_picture(size=(100, 51)), tmp_path, limits=PhotoLimits(pixels_max=5_000))
    assert caught.value.code == "photo_too_many_pixels"
