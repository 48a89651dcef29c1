"""Case 30: pollers as customers run them, in their own process, end by themselves on success and on failure."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from apidatatools_house import MOUNT, Customer, FileServer

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent / "pollers"
POLLERS = {"Python": (sys.executable, "poller.py"), "JavaScript": ("node", "poller.mjs")}


@pytest.mark.parametrize("poller", POLLERS)
@pytest.mark.parametrize("name", ["good", "bad"])
def test_30_a_documented_poller_ends_by_itself(customer: Customer, files: FileServer, poller: str, name: str) -> None:
    program, script = POLLERS[poller]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    files.gate.clear()
    job = customer.start("json-formatter", f"{files.base}/gate/{name}.json")
    command = [program, str(FOLDER / script), customer.running.base + MOUNT, customer.key, job]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as poll:
        assert poll.stdout is not None
        assert poll.stdout.readline() == "Your job is being processed.\n"
        files.gate.set()
        told, faults = poll.communicate(timeout=60)
    assert (poll.returncode, faults) == (0, "")
    last = told.splitlines()[-1]
    if name == "good":
        assert last.startswith(f"result {customer.running.base}{MOUNT}/downloads/apidatatools_convert_")
    else:
        assert last.startswith("failed INVALID_JSON ") and last.endswith(" 4")
