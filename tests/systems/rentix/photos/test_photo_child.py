"""The photo work inside a child process held to the published LIMITS, as it is meant to run."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from photo_samples import demo, encode
from PIL import Image

from jobwire.systems.rentix.photos import LIMITS, PhotoReport, PhotoRequest

CHILD = """
import resource, sys, msgspec
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]), int(sys.argv[2])))
from jobwire.domain.errors import JobError
from jobwire.systems.rentix.photos import PhotoRequest, optimise_photo
try:
    answer = optimise_photo(msgspec.json.decode(sys.stdin.buffer.read(), type=PhotoRequest))
except JobError as error:
    answer = {"code": error.code}
sys.stdout.buffer.write(msgspec.json.encode(answer))
"""


def run_child(source: Path, out: Path, *, memory_bytes_max: int = LIMITS.memory_bytes_max) -> bytes:
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(memory_bytes_max), str(LIMITS.cpu_s_max)],
        input=msgspec.json.encode(PhotoRequest(str(source), str(out))),
        stdout=subprocess.PIPE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        timeout=LIMITS.wall_ms_max / 1000,
        check=True,
    ).stdout


@pytest.mark.slow
def test_a_ten_megapixel_photo_fits_into_the_limits_of_the_child(tmp_path: Path) -> None:
    report = msgspec.json.decode(run_child(demo("living-room.jpg"), tmp_path), type=PhotoReport)
    assert (report.width, report.height) == (2560, 3837)
    assert (tmp_path / report.original.file).stat().st_size == report.original.size_bytes


@pytest.mark.slow
def test_a_photo_dearer_than_the_memory_it_may_use_is_refused_and_kills_nothing(tmp_path: Path) -> None:
    source = tmp_path / "flat.png"
    source.write_bytes(encode(Image.new("RGBA", (5000, 5000), (9, 9, 9, 9)), "png"))
    answer = run_child(source, tmp_path, memory_bytes_max=300 * 1024 * 1024)
    assert msgspec.json.decode(answer) == {"code": "photo_too_complex"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.jpg", {"quality": 92}),
        ("b.jpg", {"progressive": True}),
        ("c.webp", {"method": 0}),
        ("d.png", {}),
        ("e.avif", {"speed": 10}),
    ],
)
def test_the_largest_photo_of_each_type_fits_into_the_limits_of_the_child(
    name: str, options: dict[str, object], tmp_path: Path
) -> None:
    with Image.open(demo("living-room.jpg")) as room:
        largest = room.convert("RGB").resize((5770, 8650))
    if not name.endswith("jpg"):
        largest.putalpha(200)
    source = tmp_path / name
    largest.save(source, **options)
    report = msgspec.json.decode(run_child(source, tmp_path), type=PhotoReport)
    assert (report.width, report.height) == (5770, 8650)
