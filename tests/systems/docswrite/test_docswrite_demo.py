"""`jobwire demo docswrite` as somebody runs it who has just installed it."""

import subprocess
import sys
from pathlib import Path

import pytest

from jobwire.cli import demo_wordpress
from jobwire.config import SettingError

pytestmark = pytest.mark.slow


def test_the_demo_publishes_a_document_twice(tmp_path: Path) -> None:
    demo_wordpress.check_packages()
    command = [sys.executable, "-m", "jobwire", "demo", "docswrite", "--folder", str(tmp_path / "demo")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "has 2 pictures" in ended.stdout
    assert "the same; pictures the same; the new words are there" in ended.stdout
    page = (tmp_path / "demo" / "page.html").read_text()
    assert "Around the lake" in page and "docswrite_settings" not in page


def test_without_wordpress_the_demo_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_wordpress, "SOURCE", tmp_path / "nothing")
    with pytest.raises(SettingError, match=r"apt-get install .*wordpress"):
        demo_wordpress.check_packages()
