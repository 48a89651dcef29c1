"""Case 30: pollers as customers run them, in their own process, end by themselves on success and on failure."""

import shutil
import subprocess
import sys

import pytest
from rentix_house import FLAT, POLLERS_FOLDER, Client, PhotoServer

pytestmark = pytest.mark.slow

POLLERS = {
    "documented JavaScript": ("node", "documented_poller.mjs"),
    "PHP": ("php", "poller.php"),
    "Python": (sys.executable, "poller.py"),
}


@pytest.mark.parametrize("poller", POLLERS)
@pytest.mark.parametrize("manner", ["ok", "missing", "busy"])
def test_30_a_documented_poller_ends_by_itself(client: Client, photos: PhotoServer, poller: str, manner: str) -> None:
    program, script = POLLERS[poller]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    files = photos.urls("ok", "ok", manner)
    job = client.put_listing(**FLAT, externalId="APT-001", announcementStatus="active", files=files)["jobId"]
    command = [program, str(POLLERS_FOLDER / script), client.running.base, client.key, str(job)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if manner == "ok":
        assert ended.returncode == 0, ended.stderr
        assert "Job completed:" in ended.stdout and "analyze_images" in ended.stdout
    else:
        assert ended.returncode == 1
        assert "Failed to process images" in ended.stderr
