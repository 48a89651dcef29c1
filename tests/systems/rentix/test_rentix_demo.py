"""`jobwire demo` runs to its end and tells what a newcomer is to see."""

import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from PIL import Image

from jobwire.cli.demo import clear_folder
from jobwire.config import SettingError

ORIENTATION, GPS = 0x0112, 0x8825


@pytest.mark.slow
def test_the_demo_shows_place_stages_texts_and_photos_and_what_to_try_next(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "jobwire", "demo", "--folder", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    shown = ended.stdout
    assert re.search(r"pending +0 % [12] ahead in the queue", shown)
    assert re.search(r"processing +\d+ % analyze_images \d/4", shown)
    assert re.search(r"completed +100 %", shown)
    for language in ("Romanian (original)", "Russian (", "English (", "facts: Se închiriază", "Сдаётся", "For rent:"):
        assert language in shown
    for place in ("place: Chișinău", "sector: Botanica", "precision: sector", "timezone: Europe/Chisinau"):
        assert place in shown
    rows = re.findall(r"(original|128|512|1024) +(\d+) × (\d+) +([\d,]+) +(jobwire\.db-files/\S+)", shown)
    assert [row[0] for row in rows] == ["original", "128", "512", "1024"] * 4
    for name, width, height, size, path in rows:
        assert (folder / path).stat().st_size == int(size.replace(",", ""))
        assert name == "original" or max(int(width), int(height)) <= int(name)
    steps = shown.partition("Try next")[2]
    assert [number in steps for number in ("  1. ", "  2. ", "  3. ")] == [True] * 3


def test_the_photos_of_the_demo_are_large_turned_and_located() -> None:
    photos = resources.files("jobwire.systems.rentix").joinpath("demo_photos")
    pixels, turned, located = 0, False, False
    for path in photos.iterdir():
        if path.name.endswith(".jpg"):
            with path.open("rb") as file, Image.open(file) as image:
                exif = image.getexif()
                pixels = max(pixels, image.width * image.height)
                turned |= exif.get(ORIENTATION, 1) != 1
                located |= bool(exif.get_ifd(GPS))
    assert (pixels >= 1_000_000, turned, located) == (True, True, True)


def test_a_demo_begins_anew_in_its_own_folder_and_touches_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    for _ in range(2):
        clear_folder(folder)
        (folder / "jobwire.db").write_text("of a demo")
    clear_folder(folder)
    assert not (folder / "jobwire.db").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    clear_folder(mine)
    (mine / ".jobwire-demo").unlink()
    (mine / "letters.txt").write_text("dear")
    for wrong in (mine, mine / "letters.txt"):
        with pytest.raises(SettingError, match="--folder"):
            clear_folder(wrong)
    assert (mine / "letters.txt").read_text() == "dear"
