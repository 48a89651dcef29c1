"""One call that prepares any photo, and a real photograph small enough to damage many times."""

from pathlib import Path

import pytest
from photo_samples import Optimise, demo
from PIL import Image

from jobwire.systems.rentix import photos
from jobwire.systems.rentix.photos import PhotoLimits, PhotoReport, PhotoRequest


@pytest.fixture(scope="session")
def out_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(scope="session")
def optimise(tmp_path_factory: pytest.TempPathFactory, out_dir: Path) -> Optimise:
    """Prepare a path or the given bytes (under a misleading name) into the shared out_dir."""
    upload = tmp_path_factory.mktemp("upload") / "upload.jpg"

    def run(source: Path | bytes, *, limits: PhotoLimits | None = None, out: Path = out_dir) -> PhotoReport:
        if isinstance(source, bytes):
            upload.write_bytes(source)
            source = upload
        return photos.optimise_photo(PhotoRequest(str(source), str(out), limits or PhotoLimits()))

    return run


@pytest.fixture(scope="session")
def scene() -> Image.Image:
    """A real photograph at 320 x 213."""
    with Image.open(demo("pavilion.jpg")) as image:
        return image.convert("RGB").resize((320, 213))
