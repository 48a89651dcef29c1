"""Case 27: the documented ways to poll, run by node in a process of their own, end on success and on failure."""

import shutil
import subprocess
from pathlib import Path

import pytest
from docswrite_house import Client, Google

pytestmark = pytest.mark.slow

POLLER = Path(__file__).parent / "pollers" / "documented.mjs"


@pytest.mark.parametrize("way", ["waitForJobCompletion", "trackProgress"])
@pytest.mark.parametrize("succeeds", [True, False], ids=["success", "failure"])
def test_27_a_documented_poller_ends_by_itself(client: Client, google: Google, way: str, *, succeeds: bool) -> None:
    if (node := shutil.which("node")) is None:
        pytest.skip("node is not installed")
    name = f"doc-polled-{way}-{succeeds}"
    url = google.share(name)
    if not succeeds:
        google.statuses[name] = 404
    command = [node, str(POLLER), client.running.base, client.key, client.export(url), way]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout + ended.stderr
    assert ("completed http" in said) if succeeds else ("failed Google has no document" in said), said
