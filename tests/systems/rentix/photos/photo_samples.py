"""Where the real photographs are, and small pictures of every supported type made on the spot."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from jobwire.systems.rentix import photos
from jobwire.systems.rentix.photos import PhotoReport

DEMO_DIR = Path(photos.__file__).with_name("demo_photos")
SAVE_FORMATS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "avif": "AVIF", "gif": "GIF"}

Optimise = Callable[..., PhotoReport]


def demo(name: str) -> Path:
    return DEMO_DIR / name


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    body = BytesIO()
    image.save(body, SAVE_FORMATS.get(kind, kind), **options)
    return body.getvalue()


def two_frames(kind: str, first: str = "red", second: str = "blue") -> bytes:
    frames = [Image.new("RGB", (64, 48), colour) for colour in (first, second)]
    return encode(frames[0], kind, save_all=True, append_images=frames[1:])


def read_output(out: Path, file: str) -> Image.Image:
    with Image.open(out / file) as image:
        image.load()
        return image
